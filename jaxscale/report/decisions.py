"""Figures of decisions: slices of one budget, what serving changes, what runs buy; and that of a plan."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jaxscale.decide.plan import Plan, plan
from jaxscale.errors import PlanError
from jaxscale.report.content import REACH, seen
from jaxscale.report.front import planned as planned
from jaxscale.report.front import serving as serving
from jaxscale.report.style import (
    INK,
    LAW,
    PAPER,
    SLICES,
    SOFT,
    canvas,
    halo,
    human,
    log_axis,
    padded,
    plain,
    styled,
)
from jaxscale.report.valley import valley as valley
from jaxscale.result import Fit
from jaxscale.trust.doctor import OUTLYING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEAR = 1.25  # a run within this factor of a budget is drawn with its slice
SLICED = 4  # budgets among the runs
HIGH = 1.12  # times a slice's least response: how far up it is drawn
SMALL = 1e-2  # below, an axis counts in a power of ten
TOUCH = (0.03, 0.07)  # of the axes: labels of runs as near as that are one label


@styled
def isoflop(fit: Fit, budgets: Sequence[float] | np.ndarray | None = None, budget: float | None = None) -> Figure:
    """Loss against size at a few budgets, with the runs near each.

    Args:
        fit: of a law of models and tokens; of a refused one, or where no best size is determined, the runs alone.
        budgets: training FLOP of the slices; four among the runs, where most of them lie, and the target unless given.
        budget: the target, where `budgets` is not given; ten times the largest run unless given.

    Raises:
        ValueError: the law is not of models and tokens.
        PlanError: there is no plan for one of the budgets given.
    """
    runs = seen(fit)
    if runs.sizes is None:
        raise ValueError(f"{fit.law.name} is not a law of models and tokens: it has no slices")
    chosen = _budgets(runs.sizes["C"], budget) if budgets is None else sorted(float(b) for b in budgets)
    try:
        plans = [plan(fit, b) for b in chosen] if fit.status.ok else []
    except PlanError:
        if budgets is not None:
            raise
        plans = []
    figure = canvas(4.6)
    axes = figure.add_subplot()
    colours = [SLICES[i] for i in np.linspace(0, len(SLICES) - 1, len(chosen)).round().astype(int)]
    sizes, heights, crossed = [], [], 0
    for b, colour in zip(chosen, colours, strict=True):
        near = np.abs(np.log(runs.sizes["C"] / b)) < np.log(NEAR)
        n, y, odd = runs.sizes["N"][near], runs.y[near], runs.odd[near]
        axes.plot(n[~odd], y[~odd], "o", color=colour, markersize=3.8, alpha=0.75, markeredgewidth=0, zorder=2.6)
        axes.plot(n[odd], y[odd], "x", color=colour, markersize=4.5, markeredgewidth=1.2, zorder=2.6)
        crossed += int(odd.sum())
        sizes += list(n)
        heights += list(y)
    for made, colour in zip(plans, colours, strict=False):
        near = np.abs(np.log(runs.sizes["C"] / made.budget)) < np.log(NEAR)
        ends = _slice(axes, made, colour, fit.has_draws, runs.sizes["N"][near])
        sizes += list(ends[0])
        heights += list(ends[1])
    least, most = padded(sizes or runs.sizes["N"], 0.04)
    air = 2.0 if most < 1.2 * least else 1.0  # one size alone
    log_axis(axes, "x", least / air, most * air)
    low, high = padded(heights or runs.y, 0.05)
    log_axis(axes, "y", low * (low / high) ** (0.06 if plans else 0.0), high, most=7)
    if crossed:
        said = f"\u00d7 {crossed} {'run' if crossed == 1 else 'runs'} more than {OUTLYING:g} robust sd off the law"
        axes.text(0.012, 0.025, said, transform=axes.transAxes, color=SOFT, fontsize=7.5, path_effects=halo())
    if not plans:
        for b, colour in zip(chosen, colours, strict=True):
            if (np.abs(np.log(runs.sizes["C"] / b)) < np.log(NEAR)).any():
                axes.plot([], [], "o", color=colour, markersize=4, label=f"{plain(b)} FLOP")
        axes.legend(frameon=False, labelcolor=SOFT)
    title = "Slices of one budget each, and the runs near them" if plans else "The runs near a few budgets"
    response = fit.law.response
    axes.set(title=title, xlabel="model size, parameters", ylabel=f"{response.meaning}, {response.unit}")
    return figure


@styled
def purchases(suggestion: pd.DataFrame) -> Figure:
    """What is left open after each run of `js.suggest`, against what the runs have cost by then.

    Args:
        suggestion: the table that `js.suggest` returned, with its `attrs`.

    Raises:
        PlanError: it is not such a table.
    """
    about = suggestion.attrs
    if lacking := [k for k in ("sd_now", "spent", "response") if k not in about]:
        raise PlanError(
            f"A picture of purchases is of the table that js.suggest returned; its attrs lack {', '.join(lacking)}, "
            "which some operations of pandas drop."
        )
    if not len(suggestion):
        figure = canvas(1.2)
        figure.text(0.01, 0.5, "No run among these is worth buying.", color=SOFT, va="center")
        return figure
    risky = "expected_regret_after" in suggestion
    after, now = ("expected_regret_after", "regret_now") if risky else ("expected_sd_after", "sd_now")
    spent = np.concatenate([[0.0], np.cumsum(suggestion["cost"].to_numpy(float))])
    left = np.concatenate([[about[now]], suggestion[after].to_numpy(float)])
    figure = canvas(max(3.6, 1.2 + 0.24 * len(suggestion)))
    axes, key = figure.subplots(1, 2, width_ratios=[3.0, 1.0])
    axes.step(spent, left, where="post", color=LAW, linewidth=1.4, zorder=2.5)
    axes.plot(spent[1:], left[1:], "o", color=LAW, markersize=5.5, markeredgecolor=PAPER, zorder=4)
    axes.plot(spent[0], left[0], "o", color=LAW, markerfacecolor=PAPER, markersize=5.5, zorder=4, clip_on=False)
    say = {"textcoords": "offset points", "path_effects": halo(), "zorder": 5}
    axes.annotate(f"now: {plain(left[0])}", (spent[0], left[0]), (7, 2), color=SOFT, va="bottom", **say)
    names: list[str] = []
    for i, (x, y) in enumerate(zip(spent[1:], left[1:], strict=True), 1):
        names.append(str(i))
        if (
            i < len(suggestion)
            and spent[i + 1] - x < TOUCH[0] * spent[-1]
            and y - left[i + 1] < TOUCH[1] * np.ptp(left)
        ):
            continue
        axes.annotate(", ".join(names), (x, y), (4, 3), color=INK, fontweight="bold", **say)
        names = []
    axes.annotate(f"then: {plain(left[-1])}", (spent[-1], left[-1]), (-6, -5), color=SOFT, ha="right", va="top", **say)
    low = left[-1] - 0.15 * (left[0] - left[-1])
    axes.set(xlim=(-0.03 * spent[-1], 1.12 * spent[-1]), ylim=(low, left[0] + 0.1 * (left[0] - low)))
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: plain(v) if v > 0 else "0"))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    scale = 10.0 ** np.floor(np.log10(left[0])) if left[0] < SMALL else 1.0
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: plain(v / scale) if v > 0 else "0"))
    unit = f", {f'{plain(scale)} ' if scale < 1.0 else ''}{about['unit']}" if about["unit"] else ""
    what = "expected regret" if risky else f"sd of the {about['response']} at the target"
    cost = f"cost of the runs so far{', ' + about['unit_of_cost'] if about['unit_of_cost'] else ''}"
    axes.set(title="What the next runs buy", xlabel=cost, ylabel=f"{what}{unit}")
    _key(key, suggestion)
    return figure


# ---- parts --------------------------------------------------------------------------------------


def _budgets(compute: np.ndarray, target: float | None) -> list[float]:
    """Budgets over the runs' range, each moved to where most runs are near, and the target."""
    found = []
    least, most = np.quantile(compute, [0.02, 0.98])
    for wanted in np.geomspace(least, most, SLICED):
        close = compute[np.abs(np.log(compute / wanted)) < np.log(NEAR) * 2.0]
        near = np.abs(np.log(compute[None] / close[:, None])) < np.log(NEAR)
        far = np.abs(np.log(close / wanted))
        best = close[np.lexsort((far, -near.sum(axis=1)))[0]] if len(close) else wanted
        middle = np.median(compute[np.abs(np.log(compute / best)) < np.log(NEAR)]) if len(close) else wanted
        found.append(float(f"{middle:.1e}"))
    return sorted({*(max(b, compute.min()) for b in found), float(target or REACH * compute.max())})


