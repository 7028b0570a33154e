"""Draws -> the numbers of a summary, for one fit or many."""

from __future__ import annotations

import numpy as np

QUANTILES = {"q05": 0.05, "q50": 0.50, "q95": 0.95}
MOMENTS = ("mean", "sd", *QUANTILES)
SUMMARY = (*MOMENTS, "r_hat", "ess_bulk", "ess_tail")


def moments(draws: np.ndarray) -> dict[str, np.ndarray]:
    """Mean, standard deviation and quantiles over the first axis; each of the other axes' shape."""
    rows = np.ascontiguousarray(np.moveaxis(draws, 0, -1))  # one order of adding, however many there are
    first = rows[..., :1]  # subtracted, so that a fixed parameter comes out as it went in
    found = {"mean": first[..., 0] + (rows - first).mean(axis=-1), "sd": rows.std(axis=-1, ddof=1)}
    return found | dict(zip(QUANTILES, np.quantile(rows, list(QUANTILES.values()), axis=-1), strict=True))
