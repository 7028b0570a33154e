"""Draws -> the numbers of a summary, for one fit or many."""

from __future__ import annotations

import numpy as np

QUANTILES = {"q05": 0.05, "q50": 0.50, "q95": 0.95}
MOMENTS = ("mean", "sd", *QUANTILES)
SUMMARY = (*MOMENTS, "r_hat", "ess_bulk", "ess_tail")


def moments(draws: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, standard deviation and quantiles over the first axis; each of the other axes' shape."""
    found = {"mean": draws.mean(axis=0), "sd": draws.std(axis=0, ddof=1)}
    return found | dict(zip(QUANTILES, np.quantile(draws, list(QUANTILES.values()), axis=0), strict=True))
