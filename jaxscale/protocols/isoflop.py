"""Approach 2: at each budget a parabola through loss against log size, and its vertex.

The vertex of a parabola is not the minimum of the curve: with L = E + A / N^alpha + B / D^beta the slice is steeper on
one side wherever alpha and beta differ, and the vertex moves towards the flatter side by a factor that grows with the
width of the grid and is the same at every budget. The exponent of N*(C) is therefore unbiased where every slice spans
the same factor about its optimum, and the coefficient is not. `vertex_bias` gives the factor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.errors import ConfigError
from jaxscale.protocols.columns import numbers, option

LEAST_RUNS = 3
COLUMNS = ("flops", "runs", "params", "sd_log", "loss", "curvature", "brackets", "why")


def parabolas(flops: Any, params: Any, loss: Any, tolerance: float = 0.02) -> pd.DataFrame:
    """One parabola in log parameters for every budget, all at once.

    Args:
        flops: (runs,) FLOP; runs whose budgets differ by less than `tolerance` share a slice.
        params: (runs,) parameters. Pass tokens instead to find the best tokens.
        loss: (runs,) loss, in any unit.
        tolerance: gap in log FLOP that parts two slices.

    Returns:
        A row a slice, by budget: flops (geometric mean), runs, params (the vertex), sd_log (standard error of its
        logarithm, from the scatter about the parabola; NaN with three runs, which leave none), loss (at the vertex),
        curvature (second derivative by log parameters), brackets, why (a sentence where it does not). A slice
        brackets its minimum where the parabola opens upwards and runs lie on both sides of the vertex; only such
        slices belong in `allocate`. Elsewhere params and what follows is NaN.

    Raises:
        DataError: a value is not positive, or shapes differ.
        ConfigError: the tolerance is not positive.

    Source: Hoffmann et al. 2022, arXiv 2203.15556, approach 2; the bias, Czech et al. 2026, Problems with Chinchilla
    Approach 2.
    """
    cut = slices("parabolas", flops, params, loss, tolerance)
    x, y, weight = cut.size, cut.loss, cut.weight
    count = weight.sum(axis=1)
    centre = np.sum(weight * x, axis=1) / count
    scale = np.maximum(np.sqrt(np.sum(weight * (x - centre[:, None]) ** 2, axis=1) / count), 1e-12)
    level = np.sum(weight * y, axis=1) / count
    z, r = (x - centre[:, None]) / scale[:, None], y - level[:, None]
    design = np.stack([np.ones_like(z), z, z**2], axis=-1)
    normal = np.einsum("sri,sr,srj->sij", design, weight, design)
    sizes = np.array([len(np.unique(row[w > 0])) for row, w in zip(x, weight, strict=True)])
    few = sizes < LEAST_RUNS
    normal[few] = np.eye(3)
    inverse = np.linalg.inv(normal)
    c0, c1, c2 = np.einsum("sij,srj,sr->is", inverse, design, weight * r)
    left = np.sum(weight * (r - np.einsum("sri,is->sr", design, np.stack([c0, c1, c2]))) ** 2, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = -c1 / (2.0 * c2)
        noise = np.where(count > 3, left / np.maximum(count - 3, 1), np.nan)
        slope = np.stack([-1.0 / (2.0 * c2), c1 / (2.0 * c2**2)])  # of the vertex, by c1 and c2
        sd = scale * np.sqrt(noise * np.einsum("is,sij,js->s", slope, inverse[:, 1:, 1:], slope))
        lowest, highest = np.min(np.where(weight > 0, z, np.inf), axis=1), np.max(np.where(weight > 0, z, -np.inf), 1)
        upward, inside = c2 > 0, (vertex > lowest) & (vertex < highest)
    why = np.select(
        [few, ~upward, ~inside],
        [f"fewer than {LEAST_RUNS} sizes", "no minimum: the parabola does not open upwards",
         "the minimum lies outside the sizes that were trained"], "")  # fmt: skip
    good = why == ""
    keep = lambda v: np.where(good, v, np.nan)  # noqa: E731
    with np.errstate(over="ignore", invalid="ignore"):
        found = {"params": np.exp(centre + scale * np.where(good, vertex, 0.0)), "sd_log": sd,
                 "loss": level + c0 - c1**2 / (4.0 * np.where(good, c2, 1.0)),
                 "curvature": 2.0 * c2 / scale**2}  # fmt: skip
    rows = {"flops": cut.flops, "runs": count.astype(int)} | {k: keep(v) for k, v in found.items()}
    return pd.DataFrame(rows | {"brackets": good, "why": why}, columns=list(COLUMNS))


def vertex_bias(alpha: float, beta: float, factor: float, points: int = 16, offset: float = 1.0) -> float:
    """Relative error of N* by a parabola, where the loss is exactly E + A / N^alpha + B / D^beta.

    It depends on neither budget nor E, A, B. That of D* is 1 / (1 + bias) - 1.

    Args:
        alpha, beta: exponents of parameters and tokens.
        factor: the grid spans N* / factor to N* factor.
        points: runs of a slice, evenly spaced in log N.
        offset: centre of the grid over N*, 1 being the optimum itself.

    Returns:
        fitted / true - 1.

    Raises:
        ConfigError: an argument is outside its limits, or the parabola has no minimum.

    Source: as `parabolas`.
    """
    alpha, beta = (option("vertex_bias", k, v, 1e-6, 10.0) for k, v in (("alpha", alpha), ("beta", beta)))
    factor = option("vertex_bias", "factor", factor, 1.0 + 1e-6, 1e9)
    offset = option("vertex_bias", "offset", offset, 1e-9, 1e9)
    points = int(option("vertex_bias", "points", points, LEAST_RUNS, 1e6, whole=True))
    # at the optimum alpha A / N^alpha = beta B / D^beta, so the two terms are as beta to alpha there
    w = np.log(offset) + np.linspace(-np.log(factor), np.log(factor), points)
    slice_ = parabolas(np.ones(points), np.exp(w), beta * np.exp(-alpha * w) + alpha * np.exp(beta * w))
    if not slice_["brackets"].iloc[0]:
        raise ConfigError(f"vertex_bias: {slice_['why'].iloc[0]}. Fix: an offset nearer to 1, or a wider grid.")
    return float(slice_["params"].iloc[0]) - 1.0


@dataclass(frozen=True, eq=False)
class Slices:
    """Runs by budget, each slice padded to the longest: arrays are (slices, rows), `flops` is (slices,).

    Attributes:
        size: log params, rising.
        loss: in its own unit.
        weight: 1, and 0 where it pads.
        row: position of the run in what was given.
        flops: geometric mean of the slice's budgets.
    """

    size: np.ndarray
    loss: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    flops: np.ndarray


def slices(source: str, flops: Any, params: Any, loss: Any, tolerance: float) -> Slices:
    """Cut runs into slices of one budget.

    Raises:
        DataError, ConfigError: as `parabolas`.
    """
    flops, params, loss = numbers(source, "positive", flops=flops, params=params, loss=loss)
    tolerance = option(source, "tolerance", tolerance, 1e-9, 10.0)
    order = np.argsort(flops, kind="stable")
    c = np.log(flops[order])
    of = np.concatenate([[0], np.cumsum(np.diff(c) > tolerance)])
    count = np.bincount(of)
    order = order[np.lexsort((params[order], of))]  # by slice, then by size
    place = np.arange(len(of)) - np.repeat(np.cumsum(count) - count, count)
    shape = (len(count), int(count.max()))
    size, height, weight, row = np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(shape, int)
    size[of, place], height[of, place], weight[of, place] = np.log(params[order]), loss[order], 1.0
    row[of, place] = order
    return Slices(size, height, weight, row, np.exp(np.bincount(of, weights=c) / count))
