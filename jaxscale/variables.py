"""The quantities of the field: their canonical columns, units and what values they may take.

Holds no JAX, so that readers and the command line stay light.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

LN2 = 0.6931471805599453


@dataclass(frozen=True)
class Variable:
    """An input of a law.

    Attributes:
        column: the canonical name of its column in a table.
        unit: the unit in which laws expect it.
        meaning: what it is, for people.
        units: other units a table may declare, with the factor to the canonical unit.
        least_plausible: canonical values below this are taken for a slip of units.
        axis: "log" for positive quantities of many sizes, which the engine carries by their logarithm; "raw" for
            those that may be zero or negative, such as a share.
        per: the law's unit in canonical ones: 1e9 where a paper counts in billions. Tables and queries stay
            canonical; the formula and its published coefficients are in the law's unit.
        span: smallest and largest value that make sense, in canonical units; a raw quantity needs one.
        length: of a vector, whose columns are "name:0", "name:1" and so on; 0 for a number.
        example: (generator, n) -> (n, length) values of a vector, on which its laws are proved.
    """

    column: str
    unit: str
    meaning: str
    units: Mapping[str, float] | None = None
    least_plausible: float = 0.0
    axis: str = "log"
    per: float = 1.0
    span: tuple[float, float] | None = None
    length: int = 0
    example: Callable[[Any, int], Any] | None = None

    def counted_in(self, per: float, unit: str) -> Variable:
        """The same quantity for a law whose coefficients hold in another unit: PARAMS.counted_in(1e9, "billions")."""
        return replace(self, per=per, unit=unit)

    @property
    def columns(self) -> tuple[str, ...]:
        """Its column, or those of a vector."""
        return tuple(f"{self.column}:{j}" for j in range(self.length)) if self.length else (self.column,)


@dataclass(frozen=True)
class Response:
    """What a law predicts.

    Attributes:
        column: canonical column.
        unit: unit of the law's mean.
        support: "positive", "unit" (0 to 1), "count" (k of n), "ordinal" (whole levels) or "real".
        on: the scale on which errors are additive, "log" or "raw".
        noise: default observation model.
        scale: what a prior on an amount is relative to; None means the table's median magnitude.
        units: other units a table may declare, with the factor to `unit`.
        trials: for counts, the column of n.
        levels: of an ordinal response, the least and the most.
        better: "lower" or "higher": on which side of the law a well-tuned run lies.
    """

    column: str
    unit: str
    meaning: str
    support: str = "positive"
    on: str = "log"
    noise: str = "student_t"
    scale: float | None = 1.0
    units: Mapping[str, float] | None = None
    trials: str | None = None
    levels: tuple[int, int] | None = None
    better: str = "lower"


COUNT = {"1": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}

PARAMS = Variable("params", "parameters", "model parameters", COUNT, 1e3)
TOKENS = Variable("tokens", "tokens", "training tokens", COUNT, 1e3)
FLOPS = Variable("flops", "FLOP", "training compute", {"1": 1.0, "PF-day": 8.64e19}, 1e6)
TOKENS_PER_PARAM = Variable("tokens_per_param", "tokens / parameter", "training tokens per parameter")
EXAMPLES = Variable("examples", "examples", "training examples", COUNT)
STREAMS = Variable("streams", "streams", "parallel streams", span=(1.0, 1e4))
SAMPLES = Variable("samples", "samples", "samples drawn per problem", span=(1.0, 1e6))
COMPUTE = Variable("compute", "GPU-hours", "compute spent, in any one unit")

NATS = {"nats": 1.0, "bits": LN2}
LOSS = Response("loss", "nats/token", "loss", units=NATS)
SCORE = Response("score", "share", "score between 0 and 1", support="unit", on="raw", better="higher")
SOLVED = Response(
    "solved",
    "share",
    "problems solved, of those tried",
    support="count",
    on="raw",
    noise="binomial",
    trials="trials",
    better="higher",
)

INPUTS = {v.column: v for v in (PARAMS, TOKENS, FLOPS, TOKENS_PER_PARAM, EXAMPLES, STREAMS, SAMPLES, COMPUTE)}
RESPONSES = {r.column: r for r in (LOSS, SCORE, SOLVED)}

# How a missing quantity follows from others, by canonical column; the text is said in the output.
FLOPS_PER_PARAM_TOKEN = 6.0
Rule = tuple[tuple[str, ...], Callable[..., Any], str]
DERIVED: Mapping[str, tuple[Rule, ...]] = {
    "flops": ((("params", "tokens"), lambda n, d: FLOPS_PER_PARAM_TOKEN * n * d, "flops = 6 params tokens"),),
    "tokens": (
        (("flops", "params"), lambda c, n: c / (FLOPS_PER_PARAM_TOKEN * n), "tokens = flops / (6 params)"),
        (("params", "tokens_per_param"), lambda n, m: n * m, "tokens = params tokens_per_param"),
    ),
    "params": (((("flops", "tokens")), lambda c, d: c / (FLOPS_PER_PARAM_TOKEN * d), "params = flops / (6 tokens)"),),
    "tokens_per_param": ((("params", "tokens"), lambda n, d: d / n, "tokens_per_param = tokens / params"),),
}
SYMBOLS = {"N": "params", "D": "tokens", "C": "flops", "M": "tokens_per_param"}


def training_compute(by_column: Mapping[str, Any]) -> Any | None:
    """FLOP of runs from whatever canonical columns are known; None where they do not say."""
    if "flops" in by_column:
        return by_column["flops"]
    for needs, rule, _ in DERIVED["flops"]:
        if set(needs) <= set(by_column):
            return rule(*(by_column[c] for c in needs))
    return None
