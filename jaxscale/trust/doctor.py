"""Can this table answer the question? Each finding with its number, its consequence and what would mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxscale.api import as_runs
from jaxscale.batch import Lane, Table, keys_of, lane_of, rows_for, table_of
from jaxscale.identify import FAR, off_line, refusal
from jaxscale.infer import cascade
from jaxscale.infer.point import Point
from jaxscale.law import Law, get_law
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.variables import training_compute
from jaxscale.words import human, plain

FEW_RUNS = 3.0  # per parameter
LEVELS = 4  # distinct values of an input, fewer than which a floor and an exponent are hard to tell apart
ONE_LEVEL = 0.05  # of a log input
INFLATION = 10.0  # variance inflation factor
REACH = 1.0  # decades of an input, less than which an exponent is hard to see
OUTLYING = 6.0  # robust standard deviations
MOST_NAMED = 12


@dataclass(frozen=True)
class Finding:
    """One thing about a table.

    Attributes:
        level: "error" (no answer possible), "warning" (the answer suffers) or "note".
        code: one word for programs.
        message: what was found, with its number and consequence.
        fix: what would mend it.
    """

    level: str
    code: str
    message: str
    fix: str = ""


@at_the_door
def doctor(runs: Runs | Any, law: str | Law | None = None, budget: float | None = None) -> list[Finding]:
    """Examine a table before a law is fitted to it.

    Args:
        runs: a Runs, a path or a DataFrame.
        law: the law that is to be fitted; chinchilla unless given.
        budget: training FLOP that a forecast is wanted for.

    Returns:
        Findings, the worst first.

    Raises:
        DataError: the table lacks what the law needs.
    """
    runs, law = as_runs(runs), get_law(law or "chinchilla")
    table = table_of(runs, law)
    found = [Finding("note", "remark", note) for note in (*runs.notes, *table.notes)]
    if len(runs.excluded):
        reasons = "; ".join(sorted({str(r) for r in runs.excluded["reason"]}))
        found.append(Finding("note", "excluded", f"{len(runs.excluded)} runs were excluded: {reasons}."))
    refused = refusal(table, law)
    if refused is not None:
        found.append(Finding("error", refused.code, refused.sentence, refused.fix))
    found += _size(table, law) + _spread(table, law) + _collinear(table, law)
    if refused is None:
        model = Model(law, get_noise(None, law.response))
        lane = lane_of(table, model.noise, rows_for(len(table)))
        point = cascade.points(model, [lane], keys_of(0, ["doctor"]))
        found += _outliers(runs, table, model, lane, point.u[0]) + _unidentified(model, point)
    if budget is not None:
        found += _extrapolation(table, law, budget)
    rank = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda f: rank[f.level])


def _warning(code: str, message: str, fix: str) -> Finding:
    return Finding("warning", code, message, fix)


def _size(table: Table, law: Law) -> list[Finding]:
    per_parameter = len(table) / len(law.free)
    if per_parameter >= FEW_RUNS:
        return []
    return [
        _warning(
            "few_runs",
            f"{len(table)} runs for {len(law.free)} parameters: the priors will weigh in the answer.",
            f"Aim for {int(np.ceil(FEW_RUNS * len(law.free)))} runs or more; small ones count.",
        )
    ]


def _spread(table: Table, law: Law) -> list[Finding]:
    found = []
    for symbol, values in table.logs.items():
        variable = law.inputs[symbol]
        name, logs = f"{variable.column} ({symbol})", np.sort(values / np.log(10) + np.log10(variable.per))
        levels = 1 + int(np.sum(np.diff(logs) > ONE_LEVEL / np.log(10)))
        decades = float(np.ptp(logs))
        if 1 < levels < LEVELS:
            found.append(
                _warning(
                    "few_levels",
                    f"{name} has {levels} distinct values: a floor and an exponent fit such data together in many "
                    "ways, and forecasts beyond it will be wide.",
                    f"Add runs at other values, such as {human(10 ** (logs[0] - 0.5), digits=2)} and "
                    f"{human(10 ** (logs[-1] + 0.5), digits=2)}.",
                )
            )
        elif levels > 1 and decades < REACH:
            found.append(
                _warning(
                    "narrow",
                    f"{name} spans a factor of {10**decades:.1f}: its exponent is seen over {decades:.1f} decades "
                    "only.",
                    f"Extend it to a factor of ten, say down to {human(10 ** (logs[-1] - 1), digits=2)}.",
                )
            )
    return found


def _collinear(table: Table, law: Law) -> list[Finding]:
    logs = table.logs
    found = []
    for symbol in list(logs)[1:]:
        spread, off = float(np.std(logs[symbol])), off_line(logs, symbol)
        inflation = (spread / off) ** 2 if off > 1e-9 else np.inf
        if inflation > INFLATION and refusal(table, law) is None:
            first = next(iter(logs))
            found.append(
                _warning(
                    "collinear",
                    f"{symbol} follows {first} closely (variance inflation {inflation:.0f}, leaving the line by "
                    f"{100 * off:.0f} %): their exponents trade off, and the best split of compute with them.",
                    f"Add runs whose ratio of {symbol} to {first} is 5 times higher or lower than now.",
                )
            )
    return found


def _unidentified(model: Model, point: Point) -> list[Finding]:
    """Parameters of which the runs say next to nothing, by the curvature at the mode: the prior will answer."""
    weak = [p for p in cascade.left_to_prior(model, point)[0] if p in model.law.params]
    if not weak:
        return []
    return [
        _warning(
            "prior_dominated",
            f"These runs say next to nothing about {', '.join(weak)}: the posterior will be as wide as the prior, and "
            "a published value of these would be as good.",
            f"Vary {', '.join(v.column for v in model.law.inputs.values())} more widely, or fix "
            f"{weak[0]} at a value that you trust: --prior {weak[0]}=VALUE.",
        )
    ]


def _outliers(runs: Runs, table: Table, model: Model, lane: Lane, mode: np.ndarray) -> list[Finding]:
    """Runs far from a robust fit, by name."""
    mean = model.mean_at(jnp.asarray(mode), lane)
    residual = np.asarray(model.noise.residual(mean, lane))[: len(table)]
    scale = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
    if scale == 0.0:
        return []
    far = np.flatnonzero(np.abs(residual) > OUTLYING * scale)
    if not len(far):
        return []
    far = far[np.argsort(-np.abs(residual[far]))]
    percent = model.noise.on == "log"
    named = [
        f"{runs.label(int(i))} ({100 * np.expm1(residual[i]):+.0f} %)"
        if percent
        else f"{runs.label(int(i))} ({'+' if residual[i] > 0 else ''}{plain(float(residual[i]))})"
        for i in far[:MOST_NAMED]
    ]
    more = f" and {len(far) - MOST_NAMED} more" if len(far) > MOST_NAMED else ""
    return [
        _warning(
            "outliers",
            f"{len(far)} of {len(table)} runs lie more than {OUTLYING:.0f} robust standard deviations "
            f"({plain(scale, digits=2)}) from the law, the farthest first: {', '.join(named)}{more}. Student-t noise "
            "keeps them from moving the fit; least squares would follow them.",
            "Look at their logs. If a run is broken, exclude it with a reason: --exclude QUERY --reason TEXT.",
        )
    ]


def _extrapolation(table: Table, law: Law, budget: float) -> list[Finding]:
    compute = training_compute(law.by_column(table.x))
    if compute is None:
        return []
    largest = float(compute.max())
    times = budget / largest
    text = f"{plain(budget)} FLOP is {plain(times, digits=2)} times the compute of the largest run ({plain(largest)})."
    if times <= FAR:
        return [Finding("note", "extrapolation", text)]
    return [
        _warning(
            "extrapolation",
            f"{text} Intervals believe the law that far, and laws drift.",
            f"A run at {plain(largest * np.sqrt(times), digits=2)} FLOP would halve the distance; "
            "`jaxscale backtest` shows the record so far.",
        )
    ]
