"""Repeated sampling: the chance that one of k samples is right, and the best score of n."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_ndtr

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import as_floats, numbers, option

AT_ONCE = 4_000_000  # factors of products held in memory
WIDEST = 12.0  # standard deviations: the density of the maximum of 1e12 scores ends long before
NODES = 4801


def pass_at_k(samples: Any, right: Any, k: Any) -> Any:
    """Unbiased chance that at least one of k samples solves a problem, from n samples of which c were right.

    1 - C(n - c, k) / C(n, k), the quotient as a product of min(c, k) factors, added as logarithms: binomials of
    thousands overflow, and their logarithms lose chances below 1e-4.

    Args:
        samples: n; right: c of them; k: at most n. Whole numbers; arrays broadcast.

    Returns:
        Shares of the broadcast shape.

    Raises:
        DataError: a number is not whole, c or k is above n, or k is below 1.

    Source: Chen et al. 2021, arXiv 2107.03374, equation 1; as used by Brown et al. 2024, arXiv 2407.21787.
    """
    given = [as_floats("pass_at_k", name, v) for name, v in (("samples", samples), ("right", right), ("k", k))]
    try:
        n, c, k = np.broadcast_arrays(*given)
    except ValueError:
        shapes = ", ".join(str(v.shape) for v in given)
        problem = Problem("shapes that do not broadcast", got=shapes, fix="k[:, None] gives one row each k")
        raise DataError("pass_at_k", [problem]) from None
    n, c, k = numbers("pass_at_k", "count", ndim=None, samples=n, right=c, k=k)
    if (c > n).any() or (k > n).any() or (k < 1).any():
        problem = Problem("counts that do not fit", expected="right and k at most samples, k at least 1",
                          fix="ask for no more than the samples that every problem has")  # fmt: skip
        raise DataError("pass_at_k", [problem])
    return (-np.expm1(_log_missed(n.ravel(), c.ravel(), k.ravel()))).reshape(n.shape)[()]


def coverage(samples: Any, right: Any, k: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean over problems of the chance that one of k samples is right, and its standard error over problems.

    The values at different k are of the same samples: they are strongly correlated.

    Args:
        samples: (problems,) n; right: (problems,) c; k: (levels,).

    Returns:
        (levels,) mean and (levels,) standard error; NaN of a single problem.

    Raises:
        DataError: as `pass_at_k`.
    """
    n, c = numbers("coverage", "count", samples=samples, right=right)
    levels = np.atleast_1d(as_floats("coverage", "k", k))
    found = pass_at_k(n[None, :], c[None, :], levels[:, None])
    error = found.std(axis=1, ddof=1) / np.sqrt(len(n)) if len(n) > 1 else np.full(len(levels), np.nan)
    return found.mean(axis=1), error


def best_of_n(scores: Any, n: Any) -> Any:
    """Expected best of n scores drawn without replacement from those at hand: unbiased for the best of n new ones.

    Args:
        scores: (samples,) scores, higher being better.
        n: whole numbers from 1 to the number of samples, of any shape.

    Returns:
        Scores of the shape of n.

    Raises:
        DataError: a score is not finite, or n is not within the samples.
    """
    (ordered,) = numbers("best_of_n", scores=np.sort(as_floats("best_of_n", "scores", scores), axis=-1))
    count = len(ordered)
    levels = as_floats("best_of_n", "n", n)
    if not ((levels >= 1) & (levels <= count) & (levels == np.floor(levels))).all():
        problem = Problem("numbers that do not fit", "n", expected=f"whole numbers from 1 to {count}")
        raise DataError("best_of_n", [problem])
    # P(best > i-th smallest) is the chance that one of n draws is among the count - i above it
    above = pass_at_k(count, np.arange(count - 1, 0, -1.0), levels[..., None])
    return (ordered[0] + np.sum(above * np.diff(ordered), axis=-1))[()]


def gaussian_maximum(n: float, mean: float = 0.0, sd: float = 1.0) -> tuple[float, float]:
    """Expectation and standard deviation of the largest of n independent normal scores.

    It grows as sd sqrt(2 log n), without a ceiling: for scores that have one, near it, use `best_of_n`.

    Args:
        n: how many, from 1 to 1e12.
        mean, sd: of one score.

    Raises:
        ConfigError: n or sd is outside its limits.
    """
    n = option("gaussian_maximum", "n", n, 1.0, 1e12)
    sd = option("gaussian_maximum", "sd", sd, 0.0, np.inf)
    mean = option("gaussian_maximum", "mean", mean, -np.finfo(np.float64).max, np.finfo(np.float64).max)
    x = np.linspace(-WIDEST, WIDEST, NODES)
    # equal weights: the density vanishes at both ends, so the trapezium rule converges exponentially
    weight = np.exp(np.log(n) - 0.5 * x**2 + (n - 1.0) * log_ndtr(x))
    weight /= weight.sum()
    first = float(np.sum(weight * x))
    return mean + sd * first, sd * float(np.sqrt(np.sum(weight * (x - first) ** 2)))


def _log_missed(n: np.ndarray, c: np.ndarray, k: np.ndarray) -> np.ndarray:
    """log C(n - c, k) / C(n, k), (cases,); -inf where k samples cannot all be wrong."""
    fewer, more = np.minimum(c, k).astype(np.int64), np.maximum(c, k)
    sure = n - c < k
    fewer = np.where(sure, 0, fewer)
    out = np.where(sure, -np.inf, 0.0)
    first = 0
    while first < len(n):
        ends = np.cumsum(fewer[first:])
        last = first + max(1, int(np.searchsorted(ends, AT_ONCE, side="right")))
        lengths = fewer[first:last]
        owner = np.repeat(np.arange(first, last), lengths)
        step = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        factors = np.log1p(-more[owner] / (n[owner] - step))
        out[first:last] += np.bincount(owner - first, weights=factors, minlength=last - first)
        first = last
    return out
