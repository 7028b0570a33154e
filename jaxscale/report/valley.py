"""The figure of a plan: what choices beside the best one would lose, and where the best one lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jaxscale.decide.plan import FLAT, Plan
from jaxscale.errors import PlanError
from jaxscale.law import Law
from jaxscale.report.style import (
    BAND,
    INK,
    LAW,
    LINE,
    PAPER,
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
from jaxscale.words import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

DEEP = 6.0  # times what counts as flat: how much regret is shown
FEW = 12  # candidates or best choices; fewer are drawn one by one
BINS = 40


@styled
def valley(plan: Plan) -> Figure:
    """What choices beside the best one would lose, and where the best one lies.

    Above, the regret against each draw's own best choice: its median and 90 % band along the first choice, the
    recommendation, the valley in which no choice costs more than 0.5 % of the response, and the limits of the question
    as walls. Below, the posterior of the best choice.

    Raises:
        PlanError: the plan weighs fewer than two choices.
    """
    figure = canvas(4.4)
    draw(figure, plan)
    return figure


def draw(room: Figure | SubFigure, plan: Plan) -> None:
    """`valley`, in a part of a figure."""
    law, table = _weighed(plan)
    symbol = plan.chosen[0]
    x, middle = table[symbol].to_numpy(float), table["regret_q50"].to_numpy(float)
    best = plan.draws[symbol][np.isfinite(plan.draws[symbol])]
    expected = table[f"{plan.response}_mean"].to_numpy(float)
    level = FLAT * abs(float(expected[np.argmin(table["excess_mean"])]))
    shown = middle <= DEEP * level
    ends = [*np.quantile(best, [0.005, 0.995]), plan.recommended[symbol], *x[shown]]
    log = bool(x.min() > 0 and x.max() > 2.0 * x.min())
    low, high = padded(ends, 0.03) if log else _aired(ends)
    walls = [w for w in plan.walls if low / 1.5 < w < high * 1.5]
    low, high = min([low, *(w / 1.25 for w in walls)]), max([high, *(1.25 * w for w in walls)])
    axes, strip = room.subplots(2, 1, sharex=True, height_ratios=[6.0, 1.0])
    for panel in (axes, strip):
        if log:
            log_axis(panel, "x", low, high)
        else:
            panel.set_xlim(low, high)
    wide = len(best) > 1
    if len(table) < FEW:
        if wide:
            axes.vlines(x, table["regret_q05"], table["regret_q95"], color=LAW, alpha=0.35, linewidth=4)
        axes.plot(x, middle, "o", color=LAW, markersize=5, zorder=3)
        top = 1.15 * float(table["regret_q95"].to_numpy(float)[shown].max())
    else:
        if wide:
            axes.fill_between(x, table["regret_q05"], table["regret_q95"], zorder=2, **BAND)
        axes.plot(x, middle, color=LAW, linewidth=1.6, zorder=3)
        top = DEEP * level
    top = max(top, 2.0 * level)
    axes.set_ylim(-0.04 * top, 1.12 * top)
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: plain(v) if v > 0 else "0" if v > -1e-12 else ""))
    _flat(axes, plan, symbol)
    for wall, beyond in zip(plan.walls, (low, high), strict=True):
        if wall in walls:
            _wall((axes, strip), wall, beyond)
    _recommended(axes, plan, float(np.interp(plan.recommended[symbol], x, middle)))
    axes.tick_params(axis="x", labelbottom=False, length=0)
    unit = f", {law.response.unit}" if law.response.unit else ""
    spent = f", on a budget of {plain(plan.budget)} {plan.asked_in}".rstrip() if np.isfinite(plan.budget) else ""
    axes.set(title=f"What another choice would lose{spent}", ylabel=f"regret{unit}")
    _strip(strip, best, log, wide)
    strip.set_xlabel(f"{plan.meanings.get(symbol, symbol)} ({symbol})")


def _weighed(plan: Plan) -> tuple[Law, pd.DataFrame]:
    """Whose response it is, and the choices that were weighed, in order."""
    if (
        plan.judge is None
        or plan.judge.source is None
        or "regret_q50" not in plan.profile
        or len(np.unique(plan.profile[plan.chosen[0]])) < 2
    ):
        raise PlanError(
            "There is no valley to draw: this plan weighs no two choices of one quantity against each other. Leave the "
            "picture out."
        )
    return plan.judge.source.law, plan.profile.sort_values(plan.chosen[0], kind="stable")


def _aired(values: list[float]) -> tuple[float, float]:
    air = 0.03 * float(np.ptp(values) or 1.0)
    return float(min(values) - air), float(max(values) + air)


def _side(axes: Axes, x: float) -> str:
    """How a label at x is aligned so that it stays inside."""
    share = axes.transAxes.inverted().transform(axes.transData.transform((x, 0.0)))[0]
    return "left" if share < 0.2 else "right" if share > 0.72 else "center"


def _flat(axes: Axes, plan: Plan, symbol: str) -> None:
    """The valley."""
    found = plan.valley()
    low, high = (found.get(f"{symbol}_{end}", np.nan) for end in ("low", "high"))
    if not low < high:
        return
    axes.axvspan(low, high, color=LINE, alpha=0.55, linewidth=0, zorder=0.5)
    middle = float(np.sqrt(low * high)) if axes.get_xscale() == "log" else 0.5 * (low + high)
    side = _side(axes, middle)
    at = {"left": low, "center": middle, "right": high}[side]
    axes.annotate(
        f"{human(low)} to {human(high)} lose at most {100 * FLAT:g} %", (at, 0.975),
        ({"left": 4, "center": 0, "right": -4}[side], 0), ("data", "axes fraction"), "offset points", ha=side, va="top",
        color=SOFT, zorder=6,
    )  # fmt: skip


def _wall(panels: tuple[Axes, Axes], wall: float, beyond: float) -> None:
    """A limit of the question, and what lies beyond it."""
    for panel in panels:
        panel.axvspan(*sorted((wall, beyond)), facecolor="none", edgecolor=LINE, hatch="////", linewidth=0)
        panel.axvline(wall, color=INK, linewidth=1.4, zorder=4)
    right = beyond > wall
    panels[0].annotate(
        f"limit {human(wall)}", (wall, 0.8), (-4 if right else 4, 0), ("data", "axes fraction"), "offset points",
        ha="right" if right else "left", va="top", color=INK, path_effects=halo(), zorder=6,
    )  # fmt: skip


def _recommended(axes: Axes, plan: Plan, height: float) -> None:
    at = plan.recommended[plan.chosen[0]]
    axes.plot(at, height, "D", color=TARGET, markersize=6.5, markeredgecolor=PAPER, zorder=6, clip_on=False)
    value = {s: human(plan.recommended[s]) for s in plan.chosen}
    if plan.chosen == ("N", "D"):
        said = f"{value['N']} parameters\non {value['D']} tokens"
    else:
        said = ", ".join(f"{s} = {v}" for s, v in value.items())
    side = _side(axes, at)
    axes.annotate(
        said, (at, height), ({"left": -4, "center": 0, "right": 4}[side], 10), textcoords="offset points", ha=side,
        va="bottom", color=TARGET, fontweight="bold", path_effects=halo(), zorder=7,
    )  # fmt: skip


def _strip(axes: Axes, best: np.ndarray, log: bool, wide: bool) -> None:
    """The posterior of the best choice, with q05, q50 and q95 marked."""
    low, middle, high = np.quantile(best, [0.05, 0.5, 0.95])
    values, count = np.unique(best, return_counts=True)
    if not wide:
        text = f"best: {human(middle)}"
        axes.plot([middle] * 2, [0.0, 1.0], color=LAW, linewidth=1.6)
    elif len(values) < FEW or high - low < 1e-6 * abs(middle):
        most = int(np.argmax(count))
        share = float(np.mean(np.abs(best / values[most] - 1.0) < 1e-6))
        axes.vlines(values, 0.0, count / count.max(), color=LAW, linewidth=3.0)
        text = f"best in {100 * share:.0f} % of draws: {human(values[most])}"
        high = low = values[most]
    else:
        shown = np.log(best) if log else best
        least, most = np.quantile(shown, [0.002, 0.998])
        held, edges = np.histogram(shown, np.linspace(least, most, BINS + 1))
        axes.stairs(held / held.max(), np.exp(edges) if log else edges, fill=True, **BAND)
        axes.plot([low, high], [0.0, 0.0], color=LAW, linewidth=3.5, solid_capstyle="butt", clip_on=False, zorder=4)
        axes.plot([middle] * 2, [0.0, 1.0], color=LAW, linewidth=1.6)
        text = f"best for each draw: {human(middle, spread(low, high))} {interval(low, high)}"
    left = axes.transAxes.inverted().transform(axes.transData.transform((high, 0.0)))[0] > 0.5
    label = axes.annotate(
        text, (low if left else high, 0.6), (-10 if left else 10, 0), textcoords="offset points", color=LAW,
        ha="right" if left else "left", va="center", zorder=6,
    )  # fmt: skip
    label.set_in_layout(False)
    axes.set(ylim=(0.0, 1.15), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")
