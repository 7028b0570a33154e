"""Figures of decisions: what another size costs, slices of one budget, what serving changes, what runs buy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from jaxscale.decide.plan import FLAT, Plan, plan
from jaxscale.decide.serving import front
from jaxscale.errors import PlanError
from jaxscale.report.content import REACH, Seen, seen
from jaxscale.report.style import (
    BAND,
    DATA,
    INK,
    LAW,
    LINE,
    PAPER,
    SLICES,
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
from jaxscale.result import Fit
from jaxscale.words import spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

DEEP = 6.0  # times what counts as flat: how much regret a valley's figure shows
LEAST_LINE = 12  # candidates; fewer are drawn one by one
BINS = 40
NEAR = 1.25  # a run within this factor of a budget is drawn with its slice
SLICED = 4  # budgets among the runs
HIGH = 1.12  # times a slice's least response: how far up it is drawn
DEAR = 6.0  # times the least training compute: how far up a front is drawn
CHEAP = 1e-9


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
    _valley(figure, plan)
    return figure


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
    sizes, heights = [], []
    for b, colour in zip(chosen, colours, strict=True):
        near = np.abs(np.log(runs.sizes["C"] / b)) < np.log(NEAR)
        n, y = runs.sizes["N"][near], runs.y[near]
        axes.plot(n, y, "o", color=colour, markersize=3.8, alpha=0.75, markeredgewidth=0, zorder=2.6)
        sizes += list(n)
        heights += list(y)
    for made, colour in zip(plans, colours, strict=False):
        ends = _slice(axes, made, colour, fit.has_draws)
        sizes += list(ends[0])
        heights += list(ends[1])
    log_axis(axes, "x", *padded(sizes or runs.sizes["N"], 0.04))
    low, high = padded(heights or runs.y, 0.05)
    log_axis(axes, "y", low, high, most=7)
    if not plans:
        for b, colour in zip(chosen, colours, strict=True):
            axes.plot([], [], "o", color=colour, markersize=4, label=f"{plain(b)} FLOP")
        axes.legend(frameon=False, labelcolor=SOFT)
    title = "Slices of one budget each, and the runs near them" if plans else "The runs near a few budgets"
    response = fit.law.response
    axes.set(title=title, xlabel="model size, parameters", ylabel=f"{response.meaning}, {response.unit}")
    return figure


@styled
def serving(fit: Any, budget: float, served: Sequence[float] | None = None, **options: Any) -> Figure:
    """Training compute against the compute of a served token, of models of the loss that a budget buys.

    The curve is the median over draws with its 90 % band; marks are the size that is cheapest to train, and those that
    are cheapest with some tokens served.

    Args:
        fit, budget, served, options: as of `jaxscale.decide.serving.front`.

    Raises:
        PlanError: as there.
    """
    figure = canvas(4.2)
    _front(figure, fit, budget, served, options)
    return figure


@styled
def planned(made: Plan, fit: Any, serve_tokens: float = 0.0, **options: Any) -> Figure:
    """`valley` of a plan; where tokens are served, with the front of the same budget below."""
    if not serve_tokens:
        figure = canvas(4.4)
        _valley(figure, made)
        return figure
    figure = canvas(8.4)
    above, below = figure.subfigures(2, 1, height_ratios=[4.3, 4.1])
    _valley(above, made)
    _front(below, fit, made.budget, None, {"serve_tokens": serve_tokens, **options})
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
    figure = canvas(max(3.4, 1.2 + 0.24 * len(suggestion)))
    axes, key = figure.subplots(1, 2, width_ratios=[3.0, 1.0])
    axes.step(spent, left, where="post", color=LAW, linewidth=1.4, zorder=2.5)
    axes.plot(spent[1:], left[1:], "o", color=LAW, markersize=5.5, markeredgecolor=PAPER, zorder=4)
    axes.plot(spent[0], left[0], "o", color=LAW, markerfacecolor=PAPER, markersize=5.5, zorder=4, clip_on=False)
    say = {"textcoords": "offset points", "path_effects": halo(), "zorder": 5}
    axes.annotate(f"now: {plain(left[0])}", (spent[0], left[0]), (7, 2), color=SOFT, va="bottom", **say)
    for i, (x, y) in enumerate(zip(spent[1:], left[1:], strict=True), 1):
        axes.annotate(str(i), (x, y), (4, 3), color=INK, fontweight="bold", **say)
    axes.annotate(plain(left[-1]), (spent[-1], left[-1]), (-5, -5), color=SOFT, ha="right", va="top", **say)
    low = left[-1] - 0.15 * (left[0] - left[-1])
    axes.set(xlim=(-0.03 * spent[-1], 1.05 * spent[-1]), ylim=(low, left[0] + 0.1 * (left[0] - low)))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: plain(v) if v > 0 else "0"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: plain(v)))
    unit = f", {about['unit']}" if about["unit"] else ""
    what = "expected regret of the choice" if risky else f"standard deviation of the {about['response']} there"
    cost = f"cost of the runs so far{', ' + about['unit_of_cost'] if about['unit_of_cost'] else ''}"
    axes.set(title="What the next runs buy", xlabel=cost, ylabel=f"{what}{unit}")
    _key(key, suggestion)
    return figure


# ---- parts --------------------------------------------------------------------------------------


def _valley(room: Figure | SubFigure, plan: Plan) -> None:
    table, law = plan.profile, None if plan.judge is None else plan.judge.members[0].law
    if law is None or "regret_q50" not in table or len(table) < 2:
        raise PlanError("There is no valley to draw: this plan weighs fewer than two choices of one quantity.")
    symbol = plan.chosen[0]
    table = table.sort_values(symbol, kind="stable")
    x, middle = table[symbol].to_numpy(float), table["regret_q50"].to_numpy(float)
    best = plan.draws[symbol][np.isfinite(plan.draws[symbol])]
    level = FLAT * abs(float(table[f"{plan.response}_mean"].iloc[int(np.argmin(table["excess_mean"]))]))
    shown = x[middle <= DEEP * level]
    ends = [*np.quantile(best, [0.005, 0.995]), plan.recommended[symbol], shown.min(), shown.max()]
    log = bool(x.min() > 0 and x.max() > 3.0 * x.min())
    low, high = padded(ends, 0.02) if log else (min(ends) - 0.02 * np.ptp(ends), max(ends) + 0.02 * np.ptp(ends))
    walls = [w for w in plan.walls if low * 0.7 < w < high * 1.5]
    low, high = min([low, *(0.8 * w for w in walls)]), max([high, *(1.25 * w for w in walls)])
    axes, strip = room.subplots(2, 1, sharex=True, height_ratios=[6.0, 1.0])
    for panel in (axes, strip):
        if log:
            log_axis(panel, "x", low, high)
        else:
            panel.set_xlim(low, high)
    flat = plan.valley()
    ends = [flat.get(f"{symbol}_{end}", np.nan) for end in ("low", "high")]
    if ends[0] < ends[1]:
        axes.axvspan(*ends, color=LINE, alpha=0.55, linewidth=0, zorder=0.5)
        said = f"{human(ends[0])} to {human(ends[1])}: at most {100 * FLAT:g} % of {plan.response} lost"
        where = np.sqrt(ends[0] * ends[1]) if log else np.mean(ends)
        axes.annotate(said, (where, 0.975), xycoords=("data", "axes fraction"), ha="center", va="top", color=SOFT)
    wide = len(best) > 1
    if len(table) < LEAST_LINE:
        if wide:
            axes.vlines(x, table["regret_q05"], table["regret_q95"], color=LAW, alpha=0.35, linewidth=4)
        axes.plot(x, middle, "o", color=LAW, markersize=5, zorder=3)
    else:
        if wide:
            axes.fill_between(x, table["regret_q05"], table["regret_q95"], zorder=2, **BAND)
        axes.plot(x, middle, color=LAW, linewidth=1.6, zorder=3)
    for wall, beyond in zip(plan.walls, (low, high), strict=True):
        if wall in walls:
            for panel in (axes, strip):
                panel.axvspan(*sorted((wall, beyond)), facecolor="none", edgecolor=LINE, hatch="////", linewidth=0)
                panel.axvline(wall, color=INK, linewidth=1.4, zorder=4)
            side = "right" if beyond == high else "left"
            axes.annotate(
                f"limit\n{human(wall)}", (wall, 0.86), (-4 if side == "right" else 4, 0), ("data", "axes fraction"),
                "offset points", ha=side, va="top", color=INK, path_effects=halo(), zorder=6,
            )  # fmt: skip
    at = plan.recommended[symbol]
    height = float(np.interp(at, x, middle))
    axes.plot(at, height, "D", color=TARGET, markersize=6.5, markeredgecolor=PAPER, zorder=6, clip_on=False)
    others = ", ".join(f"{human(plan.recommended[s])} {_what(plan, s)}" for s in plan.chosen[1:])
    said = f"{human(at)} {_what(plan, symbol)}" + (f"\non {others}" if others else "")
    axes.annotate(
        said, (at, height), (0, 9), textcoords="offset points", ha="center", va="bottom", color=TARGET,
        fontweight="bold", path_effects=halo(), zorder=7,
    )  # fmt: skip
    axes.set_ylim(-0.04 * DEEP * level, DEEP * level)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: plain(v) if v > 0 else "0"))
    axes.tick_params(labelbottom=False)
    unit = f", {law.response.unit}" if law.response.unit else ""
    spent = f" of {plain(plan.budget)} {plan.asked_in}".rstrip() if np.isfinite(plan.budget) else ""
    axes.set(title=f"What another choice would lose, on a budget{spent}", ylabel=f"{plan.response} lost{unit}")
    _strip(strip, best, log, wide)
    strip.set_xlabel(f"{plan.meanings.get(symbol, symbol)} ({symbol})")


def _what(plan: Plan, symbol: str) -> str:
    return {"N": "parameters", "D": "tokens"}.get(symbol, symbol)


def _strip(axes: Axes, best: np.ndarray, log: bool, wide: bool) -> None:
    """The posterior of the best choice, with q05, q50 and q95 marked."""
    low, middle, high = np.quantile(best, [0.05, 0.5, 0.95])
    if wide and np.ptp(best) > 0:
        bins = np.linspace(*(np.quantile(np.log(best) if log else best, [0.002, 0.998])), BINS + 1)
        count, edges = np.histogram(np.log(best) if log else best, bins)
        edges = np.exp(edges) if log else edges
        axes.stairs(count / count.max(), edges, fill=True, **BAND)
        axes.plot([low, high], [0.0, 0.0], color=LAW, linewidth=3.0, solid_capstyle="butt", clip_on=False, zorder=4)
    text = f"best for each draw: {human(middle, spread(low, high))} {interval(low, high)}" if wide else human(middle)
    axes.plot([middle, middle], [0.0, 1.0], color=LAW, linewidth=1.6)
    axes.annotate(
        text, (high, 0.55), (8, 0), textcoords="offset points", color=LAW, va="center", path_effects=halo(), zorder=6
    )
    axes.set(ylim=(0.0, 1.15), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False, axis="y")


def _budgets(compute: np.ndarray, target: float | None) -> list[float]:
    """Budgets over the runs' range, each moved to where most runs are near, and the target."""
    found = []
    for wanted in np.geomspace(*np.quantile(compute, [0.02, 0.98]), SLICED):
        close = compute[np.abs(np.log(compute / wanted)) < np.log(NEAR) * 2.0]
        near = np.abs(np.log(compute[None] / close[:, None])) < np.log(NEAR)
        far = np.abs(np.log(close / wanted))
        best = close[np.lexsort((far, -near.sum(axis=1)))[0]] if len(close) else wanted
        middle = np.median(compute[np.abs(np.log(compute / best)) < np.log(NEAR)]) if len(close) else wanted
        found.append(float(f"{middle:.1e}"))
    return sorted({*(max(b, compute.min()) for b in found), float(target or REACH * compute.max())})


