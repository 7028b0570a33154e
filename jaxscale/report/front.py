"""The figure of serving: what a model that is cheaper to serve costs more to train."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxscale.decide.plan import Plan, plan
from jaxscale.decide.serving import front
from jaxscale.report import valley
from jaxscale.report.style import (
    BAND,
    INK,
    LAW,
    PAPER,
    TARGET,
    canvas,
    halo,
    human,
    log_axis,
    padded,
    plain,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

DEAR = 6.0  # times the least training compute: how far up a front is drawn
APART = 0.02  # of a size: a plan as far from the size that serving wants has a mark of its own


@styled
def serving(fit: Any, budget: float, served: Sequence[float] | None = None, **options: Any) -> Figure:
    """Training compute against the compute of a served token, of models of the loss that a budget buys.

    The curve is the median over draws with its 90 % band; marks are the size that is cheapest to train, and those that
    are cheapest with some tokens served.

    Args:
        fit: of a law of models and tokens, or whatever else `plan` takes for one.
        budget: FLOP that buy the loss.
        served: tokens served over a model's life, for each of which the best size is marked; 1, 10 and 100 times the
            training tokens, as powers of ten, unless given.
        options: of `plan`: serve_tokens, which the budget then covers too; preset; limits.

    Raises:
        PlanError: as `plan`, or the law is not of models and tokens alone.
    """
    figure = canvas(4.2)
    _front(figure, plan(fit, budget, **options), fit, served, options)
    return figure


@styled
def planned(made: Plan, fit: Any, serve_tokens: float = 0.0, **options: Any) -> Figure:
    """`valley` of a plan; where tokens are served, with the front of the plan's loss below.

    Args:
        made: of a plan with `serve_tokens` and `options`.
        fit, serve_tokens, options: as of `serving`.
    """
    if not serve_tokens:
        figure = canvas(4.4)
        valley.draw(figure, made)
        return figure
    figure = canvas(8.4)
    grid = figure.add_gridspec(2, 1, height_ratios=[4.3, 4.1])
    valley.draw(figure.add_subfigure(grid[0]), made)
    _front(figure.add_subfigure(grid[1]), made, fit, None, {"serve_tokens": serve_tokens, **options})
    return figure


def _front(
    room: Figure | SubFigure, made: Plan, fit: Any, served: Sequence[float] | None, options: dict[str, Any]
) -> None:
    found = front(fit, made, served, options.get("serve_tokens", 0.0), options.get("preset"))
    axes = room.subplots()
    curve, best = found.curve, found.best.to_dict("records")
    x, low, middle, high = (curve[c].to_numpy(float) for c in ("serve", "train_q05", "train_q50", "train_q95"))
    top = max(DEAR * float(middle.min()), *(1.3 * row["train_q50"] for row in best))
    if found.drawn:
        axes.fill_between(x, low, np.minimum(high, 10.0 * top), where=(low < top).tolist(), zorder=2, **BAND)
    gain = x <= best[0]["serve_q50"]
    axes.plot(x[gain], middle[gain], color=LAW, linewidth=1.6, zorder=3)
    axes.plot(x[~gain], middle[~gain], color=LAW, linewidth=1.2, linestyle=(0, (2, 2)), zorder=3)
    for row in best:
        colour = TARGET if row["served"] else INK
        at, height = row["serve_q50"], row["train_q50"]
        if found.drawn:
            axes.plot([row["serve_q05"], row["serve_q95"]], [height] * 2, color=colour, linewidth=2.2, zorder=4)
        axes.plot(at, height, "D", color=colour, markersize=6, markeredgecolor=PAPER, zorder=6)
        name = f"{human(row['served'])} tokens served" if row["served"] else "training alone"
        place = (
            {"xytext": (7, 5), "va": "bottom"} if row["served"] else {"xytext": (0, -8), "va": "top", "ha": "center"}
        )
        axes.annotate(
            f"{name}: {human(row['N_q50'])} on {human(row['D_q50'])}", (at, height), textcoords="offset points",
            color=colour, zorder=7, fontweight="bold", path_effects=halo(), **place,
        )  # fmt: skip
    sizes = curve["N"].to_numpy(float)
    _own(axes, made, best, options.get("serve_tokens", 0.0), curve)
    for wall in (w for w in made.walls if sizes[0] < w < sizes[-1]):
        at = float(np.interp(wall, sizes, x))
        axes.axvline(at, color=INK, linewidth=1.4, zorder=4)
        axes.annotate(
            f"limit {human(wall)}", (at, 0.97), (-4, 0), ("data", "axes fraction"), "offset points", ha="right",
            va="top", color=INK, path_effects=halo(), zorder=6,
        )  # fmt: skip
    shown = middle < top
    left, right = padded(x[shown], 0.02)
    log_axis(axes, "x", left, right * (right / left) ** 0.12, kind="compute", most=7)
    bottom = float(low.min())
    log_axis(axes, "y", bottom * (bottom / top) ** 0.12, top, kind="compute", most=7)
    loss = float(np.median(found.loss))
    axes.set(
        title=f"Models of {found.response} {plain(loss, digits=4)}: what cheaper serving costs to train",
        xlabel="compute of a served token, FLOP (2 N)", ylabel="training compute, FLOP",
    )  # fmt: skip


def _own(axes: Axes, made: Plan, best: list[dict[str, float]], served: float, curve: pd.DataFrame) -> None:
    """A plan whose limits keep it from the size that serving wants, on the front."""
    n, d = made.recommended["N"], made.recommended["D"]
    if any(row["served"] == served and abs(np.log(row["N_q50"] / n)) < APART for row in best):
        return
    at, height = (float(np.interp(n, curve["N"], curve[c])) for c in ("serve", "train_q50"))
    axes.plot(at, height, "D", color=TARGET, markerfacecolor=PAPER, markersize=6.5, markeredgewidth=1.4, zorder=6)
    axes.annotate(
        f"this plan: {human(n)} on {human(d)}", (at, height), (7, 5), textcoords="offset points", color=TARGET,
        fontweight="bold", path_effects=halo(), zorder=7,
    )  # fmt: skip
