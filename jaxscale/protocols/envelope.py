"""Approach 1: over a ladder of budgets, the run whose loss is lowest when it has spent that much."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import numbers, option

COLUMNS = ("flops", "loss", "params", "run", "inner")


def envelope_points(run: Any, flops: Any, loss: Any, params: Any, points: int = 1500) -> pd.DataFrame:
    """The lower envelope of training curves at log-spaced budgets.

    A curve read in the middle of its learning-rate schedule has a loss above that of a run of that length: only runs
    whose schedules end at several budgets, or whose rate is constant, give a fair envelope. At both ends the smallest
    or the largest model wins for want of others: `inner` is false there, and those points do not belong in
    `allocate`. Neighbouring points share runs, so errors from their scatter are far too small.

    Args:
        run: (rows,) label of the run that a row is of.
        flops: (rows,) FLOP spent by then.
        loss: (rows,) loss.
        params: (rows,) size of the run.
        points: budgets, evenly spaced in log FLOP over all rows.

    Returns:
        A row a budget that some run reaches: flops, loss (interpolated in log FLOP, never extrapolated), params, run,
        inner.

    Raises:
        DataError: a value is not positive, shapes differ, or a run has two sizes.
        ConfigError: points is below 2.

    Source: Hoffmann et al. 2022, arXiv 2203.15556, approach 1, with 1500 budgets.
    """
    flops, loss, params = numbers("envelope_points", "positive", flops=flops, loss=loss, params=params)
    points = int(option("envelope_points", "points", points, 2, 1e7, whole=True))
    labels, of = np.unique(np.asarray(run), return_inverse=True)
    if of.shape != flops.shape:
        problem = Problem("labels do not fit the rows", "run", got=f"shape {of.shape}", expected=f"{flops.shape}")
        raise DataError("envelope_points", [problem])
    sizes = _sizes(labels, of, params)
    grid = np.linspace(np.log(flops.min()), np.log(flops.max()), points)
    best, winner = np.full(points, np.inf), np.zeros(points, int)
    for i in range(len(labels)):
        mine = np.flatnonzero(of == i)
        mine = mine[np.argsort(flops[mine], kind="stable")]
        curve = np.interp(grid, np.log(flops[mine]), loss[mine], left=np.inf, right=np.inf)
        lower = curve < best
        best, winner = np.where(lower, curve, best), np.where(lower, i, winner)
    reached = np.isfinite(best)
    size = sizes[winner]
    inner = (size > sizes.min()) & (size < sizes.max())
    rows = {"flops": np.exp(grid), "loss": best, "params": size, "run": labels[winner], "inner": inner}
    return pd.DataFrame({k: v[reached] for k, v in rows.items()}, columns=list(COLUMNS))


def _sizes(labels: np.ndarray, of: np.ndarray, params: np.ndarray) -> np.ndarray:
    """(runs,) size of each run."""
    low, high = np.full(len(labels), np.inf), np.zeros(len(labels))
    np.minimum.at(low, of, params)
    np.maximum.at(high, of, params)
    if (low != high).any():
        first = int(np.argmax(low != high))
        problem = Problem(f"run {labels[first]} has several sizes", "params", got=f"{low[first]:g} and {high[first]:g}",
                          expected="one size a run", fix="label runs by size and schedule")  # fmt: skip
        raise DataError("envelope_points", [problem])
    return high