def _slice(axes: Axes, made: Plan, colour: str, wide: bool) -> tuple[np.ndarray, np.ndarray]:
    """One budget's curve, its least point with the interval of its size, and its name; returns what it covers."""
    table, name = made.profile, made.response
    middle = table[f"{name}_q50"]
    table = table[middle <= HIGH * middle.min()]
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
        f"{plain(made.budget)} FLOP: {human(n['q50'], spread(n['q05'], n['q95']))}", (n["q50"], height), (0, -7),
        textcoords="offset points", color=colour, ha="center", va="top", path_effects=halo(), zorder=6,
    )  # fmt: skip
    return np.array([x.min(), x.max()]), np.array([y.min(), y.max()])


def _front(
    room: Figure | SubFigure, fit: Any, budget: float, served: Sequence[float] | None, options: dict[str, Any]
) -> None:
    found = front(fit, budget, served, **options)
    axes = room.subplots()
    least, curve = found.best.iloc[0], found.curve
    top = max(DEAR * float(curve["train_q50"].min()), 1.3 * float(found.best["train_q50"].max()))
    x, low, middle, high = (curve[c].to_numpy(float) for c in ("serve", "train_q05", "train_q50", "train_q95"))
    if found.drawn:
        axes.fill_between(x, low, np.minimum(high, 10.0 * top), where=(low < top).tolist(), zorder=2, **BAND)
    gain = x <= float(least["serve_q50"])
    axes.plot(x[gain], middle[gain], color=LAW, linewidth=1.6, zorder=3)
    axes.plot(x[~gain], middle[~gain], color=LAW, linewidth=1.2, linestyle=(0, (2, 2)), zorder=3)
    for row in found.best.to_dict("records"):
        colour = TARGET if row["served"] else DATA
        at, height = row["serve_q50"], row["train_q50"]
        if found.drawn:
            axes.plot([row["serve_q05"], row["serve_q95"]], [height] * 2, color=colour, linewidth=2.2, zorder=4)
        axes.plot(at, height, "D", color=colour, markersize=6, markeredgecolor=PAPER, zorder=6)
        name = f"{human(row['served'])} tokens served" if row["served"] else "training alone"
        axes.annotate(
            f"{name}: {human(row['N_q50'])} on {human(row['D_q50'])}", (at, height), (7, 5), color=colour, zorder=7,
            textcoords="offset points", fontweight="bold", path_effects=halo(), va="bottom",
        )  # fmt: skip
    shown = middle < top
    log_axis(axes, "x", *padded(x[shown], 0.03), kind="compute", most=6)
    log_axis(axes, "y", float(low.min()) / 1.12, top, kind="compute", most=6)
    loss = float(np.median(found.loss))
    axes.set(
        title=f"Models of {found.response} {plain(loss, digits=4)}: what cheaper serving costs to train",
        xlabel="compute of a served token, FLOP (2 N)", ylabel="training compute, FLOP",
    )  # fmt: skip


def _key(axes: Axes, suggestion: pd.DataFrame) -> None:
    """The runs by number: their inputs."""
    inputs = [c for c in suggestion.columns if c in list(suggestion.columns)[: list(suggestion.columns).index("cost")]]
    axes.set_axis_off()
    for i, row in enumerate(suggestion.to_dict("records"), 1):
        said = ", ".join(f"{s} = {human(row[s])}" for s in inputs)
        y = 1.0 - i / (len(suggestion) + 1.0)
        axes.text(0.0, y, str(i), transform=axes.transAxes, fontweight="bold", va="center")
        axes.text(0.12, y, said, transform=axes.transAxes, color=SOFT, va="center")
