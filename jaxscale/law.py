"""What a law is: a plain JAX function with inputs, a response, priors and a source.

    @law(inputs={"N": PARAMS}, response=LOSS, priors={"E": floor(), ...}, source=Paper(...))
    def my_law(N, *, E, ...):
        \"\"\"L(N) = E + ...\"\"\"
        return E + ...

Positional arguments are inputs, keyword-only ones are parameters. See docs/add_a_law.md.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxscale.errors import LawError
from jaxscale.implicit import decreasing_root
from jaxscale.noise import NOISE_PARAMETERS
from jaxscale.positive import log
from jaxscale.priors import Prior, as_prior, between, exponent, floor, positive, relative, share, term
from jaxscale.registry import family, get_law, is_registered, list_laws, register
from jaxscale.runtime import float64
from jaxscale.variables import (
    COMPUTE,
    DERIVED,
    EXAMPLES,
    FLOPS,
    LOSS,
    PARAMS,
    SAMPLES,
    SCORE,
    SOLVED,
    STREAMS,
    SYMBOLS,
    TOKENS,
    TOKENS_PER_PARAM,
    Response,
    Variable,
)  # fmt: skip

__all__ = [  # the words a law file is written with
    "COMPUTE", "EXAMPLES", "FLOPS", "LOSS", "PARAMS", "SAMPLES", "SCORE", "SOLVED", "STREAMS", "TOKENS",
    "TOKENS_PER_PARAM", "Law", "Ours", "Paper", "Preset", "Response", "Variable", "between", "decreasing_root",
    "exponent", "family", "floor", "get_law", "law", "list_laws", "log", "positive", "preset", "relative", "share",
    "term",
]  # fmt: skip


@dataclass(frozen=True)
class Paper:
    """Where a law was published; `where` names the equation or section."""

    title: str
    arxiv: str = ""
    where: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.title, self.arxiv and f"arXiv {self.arxiv}", self.where)))


@dataclass(frozen=True)
class Ours:
    """A form that is not a paper's but ours."""

    inspired_by: str

    def __str__(self) -> str:
        return f"jaxscale's own form, inspired by {self.inspired_by}"


class Preset(dict[str, float]):
    """Published coefficients. `certainty`: "verified", "recomputed", "secondary" or "memory"."""

    def __init__(self, values: Mapping[str, float], certainty: str = "verified", note: str = ""):
        super().__init__(values)
        self.certainty = certainty
        self.note = note


def preset(certainty: str = "verified", note: str = "", **values: float) -> Preset:
    """Published coefficients with how sure they are and what to know about them."""
    return Preset(values, certainty, note)


