"""Can a table answer the law's question at all? Asked of inputs only, before anything is sampled."""

from __future__ import annotations

import numpy as np

from jaxscale.batch import Table
from jaxscale.law import Law
from jaxscale.status import Status
from jaxscale.variables import training_compute
from jaxscale.words import human, plain

LEAST_SPREAD = 0.05  # of the logarithm of an input: less is one level
FAR = 10.0  # times the largest run's compute: beyond it a forecast is said to reach far
BY_COMPUTE = "henighan_c"  # a law of compute alone
LEAST_OFF_LINE = 0.1  # sd of one log input about the others' best line: less is a collinear design


def refusal(table: Table, law: Law) -> Status | None:
    """A status that says why no posterior can be had from this design and which run would mend it."""
    n, p = len(table), len(law.free)
    logs = table.logs
    if n <= p:
        off = {s: float(np.median(v)) + np.log(8) for s, v in list(logs.items())[-1:]}
        return Status(
            False, "too_few_runs",
            f"Too few runs: {n} for the {p} parameters of {law.name}, so the prior alone would answer.",
            f"Add at least {p + 1 - n} runs that vary {_listed(law)}, such as {_run(law, logs, off)}, or fix "
            "parameters with priors.",
        )  # fmt: skip
    for symbol, values in logs.items():
        if np.ptp(values) < LEAST_SPREAD:
            column, at = law.inputs[symbol].column, np.exp(values.mean()) * law.inputs[symbol].per
            return Status(
                False, "cannot_be_identified",
                f"Cannot be identified: every run has {column} ({symbol}) = {human(at)}, so how {law.response.column} "
                f"depends on {symbol} was not seen.",
                f"Add runs at two other values, such as {_run(law, logs, {symbol: values.mean() + np.log(4)})} "
                f"and {_run(law, logs, {symbol: values.mean() + np.log(16)})}.",
            )  # fmt: skip
    for symbol in table.x.keys() - logs.keys():
        if table.x[symbol].ndim == 1 and np.ptp(table.x[symbol]) == 0.0:
            column, at = law.inputs[symbol].column, human(table.x[symbol][0])
            return Status(
                False, "cannot_be_identified",
                f"Cannot be identified: every run has {column} ({symbol}) = {at}, so how {law.response.column} "
                f"depends on {symbol} was not seen.",
                f"Add runs at two other values of {column}.",
            )  # fmt: skip
    return _collinear(logs, law)


def off_line(logs: dict[str, np.ndarray], symbol: str) -> float:
    """Standard deviation of one log input about its best line in the others; inf with a single input."""
    others = [v for s, v in logs.items() if s != symbol]
    if not others:
        return float("inf")
    design = np.column_stack([np.ones(len(logs[symbol])), *others])
    fitted = design @ np.linalg.lstsq(design, logs[symbol], rcond=None)[0]
    return float(np.std(logs[symbol] - fitted))


def _collinear(logs: dict[str, np.ndarray], law: Law) -> Status | None:
    for symbol in list(logs)[1:]:
        if off_line(logs, symbol) < LEAST_OFF_LINE:
            first = next(iter(logs))
            at = {first: float(np.median(logs[first])), symbol: float(np.median(logs[symbol])) + np.log(8)}
            return Status(
                False, "cannot_be_identified",
                f"Cannot be identified: {symbol} follows {first} on one line (it leaves the line by "
                f"{100 * off_line(logs, symbol):.1f} %), so their effects cannot be told apart, and neither can the "
                "best split of compute.",
                f"Add a run off the line, such as {_run(law, logs, at)}. {_along(law)}",
            )  # fmt: skip
    return None


def _along(law: Law) -> str:
    """What such a table does support."""
    if {v.column for v in law.inputs.values()} == {"params", "tokens"}:
        return f"The loss along the line is all that this table supports: --law {BY_COMPUTE} gives it by compute."
    return "Predictions along the line would be all that this table supports."


def _listed(law: Law) -> str:
    return " and ".join(f"{v.column} ({s})" for s, v in law.inputs.items())


def _run(law: Law, logs: dict[str, np.ndarray], change: dict[str, float]) -> str:
    at = {s: float(np.median(v)) for s, v in logs.items()} | change
    values = {s: np.exp(v) * law.inputs[s].per for s, v in at.items()}
    text = ", ".join(f"{s} = {human(v)}" for s, v in values.items())
    columns = {law.inputs[s].column for s in values}
    cost = training_compute({law.inputs[s].column: v for s, v in values.items()}) if "flops" not in columns else None
    return f"a run at {text}" + ("" if cost is None else f" ({plain(cost, digits=2)} FLOP)")
