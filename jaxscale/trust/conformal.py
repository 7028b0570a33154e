"""Conformal prediction as a check of intervals: how many times as wide would they have had to be?

Past forecasts are scored by their miss over the interval's own half-width on that side, and the score's finite-sample
quantile stretches the next intervals (split conformal prediction; Lei et al. 2018, arXiv:1604.04173, scaled by the
forecast's spread). It promises 90 % of runs that are exchangeable with the past ones, whatever law and noise are. The
largest runs are not: they lie farther out than any run yet forecast. So it checks the intervals and does not make them.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

LEVEL = 0.9  # of the intervals that are checked


def misses(points: pd.DataFrame, on_log: bool) -> np.ndarray:
    """Miss of each forecast over the half-width of its interval on that side, (points,): 1 is on the edge.

    Args:
        points: observed, q05, q50 and q95 of each forecast.
        on_log: measure both on the logarithm, where all are positive.
    """
    columns = ("observed", "q05", "q50", "q95")
    y, low, middle, high = (points[c].to_numpy(float) for c in columns)
    if on_log:
        y, low, middle, high = (np.log(np.maximum(v, 1e-300)) for v in (y, low, middle, high))
    half = np.where(y > middle, high - middle, middle - low)
    return np.abs(y - middle) / np.maximum(half, 1e-300)


def stretch(past: np.ndarray) -> float:
    """How many times as wide intervals must be to hold 90 % of forecasts like these; past (n,) of `misses`.

    Returns:
        The score of rank ceil(.9 (n + 1)), or NaN of fewer than nine forecasts, which no finite width can vouch for.
    """
    rank = int(np.ceil(LEVEL * (len(past) + 1)))
    return float(np.sort(past)[rank - 1]) if rank <= len(past) else float("nan")
