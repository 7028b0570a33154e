"""What every forecast of this folder is judged by: the same held-out runs, the same scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

SCORES = ("coverage", "width", "error")
ALL_DATA = {  # of ScaleBench: R2 as arXiv 2604.22753 prints it
    "lr_bsz": 0.04,
    "domain_mixture": 0.81,
    "vocab": 0.93,
    "parallel": 0.99,
    "moe": 0.81,
    "data_constrained": 0.79,
}
HUMAN = {  # the same by human experts, arXiv 2507.21184
    "parallel": 1.000,
    "vocab": 0.966,
    "moe": 0.703,
    "domain_mixture": 0.671,
    "data_constrained": 0.911,
}


def split(runs: pd.DataFrame, hold_out: float) -> tuple[pd.DataFrame, pd.DataFrame, float]:
    """Training runs, the largest share by compute that is held out, and the decades of compute between them."""
    compute = (runs.params * runs.tokens).to_numpy()
    order = np.argsort(compute, kind="stable")
    first = round((1.0 - hold_out) * len(order))
    train, test = (runs.iloc[part].reset_index(drop=True) for part in (order[:first], order[first:]))
    return train, test, float(np.log10(compute.max() / compute[order[first - 1]]))


def scores(forecast: pd.DataFrame, observed: np.ndarray) -> dict[str, float]:
    """Of one table's held-out rows (n,), on the log scale: NaN where there is no forecast, or no interval.

    coverage: of the 90 % interval for a new run; width: its median; error: the root mean square error of the median.
    """
    low, high, middle = (forecast[c].to_numpy(float) for c in ("new_q05", "new_q95", "q50"))
    found: dict[str, float] = dict.fromkeys(SCORES, float("nan"))
    if np.isfinite(middle).all() and (middle > 0).all():
        found["error"] = float(np.sqrt(np.mean(np.log(middle / observed) ** 2)))
    if np.isfinite(low).all() and np.isfinite(high).all():
        found["coverage"] = float(np.mean((low <= observed) & (observed <= high)))
        found["width"] = float(np.median(np.log(high / np.maximum(low, 1e-12))))
    return found
