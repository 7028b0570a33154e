"""How far predictions are from what was observed, in the numbers that scaling-law papers report."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from jaxscale.protocols.columns import numbers


def absolute_relative_error(predicted: Any, observed: Any) -> float:
    """ARE: the mean of |observed - predicted| / observed.

    The survey that proposed it calls 4 % about the best one may hope for, as seeds alone differ by so much, and
    15 % too much to tell recipes apart. It scores only runs (or checkpoints) that were not fitted, and of a training
    curve only its last 70 %.

    Args:
        predicted: (n,) predictions, in the unit of `observed`.
        observed: (n,) positive observations, such as losses.

    Returns:
        A share: 0.04 is 4 %.

    Raises:
        DataError: an observation is not positive, a value is not finite, or shapes differ.

    Source: Choshen et al. 2024, A Hitchhiker's Guide to Scaling Law Estimation, arXiv 2410.11840.
    """
    name = "absolute_relative_error"
    (observed,) = numbers(name, "positive", observed=observed)
    predicted, observed = numbers(name, predicted=predicted, observed=observed)
    return float(np.mean(np.abs(observed - predicted) / observed))


def log_rmse(predicted: Any, observed: Any) -> float:
    """Root mean square of log(predicted / observed): for small errors, the relative error.

    Args:
        predicted, observed: (n,) positive values in one unit.

    Raises:
        DataError: a value is not positive, or shapes differ.
    """
    predicted, observed = numbers("log_rmse", "positive", predicted=predicted, observed=observed)
    return float(np.sqrt(np.mean(np.log(predicted / observed) ** 2)))


def r_squared(predicted: Any, observed: Any, log: bool = False) -> float:
    """R2: one minus the residual sum of squares over that about the observed mean.

    It is below zero for predictions worse than the mean, and NaN where all observations are alike. It rewards a wide
    range of observations: a held-out range is scored by ARE.

    Args:
        predicted, observed: (n,) values in one unit, two or more.
        log: compare logarithms, for positive values that span decades.

    Raises:
        DataError: a value cannot be used, or shapes differ.
    """
    kind = "positive" if log else "any"
    predicted, observed = numbers("r_squared", kind, least=2, predicted=predicted, observed=observed)
    if log:
        predicted, observed = np.log(predicted), np.log(observed)
    spread = float(np.sum((observed - observed.mean()) ** 2))
    return float(1.0 - np.sum((observed - predicted) ** 2) / spread) if spread > 0 else float("nan")


def rank_correlation(a: Any, b: Any) -> float:
    """Spearman's rank correlation; ties have the mean of their ranks.

    Args:
        a, b: (n,) scores of the same n models, two or more.

    Returns:
        -1 to 1; NaN where one side is all ties.

    Raises:
        DataError: a value is not finite, or shapes differ.
    """
    a, b = numbers("rank_correlation", least=2, a=a, b=b)
    x, y = (rankdata(v) - (len(v) + 1) / 2 for v in (a, b))
    size = float(np.sqrt(np.sum(x**2) * np.sum(y**2)))
    return float(np.sum(x * y) / size) if size > 0 else float("nan")
