"""What the inputs alone show: too few runs or values, inputs that move together, a question far from the runs."""

from __future__ import annotations

import numpy as np

from jaxscale.identify import FAR, off_line
from jaxscale.trust.finding import Case, Finding, note, split, warning
from jaxscale.words import human, plain

FEW_RUNS = 3.0  # per parameter
LEVELS = 4  # distinct values of an input, fewer than which a floor and an exponent are hard to tell apart
ONE_LEVEL = 0.05  # of a log input
INFLATION = 10.0  # variance inflation factor, the usual rule of thumb
REACH = 1.0  # decades of an input, less than which an exponent is hard to see
# Kricheli et al. 2026, arXiv 2605.08541: D = kN hides the split of A and B unless the ratios k differ enough. Their
# closed form asks for a variance of k^-beta of at least (1 + mean k^-2beta)^2 / condition number; see `condition`.
# The condition number aimed at is ours: with 100, two ratios in equal parts must lie a factor of five apart.
CONDITION = 100.0
BETA = 0.28  # exponent of the tokens that is assumed before any fit: Hoffmann et al. 2022, rounded


def found(case: Case, identified: bool, budget: float | None) -> list[Finding]:
    """All of them; a design that is refused is not told again that it is nearly so."""
    collinear = _collinear(case) if identified else []
    return [*_size(case), *_spread(case), *collinear, *([] if budget is None else _extrapolation(case, budget))]


def _size(case: Case) -> list[Finding]:
    rows, free = len(case.table), len(case.law.free)
    if rows >= FEW_RUNS * free:
        return []
    fix = f"Aim for {int(np.ceil(FEW_RUNS * free))} runs or more; small ones count"
    if case.compute is not None:
        fix += f": {int(np.ceil(FEW_RUNS * free)) - rows} like the smallest cost "
        fix += f"{plain((np.ceil(FEW_RUNS * free) - rows) * float(case.compute.min()), digits=2)} FLOP"
    return [warning("few_runs", f"{rows} runs for {free} parameters: the priors will weigh in the answer.", fix + ".")]


def _spread(case: Case) -> list[Finding]:
    findings = []
    for symbol, values in case.table.logs.items():
        variable = case.law.inputs[symbol]
        name, logs = f"{variable.column} ({symbol})", np.sort(values / np.log(10) + np.log10(variable.per))
        levels = 1 + int(np.sum(np.diff(logs) > ONE_LEVEL / np.log(10)))
        decades = float(np.ptp(logs))
        low, high = (case.run({variable.column: 10**at}) for at in (logs[0] - 0.5, logs[-1] + 0.5))
        if 1 < levels < LEVELS:
            text = (
                f"{name} has {levels} distinct values: a floor and an exponent fit such data together in many "
                "ways, and forecasts beyond it will be wide."
            )
            findings.append(warning("few_levels", text, f"Add runs at other values, such as {low}, or {high}."))
        elif levels > 1 and decades < REACH:
            text = f"{name} spans a factor of {10**decades:.1f}: its exponent is seen over {decades:.1f} decades only."
            wider = case.run({variable.column: 10 ** (logs[-1] - REACH)})
            findings.append(warning("narrow", text, f"Extend it to a factor of ten, say by {wider}."))
    return findings


def condition(ratios: np.ndarray, beta: float = BETA) -> float:
    """How nearly a table of these ratios of tokens to parameters confounds the two terms of a law.

    With equal exponents and the dependence on N taken out, the columns of A and B are 1 and k^-beta; this is the trace
    of their Gram matrix squared over its determinant, which is the condition number but for a term below 3. Ratios
    are taken relative to their geometric mean, so that the unit of A over that of B is of no consequence.

    Args:
        ratios: (n,) tokens per parameter of each run.
        beta: exponent of the tokens.

    Returns:
        A number from 4; inf where all ratios are one.
    """
    x = np.exp(-beta * (np.log(ratios) - np.log(ratios).mean()))
    return float((1.0 + np.mean(x * x)) ** 2 / np.var(x)) if np.var(x) > 0 else np.inf


def _collinear(case: Case) -> list[Finding]:
    logs, findings = case.table.logs, []
    first = next(iter(logs), "")
    for symbol in list(logs)[1:]:
        spread, off = float(np.std(logs[symbol])), off_line(logs, symbol)
        inflation = (spread / off) ** 2 if off > 0 else np.inf
        columns = {case.law.inputs[s].column for s in (first, symbol)}
        ray = condition(case.known["tokens"] / case.known["params"]) if columns == {"params", "tokens"} else 0.0
        if inflation <= INFLATION and ray <= CONDITION:
            continue
        text = (
            f"{symbol} follows {first} closely (variance inflation {inflation:.0f}, {INFLATION:.0f} being much; it "
            f"leaves the line by {100 * off:.0f} %)"
            if inflation > INFLATION
            else f"The ratio of {symbol} to {first} varies little"
        )
        if ray:
            ratios = case.known["tokens"] / case.known["params"]
            text += (
                f": at {human(ratios.min(), digits=2)} to {human(ratios.max(), digits=2)} tokens per parameter the "
                f"condition number is {ray:.0f}, where {CONDITION:.0f} is wanted (arXiv 2605.08541)"
            )
        text += ". Their exponents trade off, and the best split of compute with them."
        findings.append(warning("collinear", text, _off_the_line(case, first, symbol)))
    return findings


def _off_the_line(case: Case, first: str, symbol: str) -> str:
    """Two runs on either side of the line, at the smaller end, where they cost least."""
    line, other = (case.law.inputs[s].column for s in (first, symbol))
    at = {c: float(np.quantile(case.known[c], 0.25)) for c in (line, other)}
    more, less = (case.run(at | {other: at[other] * factor}) for factor in (8.0, 0.125))
    return f"Add runs off the line, such as {more} and {less}."


def _extrapolation(case: Case, budget: float) -> list[Finding]:
    if case.compute is None:
        return []
    largest = float(case.compute.max())
    times = budget / largest
    text = f"{plain(budget)} FLOP is {plain(times, digits=2)} times the compute of the largest run ({plain(largest)})."
    if times <= FAR:
        return [note("extrapolation", text)]
    halfway = largest * np.sqrt(times)
    run = f"a run at {plain(halfway, digits=2)} FLOP"
    if {"params", "tokens"} <= set(case.known):
        run = case.run(split(halfway, float(np.median(case.known["tokens"] / case.known["params"]))))
    fix = f"{run[0].upper()}{run[1:]} would halve the distance; `jaxscale backtest` shows the record so far."
    return [warning("extrapolation", f"{text} Plans believe the law that far, and laws drift.", fix)]
