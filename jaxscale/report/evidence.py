"""Figures of evidence: the record of forecasts, and answers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter

from jaxscale.report.style import (
    DATA,
    INK,
    LAW,
    PAPER,
    SOFT,
    canvas,
    halo,
    human,
    interval,
    log_axis,
    padded,
    plain,
    styled,
)
from jaxscale.words import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COMPUTE = 1e14  # runs are ordered by compute, else by a law's first input, which is never as large
FAR_OFF = 2.0  # times the median width of an interval: held-out runs beyond are drawn at the edge


@styled
def backtest_fan(points: pd.DataFrame) -> Figure:
    """Held-out runs beside their forecasts, fold by fold, in order of compute.

    Args:
        points: of `jaxscale.trust.backtest.forecasts`: fold, order, observed, q05, q50, q95, inside.
    """
    folds = sorted(points["fold"].unique(), reverse=True)
    figure = canvas(3.7)
    if not folds:
        figure.text(0.5, 0.5, "No fold of the backtest gave a forecast.", ha="center", color=SOFT)
        return figure
    panels = np.atleast_1d(figure.subplots(1, len(folds), sharey=True))
    middle = points["q50"].to_numpy(float)
    off = {name: 100.0 * (points[name].to_numpy(float) / middle - 1.0) for name in ("q05", "q95", "observed")}
    reach = FAR_OFF * float(np.median(off["q95"] - off["q05"]))
    reach = min(max(reach, 1.0), 1.08 * float(max(np.abs(v).max() for v in off.values())))
    order, inside = points["order"].to_numpy(float), points["inside"].to_numpy(bool)
    for axes, fold in zip(panels, folds, strict=True):
        here = np.flatnonzero(points["fold"].to_numpy() == fold)
        here = here[np.argsort(order[here], kind="stable")]
        width = 320.0 / len(folds) / len(here)
        _fold(axes, order[here], {name: v[here] for name, v in off.items()}, inside[here], reach, width)
        title = f"{fold_name(int(fold))}\n{int(inside[here].sum())} of {len(here)} inside"
        axes.set_title(title, fontweight="normal", fontsize=8.5)
        axes.set_xlabel("held-out runs, by compute" if order.min() >= COMPUTE else "held-out runs, by size")
    panels[0].set(ylim=(-reach, reach), ylabel="observed minus forecast, %")
    panels[0].yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:+g}".replace("-", "\u2212") if v else "0"))
    share = float(inside.mean())
    figure.suptitle(
        f"Backtest: {100 * share:.0f} % of held-out runs inside their 90 % interval",
        x=0.01, ha="left", fontsize=9.5, fontweight="bold",
    )  # fmt: skip
    return figure


@styled
def comparison(
    rows: pd.DataFrame | Sequence[Mapping[str, Any]], xlabel: str = "best model size N*, parameters"
) -> Figure:
    """A forest plot of one quantity by method.

    Args:
        rows: label, q50, and where there is an interval q05 and q95; an optional remark.
        xlabel: what is compared, with its unit.
    """
    table = pd.DataFrame(list(rows) if not isinstance(rows, pd.DataFrame) else rows)
    table = table.reindex(columns=["label", "q05", "q50", "q95", "remark"])
    figure = canvas(0.9 + 0.42 * len(table))
    axes = figure.add_subplot()
    numbers = table[["q05", "q50", "q95"]].to_numpy(float)
    log_axis(axes, "x", *padded(numbers[np.isfinite(numbers)], 0.12), most=7)
    for y, remark in enumerate(table["remark"]):
        low, middle, high = numbers[y]
        known = bool(np.isfinite(low) and np.isfinite(high))
        if known:
            axes.plot([low, high], [y, y], color=LAW, linewidth=5, alpha=0.35, solid_capstyle="butt")
        face = LAW if known else PAPER
        axes.plot(middle, y, "o", markersize=6.5, color=LAW if known else SOFT, markerfacecolor=face)
        text = f"{human(middle, spread(low, high))} {interval(low, high)}" if known else human(middle)
        side = axes.get_yaxis_transform()
        axes.text(1.02, y, text, transform=side, va="center", ha="left", fontweight="bold" if known else "normal")
        if isinstance(remark, str) and remark:
            style = {"color": SOFT, "fontsize": 7, "ha": "center", "va": "top", "path_effects": halo()}
            axes.annotate(remark, (middle, y), (0, -9), textcoords="offset points", **style)
    axes.set_yticks(range(len(table)), [str(v) for v in table["label"]], color=INK)
    axes.set(ylim=(len(table) - 0.4, -0.6), xlabel=xlabel)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure


def fold_name(fold: int) -> str:
    """What a fold of the backtest holds out."""
    return "the largest runs" if fold == 0 else f"{fold} {'step' if fold == 1 else 'steps'} earlier"


def _fold(
    axes: Axes, order: np.ndarray, off: Mapping[str, np.ndarray], inside: np.ndarray, reach: float, width: float
) -> None:
    x = np.arange(len(order))
    low, high, shown = (np.clip(off[name], -reach, reach) for name in ("q05", "q95", "observed"))
    axes.vlines(x, low, high, color=LAW, alpha=0.3, linewidth=min(5.0, width))
    axes.axhline(0.0, color=LAW, linewidth=1.2)
    size = min(4.5, max(2.6, 1.1 * width))
    axes.plot(x[inside], shown[inside], "o", color=DATA, markersize=size, markeredgewidth=0)
    beyond = np.abs(off["observed"]) > reach
    out = ~inside & ~beyond
    axes.plot(x[out], shown[out], "o", color=DATA, markerfacecolor=PAPER, markersize=size + 0.6, markeredgewidth=1.1)
    for sign, marker in ((1, "^"), (-1, "v")):
        gone = beyond & (np.sign(off["observed"]) == sign)
        axes.plot(x[gone], np.full(gone.sum(), 0.965 * sign * reach), marker, color=DATA, markersize=4.5)
    ends = [0, len(order) - 1] if len(order) > 1 else [0]
    axes.set_xticks(ends, [(plain if order[i] >= COMPUTE else human)(order[i]) for i in ends])
    for text, side in zip(axes.get_xticklabels(), ("left", "right"), strict=False):
        text.set_horizontalalignment(side)
    axes.grid(visible=False, axis="x")
    axes.set_xlim(-0.8, len(order) - 0.2)