def _slice(axes: Axes, made: Plan, colour: str, wide: bool, near: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One budget's curve, its least point with the interval of its size, and its name; returns what it covers."""
    table, name = made.profile, made.response
    middle = table[f"{name}_q50"]
    reached = (table["N"] >= near.min(initial=np.inf)) & (table["N"] <= near.max(initial=0.0))
    table = table[(middle <= HIGH * middle.min()) | reached]
    x, y = table["N"], table[f"{name}_q50"]
    if wide:
        axes.fill_between(x, table[f"{name}_q05"], table[f"{name}_q95"], color=colour, alpha=0.18, linewidth=0)
    axes.plot(x, y, color=colour, linewidth=1.5, zorder=2.8)
    best = made.summary()
    n, height = best.loc["N"], best.loc[name, "q50"]
    if wide:
        axes.plot([n["q05"], n["q95"]], [height] * 2, color=colour, linewidth=3.2, solid_capstyle="butt", zorder=3)
    axes.plot(n["q50"], height, "D", color=colour, markersize=5.5, markeredgecolor=PAPER, zorder=4)
    axes.annotate(
        f"{plain(made.budget)} FLOP: {human(n['q50'])}", (n["q50"], height), (0, -7),
        textcoords="offset points", color=colour, ha="center", va="top", path_effects=halo(), zorder=6,
    )  # fmt: skip
    return np.array([x.min(), x.max()]), np.array([y.min(), y.max()])


def _key(axes: Axes, suggestion: pd.DataFrame) -> None:
    """The runs by number: their inputs."""
    inputs = [c for c in suggestion.columns if c in list(suggestion.columns)[: list(suggestion.columns).index("cost")]]
    axes.set_axis_off()
    for i, row in enumerate(suggestion.to_dict("records"), 1):
        said = ", ".join(f"{s} = {human(row[s])}" for s in inputs)
        y = 1.0 - i / (len(suggestion) + 1.0)
        axes.text(0.0, y, str(i), transform=axes.transAxes, fontweight="bold", va="center")
        axes.text(0.12, y, said, transform=axes.transAxes, color=SOFT, va="center")
