"""Do intervals and probabilities mean what they say?"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import as_floats, numbers, option

LEVELS = (0.5, 0.8, 0.9, 0.95)


def interval_coverage(draws: Any, observed: Any, levels: Any = LEVELS) -> np.ndarray:
    """Share of observations inside the central interval of their predictive draws, at several levels.

    Of n observations the share has a standard error of sqrt(level (1 - level) / n) at best: ten held-out runs cannot
    tell 80 % from 95 %.

    Args:
        draws: (draws, n) of the predictive distribution of each observation.
        observed: (n,).
        levels: (levels,) between 0 and 1.

    Returns:
        (levels,) shares; each near its level where intervals are honest.

    Raises:
        DataError: a value is not finite, a level is not between 0 and 1, or shapes differ.
    """
    (drawn,) = numbers("interval_coverage", ndim=2, draws=draws)
    (observed,) = numbers("interval_coverage", observed=observed)
    (levels,) = numbers("interval_coverage", levels=np.atleast_1d(as_floats("interval_coverage", "levels", levels)))
    if drawn.shape[1] != len(observed) or (levels <= 0).any() or (levels >= 1).any():
        problem = Problem("draws and observations do not fit, or a level is no share",
                          got=f"draws {drawn.shape}, observed {observed.shape}, levels {levels}",
                          expected="draws (S, n), observed (n,), levels between 0 and 1")  # fmt: skip
        raise DataError("interval_coverage", [problem])
    low, high = (np.quantile(drawn, (1.0 + sign * levels) / 2.0, axis=0) for sign in (-1.0, 1.0))
    return np.mean((low <= observed) & (observed <= high), axis=1)


def calibration_error(confidence: Any, correct: Any, bins: int = 15) -> float:
    """ECE: the gap between confidence and success, averaged over equal bins of confidence by how much they hold.

    It grows with the number of bins and shrinks with that of cases, so compare it at equal bins and cases only; a
    few hundred cases read above zero even where every probability is right.

    Args:
        confidence: (n,) probabilities that were claimed, 0 to 1.
        correct: (n,) 1 where the claim held, else 0.
        bins: of equal width.

    Returns:
        0 to 1.

    Raises:
        DataError: a probability is outside 0 to 1, an outcome is neither 0 nor 1, or shapes differ.
        ConfigError: bins is below 1.

    Source: as studied by Tao et al. 2023, A Benchmark Study on Calibration, arXiv 2308.11838.
    """
    p, hit = numbers("calibration_error", confidence=confidence, correct=correct)
    bins = int(option("calibration_error", "bins", bins, 1, 1e6, whole=True))
    if (p < 0).any() or (p > 1).any() or not np.isin(hit, (0.0, 1.0)).all():
        problem = Problem("no probabilities and outcomes", expected="confidence from 0 to 1, correct 0 or 1")
        raise DataError("calibration_error", [problem])
    of = np.minimum((p * bins).astype(int), bins - 1)
    gap = np.bincount(of, weights=hit - p, minlength=bins)
    return float(np.abs(gap).sum() / len(p))
