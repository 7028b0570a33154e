"""Pairs of a law's parameters, by a kernel density whose kernel follows the ridge."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator, ScalarFormatter

from jaxscale.report.style import INK, LAW, SOFT, canvas, halo, log_ticks, plain, styled
from jaxscale.result import Fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST = 6  # parameters
KERNELS = 1200  # draws behind a density
GRID = 90
HELD = (0.9, 0.5)  # posterior probability inside each contour
WIDE = 2.0  # a positive parameter whose 98 % range spans more than this factor is drawn on a log axis


@styled
def posterior_pairs(fit: Fit) -> Figure:
    """What the runs say of the law's parameters: pairs, marginals, and published values that lie in range.

    A fit without draws has a figure that says so.
    """
    if not fit.has_draws:
        figure = canvas(1.2)
        reason = "A point fit has no posterior." if fit.status.ok else "No posterior: the fit was refused."
        figure.text(0.01, 0.5, reason, color=SOFT, va="center")
        return figure
    draws = fit.draws()
    names = list(islice((p for p in fit.law.free if np.ptp(draws[p]) > 0), MOST))
    step = max(1, len(draws[names[0]]) // KERNELS)
    logged = {p: _on_log(draws[p]) for p in names}
    values = {p: (np.log(draws[p]) if logged[p] else draws[p])[::step] for p in names}
    ends = {p: _ends(v) for p, v in values.items()}
    count = len(names)
    figure = canvas(1.25 * count + 0.4 if count > 1 else 2.6)
    grid = figure.subplots(count, count, squeeze=False)
    seen = _published(fit, names, logged, ends)
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            axes = grid[i, j]
            if j > i:
                axes.set_axis_off()
                continue
            axes.grid(visible=False)
            if i == j:
                _marginal(axes, values[row], ends[row])
            else:
                _pair(axes, values[column], values[row], ends[column], ends[row])
                _crosses(axes, seen, column, row, ends)
                _ticks(axes, "y", ends[row], logged[row], shown=j == 0)
            axes.set_xlim(*ends[column])
            _ticks(axes, "x", ends[column], logged[column], shown=i == count - 1)
            if i == count - 1:
                axes.set_xlabel(column, color=INK, fontweight="bold")
            if j == 0 and i > 0:
                axes.set_ylabel(row, color=INK, fontweight="bold")
    figure.align_ylabels(grid[:, 0])
    _explain(figure, seen, "Bootstrap" if fit.status.code == "bootstrap" else "Posterior")
    return figure


def _on_log(values: np.ndarray) -> bool:
    low, high = np.quantile(values, [0.01, 0.99])
    return bool(low > 0 and high / low > WIDE)


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.003, 0.997])
    air = 0.15 * (high - low)
    return float(low - air), float(high + air)


def _published(fit: Fit, names: list[str], logged: dict, ends: dict) -> dict[str, dict[str, float]]:
    """Presets with at least two parameters in view: "a  name" -> their places."""
    found: dict[str, dict[str, float]] = {}
    for name, preset in fit.law.published.items():
        place = {p: float(np.log(preset[p])) if logged[p] else float(preset[p]) for p in names if p in preset}
        place = {p: v for p, v in place.items() if ends[p][0] < v < ends[p][1]}
        if len(place) > 1:
            found[f"{'abcdefghijkl'[len(found) % 12]}  {name}"] = place
    return found


def _density(points: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Kernel density of points (d, n) at places (d, m), by Scott's rule with the points' own covariance."""
    d, n = points.shape
    factor = n ** (-1.0 / (d + 4))
    root = np.linalg.cholesky(np.cov(points).reshape(d, d) + 1e-18 * np.eye(d)) * factor
    white, target = np.linalg.solve(root, points), np.linalg.solve(root, at)
    total = np.zeros(at.shape[1])
    for chunk in np.array_split(white, max(1, n // 100), axis=1):
        total += np.exp(-0.5 * ((target[:, :, None] - chunk[:, None, :]) ** 2).sum(axis=0)).sum(axis=1)
    return total


def _pair(axes: Axes, x: np.ndarray, y: np.ndarray, x_ends: tuple, y_ends: tuple) -> None:
    points = np.stack([x, y])
    across, up = (np.linspace(low, high, GRID) for low, high in (x_ends, y_ends))
    places = np.stack([a.ravel() for a in np.meshgrid(across, up)])
    # the level that holds a share of the posterior is a quantile of the density at its draws
    levels = [np.quantile(_density(points, points), 1.0 - share) for share in HELD]
    density = _density(points, places).reshape(GRID, GRID)
    top = max(float(density.max()), levels[-1]) * 1.01
    for level, alpha in zip(levels, (0.22, 0.4), strict=True):
        axes.contourf(across, up, density, levels=[level, top], colors=[LAW], alpha=alpha)
    axes.contour(across, up, density, levels=levels, colors=[LAW], linewidths=0.9)
    axes.set_ylim(*y_ends)


def _crosses(axes: Axes, seen: dict[str, dict[str, float]], column: str, row: str, ends: dict) -> None:
    """Published values in one panel; those that all but coincide share a label."""
    labels: list[list] = []
    for name, place in seen.items():
        if row not in place or column not in place:
            continue
        x, y = place[column], place[row]
        axes.plot(x, y, "+", color=INK, markersize=6, markeredgewidth=1.1, zorder=5)
        for known in labels:
            if max(abs(x - known[0]) / np.ptp(ends[column]), abs(y - known[1]) / np.ptp(ends[row])) < 0.1:
                known[2] += name[0]
                break
        else:
            labels.append([x, y, name[0]])
    for x, y, letters in labels:
        axes.annotate(letters, (x, y), (4, 2), textcoords="offset points", fontsize=7, path_effects=halo(), zorder=4)


def _marginal(axes: Axes, values: np.ndarray, ends: tuple[float, float]) -> None:
    across = np.linspace(*ends, 160)
    density = _density(values[None], across[None])
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    held = (across >= low) & (across <= high)
    axes.fill_between(across[held], density[held], color=LAW, alpha=0.25, linewidth=0)
    axes.plot(across, density, color=LAW, linewidth=1.2)
    axes.vlines(middle, 0, np.interp(middle, across, density), color=LAW, linewidth=1.2)
    axes.set_ylim(0, density.max() * 1.1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def _ticks(axes: Axes, which: Literal["x", "y"], ends: tuple[float, float], logged: bool, shown: bool) -> None:
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_minor_locator(NullLocator())
    if logged:
        ticks = log_ticks(*np.exp(ends), most=3)
        axis.set_major_locator(FixedLocator(list(np.log(ticks))))
        axis.set_major_formatter(FixedFormatter([plain(t) for t in ticks]))
    else:
        axis.set_major_locator(MaxNLocator(3, prune="both"))
        axis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.tick_params(axis=which, labelsize=7, **{f"label{'bottom' if which == 'x' else 'left'}": shown})


def _explain(figure: Figure, seen: dict[str, dict[str, float]], whose: str) -> None:
    lines = ["Shaded: 50 % and 90 % of the draws"]
    if seen:
        lines += ["", "+  published values", *seen]
    figure.text(0.985, 0.93, "\n".join(lines), ha="right", va="top", color=SOFT, fontsize=7.5, linespacing=1.5)
    figure.suptitle(f"{whose} of the law's parameters", x=0.01, ha="left", fontsize=9.5, fontweight="bold")
