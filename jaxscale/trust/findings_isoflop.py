"""Slices of one budget: does each hold its minimum, and what would a parabola through it make of that?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaxscale.errors import ConfigError
from jaxscale.protocols.isoflop import parabolas, slices, vertex_bias
from jaxscale.trust.finding import Case, Finding, note, warning
from jaxscale.words import human, plain

TOLERANCE = 0.02  # gap in log FLOP that parts two budgets
FEWEST = 4  # sizes that make a slice
ONE_BUDGET = 0.05  # spread of log FLOP in a slice: a longer chain of neighbours is no slice
MOSTLY = 2 / 3  # share of the rows in slices, from which a table is of the isoFLOP kind
MOST_OPEN = 0.5  # share of the slices without their minimum, from which the answer suffers
BIAS = 0.02  # of N* by a parabola, from which it is said
MOST_NAMED = 3


@dataclass(frozen=True)
class Cuts:
    """The slices of a table.

    Attributes:
        flops: (slices,) budgets, rising.
        sizes: parameters of the runs of each slice, rising.
        best: (slices,) size of the least loss.
        brackets: (slices,) whether the minimum lies between runs.
    """

    flops: np.ndarray
    sizes: list[np.ndarray]
    best: np.ndarray
    brackets: np.ndarray


def cuts(case: Case) -> Cuts | None:
    """The slices; None where the table is not of that kind."""
    compute, sizes = case.given("flops"), case.known.get("params")
    compute = case.compute if compute is None else compute
    y = case.table.y
    if compute is None or sizes is None or case.law.response.column != "loss" or (y <= 0).any():
        return None
    cut = slices("doctor", compute, sizes, y, TOLERANCE)
    log_compute = np.log(compute)
    whole = []
    for i, used in enumerate(cut.weight > 0):
        budgets = log_compute[cut.row[i][used]]
        if len(np.unique(cut.size[i][used])) >= FEWEST and np.ptp(budgets) <= ONE_BUDGET:
            whole.append(i)
    rows = int(cut.weight[whole].sum())
    if not whole or rows < MOSTLY * len(y):
        return None
    brackets = parabolas(compute, sizes, y, TOLERANCE)["brackets"].to_numpy()[whole]
    used = [cut.weight[i] > 0 for i in whole]
    held = [np.exp(cut.size[i][u]) for i, u in zip(whole, used, strict=True)]
    best = np.array([s[np.argmin(cut.loss[i][u])] for i, u, s in zip(whole, used, held, strict=True)])
    return Cuts(cut.flops[whole], held, best, brackets)


def found(case: Case, point: Mapping[str, float]) -> list[Finding]:
    """All of them.

    Args:
        case: the table.
        point: the law's parameters at the mode; empty where nothing was fitted.
    """
    cut = cuts(case)
    return [] if cut is None else [*_open(case, cut), *_bias(cut, point)]


def _open(case: Case, cut: Cuts) -> list[Finding]:
    """Budgets whose minimum is not between runs, with the run that is missing."""
    places = np.flatnonzero(~cut.brackets)
    if not len(places):
        return []
    said = []
    for i in places[:MOST_NAMED]:
        larger = _larger_missing(cut, i)
        said.append(f"{plain(float(cut.flops[i]))} FLOP lacks {'larger' if larger else 'smaller'} models")
    more = f"; {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else ""
    cheapest = places[0]
    end = cut.sizes[cheapest][-1] * 2.0 if _larger_missing(cut, cheapest) else cut.sizes[cheapest][0] / 2.0
    run = case.run({"params": end, "tokens": float(cut.flops[cheapest]) / (6.0 * end)})
    text = (
        f"{len(places)} of {len(cut.flops)} isoFLOP slices do not hold their minimum between two runs: "
        f"{'; '.join(said)}{more}. Their best size is extrapolated, and a parabola has none."
    )
    make = warning if len(places) >= MOST_OPEN * len(cut.flops) else note
    return [make("not_bracketed", text, f"Add {run}, and the like at the others.")]


def _larger_missing(cut: Cuts, i: int) -> bool:
    """Whether the least loss lies in the upper half of a slice's sizes."""
    return bool(cut.best[i] > np.sqrt(cut.sizes[i][0] * cut.sizes[i][-1]))


def _bias(cut: Cuts, point: Mapping[str, float]) -> list[Finding]:
    if not {"alpha", "beta"} <= set(point):
        return []
    span = float(np.median([np.sqrt(s[-1] / s[0]) for s in cut.sizes]))
    count = int(np.median([len(s) for s in cut.sizes]))
    try:
        bias = vertex_bias(point["alpha"], point["beta"], span, count)
    except ConfigError:  # exponents or slices that no parabola serves
        return []
    if abs(bias) < BIAS:
        return []
    text = (
        f"A parabola through slices as wide as these (a factor of {human(span, digits=2)} to either side) would put N* "
        f"{100 * abs(bias):.0f} % too {'high' if bias > 0 else 'low'}, as alpha = {plain(point['alpha'])} and beta = "
        f"{plain(point['beta'])} differ; the law itself is free of that."
    )
    return [note("isoflop_bias", text, "Take N* from `jaxscale plan`, or halve the width of slices for a parabola.")]
