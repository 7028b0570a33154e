"""The figures: functions of a fit, a backtest or a list of answers that return a matplotlib Figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jaxscale.report.content import REACH, Seen, curves, frontier_of, seen
from jaxscale.report.decisions import isoflop as isoflop
from jaxscale.report.decisions import planned as planned
from jaxscale.report.decisions import purchases as purchases
from jaxscale.report.decisions import serving as serving
from jaxscale.report.evidence import backtest_fan as backtest_fan
from jaxscale.report.evidence import comparison as comparison
from jaxscale.report.posterior import posterior_pairs as posterior_pairs
from jaxscale.report.style import (
    BAND,
    DATA,
    LAW,
    OUTLIER,
    PAPER,
    SIZES,
    SOFT,
    TARGET,
    canvas,
    halo,
    human,
    interval,
    log_axis,
    padded,
    plain,
    styled,
)
from jaxscale.report.valley import valley as valley
from jaxscale.result import Fit
from jaxscale.trust.doctor import OUTLYING
from jaxscale.variables import Variable
from jaxscale.words import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BUDGETS = 17  # points of a drawn frontier
LEVELS = 4  # curves for the other inputs of a law of several


@styled
def loss_against_compute(fit: Fit, budget: float | None = None) -> Figure:
    """Runs, the compute-optimal frontier with its 90 % band, and the target.

    Args:
        fit: any fit; a refused one shows its runs alone, a point fit no band. Laws that are not of models and
            tokens are drawn as `curve`.
        budget: training FLOP of the target; ten times the largest run unless given.
    """
    runs = seen(fit)
    if runs.sizes is None:
        return _curve(fit, runs)
    figure = canvas(4.4)
    axes = figure.add_subplot()
    compute = runs.sizes["C"]
    budget = float(budget or REACH * compute.max())
    front = frontier_of(fit, np.geomspace(compute.min(), max(budget, compute.max()), BUDGETS))
    ends, heights = [compute.min(), compute.max()], [runs.y.min(), runs.y.max()]
    if len(front):
        ends.append(budget)
        heights += [front["loss_q50"].min(), front["loss_q50"].max()]
        _band(axes, front, "loss")
        heights += _target(axes, frontier_of(fit, [budget]), "loss", budget, above=False)
    _sized_runs(axes, compute, runs)
    log_axis(axes, "x", *padded(ends, 0.05), kind="compute")
    low, high = padded(heights, 0.08)
    log_axis(axes, "y", low * (low / high) ** (0.1 if len(front) else 0.0), high, most=7)
    _size_key(axes, runs.sizes["N"])
    _mark_odd(axes, compute, runs.y, runs.odd)
    what = "Loss of the runs and of the compute-optimal frontier" if len(front) else "The runs"
    axes.set(title=what, xlabel="training compute, FLOP", ylabel=f"{fit.law.response.meaning}, {fit.law.response.unit}")
    return figure


@styled
def curve(fit: Fit) -> Figure:
    """The law against its first input, with its 90 % band and the runs.

    Laws of several inputs have one curve for each of up to four levels of the second, labelled with it; where an input
    is a vector, each run has its own interval instead.
    """
    return _curve(fit, seen(fit))


def _curve(fit: Fit, runs: Seen) -> Figure:
    figure = canvas(4.4)
    axes = figure.add_subplot()
    first, *others = [s for s, v in fit.law.inputs.items() if not v.length]
    variable, x = fit.law.inputs[first], runs.x[first]
    grid = _grid(axes, variable, x)
    share = fit.law.response.support in ("unit", "count")
    if fit.status.ok and any(v.length for v in fit.law.inputs.values()):
        low, middle, high = np.quantile(curves(fit, runs.x), [0.05, 0.5, 0.95], axis=0)
        if fit.has_draws:
            axes.vlines(x, low, high, color=LAW, linewidth=3.0, alpha=0.35)
        axes.plot(x, middle, "_", color=LAW, markersize=6)
    elif fit.status.ok:
        for level in _levels(runs, others):
            fixed = {s: np.full_like(grid, v) for s, v in level.items()}
            drawn = curves(fit, {first: grid, **fixed})
            low, middle, high = np.quantile(drawn, [0.05, 0.5, 0.95], axis=0)
            if fit.has_draws:
                axes.fill_between(grid, low, high, **BAND)
            axes.plot(grid, middle, color=LAW, linewidth=1.6)
            name = ", ".join(f"{s} = {human(v)}" for s, v in level.items())
            at = (grid[-1], middle[-1])
            axes.annotate(name, at, (4, 0), textcoords="offset points", color=LAW, va="center", annotation_clip=False)
    axes.plot(x[~runs.odd], runs.y[~runs.odd], "o", color=DATA, markersize=4.5, alpha=0.75, markeredgewidth=0)
    if share or runs.y.min() <= 0:
        axes.yaxis.set_major_locator(MaxNLocator(6))
    else:
        log_axis(axes, "y", *padded(runs.y, 0.08), most=7)
    if share:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:g} %"))
    _mark_odd(axes, x, runs.y, runs.odd)
    title = f"The runs and the law {fit.law.name}" if fit.status.ok else "The runs"
    unit = "" if share else f", {fit.law.response.unit}"
    label = variable.meaning if variable.unit in variable.meaning else f"{variable.meaning}, {variable.unit}"
    axes.set(title=title, xlabel=f"{label} ({first})", ylabel=f"{fit.law.response.meaning}{unit}")
    return figure


@styled
def optimal_size(fit: Fit, budgets: Sequence[float] | np.ndarray | None = None, budget: float | None = None) -> Figure:
    """The best model size and tokens per parameter along budgets, beside the sizes of the runs.

    Args:
        fit: of a law of models and tokens.
        budgets: training FLOP along which to draw; from the smallest run to the target unless given.
        budget: the target to mark; the largest of `budgets` unless given.

    Raises:
        ValueError: the law is not of models and tokens.
    """
    runs = seen(fit)
    if runs.sizes is None:
        raise ValueError(f"{fit.law.name} is not a law of models and tokens: it has no best size")
    compute = runs.sizes["C"]
    if budgets is None:
        budgets = np.geomspace(compute.min(), max(budget or REACH * compute.max(), compute.max()), BUDGETS)
    budgets = np.asarray(budgets, dtype=np.float64)
    budget = float(budget or budgets.max())
    front = frontier_of(fit, budgets)
    at = frontier_of(fit, [budget])
    figure = canvas(3.6)
    panels = figure.subplots(1, 2)
    shown = {"N": ("model size, parameters", runs.sizes["N"]), "M": ("tokens per parameter", _ratio(runs.sizes))}
    best = "Best {}" if len(front) else "The runs' {}"
    for axes, (symbol, (label, values)) in zip(panels, shown.items(), strict=True):
        axes.plot(compute, values, "o", color=DATA, markersize=3.6, alpha=0.6, markeredgewidth=0)
        heights = list(values)
        if len(front):
            _band(axes, front, symbol)
            heights += list(front[f"{symbol}_q50"])
            heights += _target(axes, at, symbol, budget, above=True)
        log_axis(axes, "x", *padded([*compute, *(budgets if len(front) else [])], 0.06), kind="compute", most=6)
        low, high = padded(heights, 0.06)
        log_axis(axes, "y", low, high * (high / low) ** (0.2 if len(front) else 0.0), most=7)
        axes.set(xlabel="training compute, FLOP", title=best.format(label))
    return figure


# ---- parts --------------------------------------------------------------------------------------


def _ratio(sizes: Mapping[str, np.ndarray]) -> np.ndarray:
    return sizes["D"] / sizes["N"]


def _band(axes: Axes, front: pd.DataFrame, quantity: str) -> None:
    x = front["budget"]
    if f"{quantity}_q05" in front:
        axes.fill_between(x, front[f"{quantity}_q05"], front[f"{quantity}_q95"], zorder=2.5, **BAND)
    axes.plot(x, front[f"{quantity}_q50"], color=LAW, linewidth=1.6, zorder=3)


def _target(axes: Axes, at: pd.DataFrame, quantity: str, budget: float, above: bool) -> list[float]:
    """Marks the target and its interval, labelled at the top of the axes or below; returns the heights covered."""
    row = at.iloc[0]
    middle = float(row[f"{quantity}_q50"])
    low, high = (float(row.get(f"{quantity}_{q}", middle)) for q in ("q05", "q95"))
    text = human(middle)
    if f"{quantity}_q05" in row:
        axes.plot([budget, budget], [low, high], color=TARGET, linewidth=2.2, zorder=5)
        text = f"{human(middle, spread(low, high))} {interval(low, high)}"
    axes.plot(budget, middle, "D", color=TARGET, markersize=6, zorder=6, markeredgecolor=PAPER, markeredgewidth=0.8)
    # the frontier falls with compute, so the space below it is free; sizes have room made for the label on top
    place, coordinates = ((budget, 0.99), ("data", "axes fraction")) if above else ((budget, low), "data")
    axes.annotate(
        f"{plain(budget)} FLOP\n{text}", place, (5, 0 if above else -8), coordinates, "offset points",
        color=TARGET, fontweight="bold", zorder=7, path_effects=halo(), va="top", ha="right",
    )  # fmt: skip
    return [low, high]


def _grid(axes: Axes, variable: Variable, x: np.ndarray) -> np.ndarray:
    """Set the axis of an input up; points along it at which to draw the law."""
    if variable.axis == "raw":
        air = 0.04 * (np.ptp(x) or 1.0)
        axes.set_xlim(x.min() - air, x.max() + air)
        return np.linspace(x.min(), x.max(), 120)
    ends = padded(x, 0.06)
    log_axis(axes, "x", *ends, kind="compute" if variable.unit == "FLOP" else "count")
    return np.geomspace(*ends, 120)


def _levels(runs: Seen, others: Sequence[str]) -> list[dict[str, float]]:
    """Values of a law's other inputs at which to draw curves: those that occur if few, else spread over them."""
    if not others:
        return [{}]
    second, *rest = others
    values = np.unique(np.round(runs.x[second], 12))
    chosen = values if len(values) <= LEVELS else np.quantile(values, [0.0, 0.5, 1.0], method="nearest")
    return [{second: float(v), **{s: float(np.median(runs.x[s])) for s in rest}} for v in chosen]