@dataclass(frozen=True, eq=False)
class Law:
    """A scaling law. Calling it evaluates the formula in float64.

    Attributes:
        name: the function's name.
        inputs: symbol -> Variable, in the order of the positional arguments.
        response: what it predicts.
        priors: parameter -> Prior, or a number where the parameter is fixed.
        linear: parameters whose coordinates the mean is linear in.
        source: a Paper, or Ours.
        published: name -> Preset.
        decides: what can be chosen with it ("N, D"), empty where there is nothing to choose.
        box: symbol -> smallest and largest value, in the law's unit, outside which the formula means nothing.
        after: name of the law whose response is an input of this one (loss, then score); see `jaxscale.chain`.
        falls, rises: inputs with which the mean only falls or only rises.
        contains: name of another law -> values of this one's parameters and inputs at which the two are equal, names
            that they share meaning the same.
        fixed_units: the paper's constants hold in its own units only, so the curve changes with them.
        active: canonical columns -> parameters that compute for one token, where they are not those of `params`: of a
            mixture of experts those awake. What planning counts FLOP with.
        formula: the first line of the docstring.
    """

    mean: Callable[..., Any]
    name: str
    inputs: Mapping[str, Variable]
    response: Response
    priors: Mapping[str, Prior | float]
    linear: tuple[str, ...]
    source: Paper | Ours
    published: Mapping[str, Preset]
    decides: str
    aliases: tuple[str, ...]
    topic: str
    formula: str
    params: tuple[str, ...]
    box: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    after: str = ""
    falls: tuple[str, ...] = ()
    rises: tuple[str, ...] = ()
    contains: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    fixed_units: bool = False
    active: Callable[[Mapping[str, Any]], Any] | None = None
    file: str = field(default="", repr=False)

    @cached_property
    def _compiled(self) -> Callable[..., Any]:
        return jax.jit(self.mean)

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """The law's mean at these inputs, in float64 NumPy (traced values stay JAX's); arrays broadcast."""
        with float64():
            value = self._compiled(*map(_double, inputs), **{k: _double(v) for k, v in params.items()})
        # a float64 JAX array outside x64 mode loses its digits in the caller's next operation
        return value if isinstance(value, Tracer) else np.asarray(value)[()]

    def __repr__(self) -> str:
        return f"Law({self.name}: {self.formula})"

    def __reduce__(self) -> Any:
        return _unpickled, (self.name, self.file, dict(self.priors))

    @cached_property
    def free(self) -> tuple[str, ...]:
        """Parameters that have a prior, the others being fixed."""
        return tuple(p for p in self.params if isinstance(self.priors[p], Prior))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Parameters in an order in which each follows from its coordinate and those before it."""
        done: list[str] = []
        while len(done) < len(self.params):
            ready = [p for p in self.params if p not in done and _needs(self.priors[p]) <= set(done)]
            if not ready:
                raise LawError(
                    f"law {self.name!r}: the priors of {sorted(set(self.params) - set(done))} need each other"
                )
            done += ready
        return tuple(done)

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """Canonical columns that can be chosen by this law, as `decides` names them; empty where what it decides is its
        response, or nothing."""
        named = re.split(", | and ", re.split(" for | at ", self.decides)[0])
        known = SYMBOLS | {s: v.column for s, v in self.inputs.items()}
        columns = tuple(known.get(name, "") for name in named)
        settled = set(columns) | {c for c, rules in DERIVED.items() if any(set(r[0]) <= set(columns) for r in rules)}
        of_inputs = settled & {v.column for v in self.inputs.values()}
        return columns if all(columns) and set(columns) <= settled and of_inputs else ()

    def by_column(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs by symbol, in the law's units -> by column, in canonical units; vectors are spread over theirs."""
        out: dict[str, Any] = {}
        for symbol, v in self.inputs.items():
            values = inputs[symbol] * v.per if v.per != 1.0 else inputs[symbol]
            out |= {c: values[..., j] for j, c in enumerate(v.columns)} if v.length else {v.column: values}
        return out

    def from_columns(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Numbers by canonical column -> inputs by symbol, in the law's units."""
        return {s: known[v.column] / v.per if v.per != 1.0 else known[v.column] for s, v in self.inputs.items()}

    @cached_property
    def source_hash(self) -> str:
        """sha256 of the file that defines the law, or of the formula typed at a prompt: saved fits carry it."""
        path = Path(self.file)
        return hashlib.sha256(path.read_bytes() if path.is_file() else _typed(self.mean)).hexdigest()

    def with_priors(self, overrides: Mapping[str, Any]) -> Law:
        """This law with other priors: a distribution on the coordinate, a Prior, or a number that fixes it."""
        new = dict(self.priors)
        for name, spec in overrides.items():
            if name not in new:
                raise LawError(f"law {self.name!r} has no parameter {name!r}; it has {', '.join(self.params)}")
            old = new[name]
            is_dist = hasattr(spec, "log_prob") and isinstance(old, Prior)
            new[name] = old.with_dist(spec) if is_dist and isinstance(old, Prior) else as_prior(spec, name)
        return dataclasses.replace(self, priors=new)


def _typed(mean: Callable[..., Any]) -> bytes:
    """A formula's source, or its bytecode where Python has kept no source."""
    try:
        return inspect.getsource(mean).encode()
    except OSError:
        code = mean.__code__
        plain = [c for c in code.co_consts if not hasattr(c, "co_code")]  # the rest prints its address
        return repr((code.co_code, code.co_names, plain)).encode()


def _needs(prior: Prior | float) -> frozenset[str]:
    return prior.needs if isinstance(prior, Prior) else frozenset()


def _double(value: Any) -> Any:
    return value if isinstance(value, Tracer) else np.asarray(value, dtype=np.float64)


def _unpickled(name: str, file: str, priors: Mapping[str, Prior | float]) -> Law:
    """A registered law, or in a new process that of the user's file; with the priors it had."""
    ours = Path(__file__).parent in Path(file).parents
    found = get_law(name) if ours or is_registered(name) else get_law(file)
    found = found if found.name == name else get_law(name)  # of a family the file gives the usual size
    return dataclasses.replace(found, priors=priors)


def law(
    *,
    inputs: Mapping[str, Variable],
    response: Response,
    priors: Mapping[str, Any],
    source: Paper | Ours,
    linear: Sequence[str] = (),
    published: Mapping[str, Mapping[str, float]] | None = None,
    decides: str = "",
    aliases: Sequence[str] = (),
    topic: str = "training",
    box: Mapping[str, tuple[float, float]] | None = None,
    after: str = "",
    falls: Sequence[str] = (),
    rises: Sequence[str] = (),
    contains: Mapping[str, Mapping[str, float]] | None = None,
    fixed_units: bool = False,
    active: Callable[[Mapping[str, Any]], Any] | None = None,
    name: str | None = None,
) -> Callable[[Callable[..., Any]], Law]:
    """Make a law of a formula and register it under the function's name. See `Law` for the arguments."""
    given = name

    def make(mean: Callable[..., Any]) -> Law:
        name = given or mean.__name__
        params = _check_signature(mean, inputs, priors)
        presets = {k: v if isinstance(v, Preset) else Preset(v) for k, v in (published or {}).items()}
        for key, values in presets.items():
            if stray := set(values) - set(params):
                raise LawError(f"law {name!r}: preset {key!r} sets {sorted(stray)}, which it does not have")
        if taken := sorted(set(params) & set(NOISE_PARAMETERS)):
            raise LawError(f"law {name!r}: {', '.join(taken)} are names of the noise's parameters; call them otherwise")
        if stray := set(linear) - set(params):
            raise LawError(f"law {name!r}: linear names {sorted(stray)}, which it does not have")
        for what, names in (("its box", box or ()), ("falls", falls), ("rises", rises)):
            if stray := set(names) - set(inputs):
                raise LawError(f"law {name!r}: {what} names {sorted(stray)}, which are no inputs")
        formula = (inspect.getdoc(mean) or "").strip().split("\n", 1)[0]
        if not formula:
            raise LawError(f"law {name!r} needs a docstring whose first line is its formula")
        made = Law(
            mean=mean,
            name=name,
            inputs=dict(inputs),
            response=response,
            priors={p: as_prior(priors[p], p) for p in params},
            linear=tuple(linear),
            source=source,
            published=presets,
            decides=decides,
            aliases=tuple(aliases),
            topic=topic,
            formula=formula,
            params=params,
            box=dict(box or {}),
            after=after,
            falls=tuple(falls),
            rises=tuple(rises),
            contains=dict(contains or {}),
            fixed_units=fixed_units,
            active=active,
            file=inspect.getsourcefile(mean) or "",
        )
        assert made.order  # raises where priors need each other
        return register(made)

    return make


def _check_signature(mean: Callable[..., Any], inputs: Mapping[str, Any], priors: Mapping[str, Any]) -> tuple[str, ...]:
    signature = inspect.signature(mean).parameters.values()
    kinds = {p.kind for p in signature}
    positional = [p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD]
    params = tuple(p.name for p in signature if p.kind is p.KEYWORD_ONLY)
    if inspect.Parameter.VAR_KEYWORD in kinds:  # **t takes the rest, as *r does of the inputs: a family of laws
        params = (*params, *(p for p in priors if p not in params))
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        positional += list(inputs)[len(positional) :]
    if positional != list(inputs):
        raise LawError(f"law {mean.__name__!r}: positional arguments {positional} are not its inputs {list(inputs)}")
    if set(params) != set(priors):
        raise LawError(
            f"law {mean.__name__!r}: keyword-only arguments {list(params)} are not the names of its priors "
            f"{list(priors)}"
        )
    return params
