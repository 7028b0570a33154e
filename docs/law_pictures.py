"""Pictures of a law's priors: the density of each coordinate, 90 % of it darker."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import style as styles
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from jaxscale.law import Law
from jaxscale.priors import Prior
from jaxscale.report import style
from jaxscale.terminal.cards import quantiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = 4  # panels in a row
HEIGHT = 1.55  # inches of a row
LEVELS = (0.002, 0.05, 0.5, 0.95, 0.998)
WIDE = 6.0  # a positive coordinate whose 90 % range spans more than this factor is drawn on a log axis
GRID = 97


def svg(law: Law) -> str:
    """The picture as an SVG file."""
    text = io.StringIO()
    with styles.context(["default", style.RC]):
        picture(law).savefig(text, format="svg", metadata={"Date": None})
    drawn = text.getvalue()
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


@style.styled
def picture(law: Law) -> Figure:
    """A panel for each parameter that has a prior."""
    rows = -(-len(law.free) // ACROSS)
    figure = Figure(figsize=(style.WIDTH, HEIGHT * rows + 0.05))
    height = HEIGHT * rows + 0.05
    figure.subplots_adjust(0.02, 0.5 / height, 0.98, 1.0 - 0.3 / height, wspace=0.14, hspace=0.95)
    grid = figure.subplots(rows, ACROSS, squeeze=False).ravel()
    for axes, name in zip(grid, law.free, strict=False):
        prior = law.priors[name]
        assert isinstance(prior, Prior)
        _panel(axes, prior)
        axes.set_title(name, color=style.INK, pad=4)
        axes.set_xlabel(said_of(law, prior), fontsize=7, labelpad=2)
    for axes in grid[len(law.free) :]:
        axes.set_axis_off()
    return figure


def said_of(law: Law, prior: Prior) -> str:
    """What the axis of a panel counts, in a few words."""
    unit = law.response.unit if law.response.scale == 1.0 else f"{law.response.column} / its size"
    if prior.above:
        return f"share of the way from {prior.above}"
    if prior.scaled:
        return f"term at the centre{f', {unit}' if unit else ''}" if prior.powers else unit
    if prior.powers:
        return f"relative to the centre of {', '.join(prior.powers)}"
    return "its negative" if prior.sign < 0 else ""


def _panel(axes: Axes, prior: Prior) -> None:
    distribution = prior.dist
    ends = np.asarray(quantiles(distribution, LEVELS), dtype=np.float64)
    positive = bool(ends[0] > 0)
    share = prior.bijector == "sigmoid"
    to_zero = type(prior.dist).__name__.startswith("Half")  # a floor, which may be nothing
    log = positive and ends[3] / ends[1] > WIDE and not (share or to_zero)
    x = np.geomspace(ends[0], ends[-1], GRID) if log else np.linspace(ends[0], ends[-1], GRID)
    from_zero = not log and (share or to_zero or (positive and ends[0] < 0.05 * ends[-1]))
    if from_zero:
        x = np.linspace(1e-6, 1.0 - 1e-6 if share else ends[-1], GRID)
    density = np.exp(np.asarray(distribution.log_prob(x))) * (x if log else 1.0)
    inside = (x >= ends[1]) & (x <= ends[3])
    axes.fill_between(x, density, color=style.LAW, alpha=0.15, linewidth=0)
    axes.fill_between(x, density, where=inside.tolist(), color=style.LAW, alpha=0.35, linewidth=0)
    axes.plot(x, density, color=style.LAW, linewidth=1.2)
    axes.plot([ends[2]] * 2, [0.0, np.interp(ends[2], x, density)], color=style.INK, linewidth=0.9)
    axes.set(ylim=(0.0, 1.08 * density.max()), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    axes.tick_params(labelsize=7, pad=2, length=2.5)
    if log:
        style.log_axis(axes, "x", x[0], x[-1], kind="compute", most=5)
        return
    low, high = (0.0 if from_zero else x[0]), x[-1]
    axes.set_xlim(low, high)
    ticks = [t for t in MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= t <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FixedFormatter([style.plain(t) for t in ticks]))