def _sized_runs(axes: Axes, x: np.ndarray, runs: Seen) -> None:
    assert runs.sizes is not None
    place = _place(runs.sizes["N"])
    keep = ~runs.odd
    faces = np.array(SIZES)[place[keep]]
    axes.scatter(x[keep], runs.y[keep], s=22, c=list(faces), edgecolors=PAPER, linewidths=0.4, zorder=2.8)


def _place(n: np.ndarray) -> np.ndarray:
    """Position of each model size among the colours, evenly in its logarithm."""
    logs = np.log(n)
    span = np.ptp(logs)
    share = (logs - logs.min()) / span if span > 1e-9 else np.full_like(logs, 0.5)
    return np.minimum((share * len(SIZES)).astype(int), len(SIZES) - 1)


def _size_key(axes: Axes, n: np.ndarray) -> None:
    """A strip of the colours of model sizes, above the right end of the axes."""
    from matplotlib.patches import Rectangle

    few = np.ptp(np.log(n)) < 1e-9
    colours = [SIZES[_place(n)[0]]] if few else list(SIZES)
    width, left, bottom = 0.024, 0.985 - 0.024 * len(colours) - (0.0 if few else 0.06), 1.035
    for i, colour in enumerate(colours):
        box = Rectangle((left + i * width, bottom), width, 0.03, color=colour, transform=axes.transAxes, clip_on=False)
        axes.add_artist(box)
    text = {"transform": axes.transAxes, "va": "center", "fontsize": 7.5, "color": SOFT}
    axes.text(left - 0.008, bottom + 0.014, f"model size  {human(n.min())}", ha="right", **text)
    if not few:
        axes.text(left + len(colours) * width + 0.008, bottom + 0.014, human(n.max()), ha="left", **text)


def _mark_odd(axes: Axes, x: np.ndarray, y: np.ndarray, odd: np.ndarray) -> None:
    if not odd.any():
        return
    axes.plot(x[odd], y[odd], "x", color=OUTLIER, markersize=5, markeredgewidth=1.4, zorder=4.5)
    count = int(odd.sum())
    text = f"\u00d7 {count} {'run' if count == 1 else 'runs'} more than {OUTLYING:g} robust sd off the law"
    axes.text(0.012, 0.025, text, transform=axes.transAxes, color=OUTLIER, fontsize=7.5, path_effects=halo(), zorder=7)
