"""Simulation-based calibration: ranks of truths among posterior draws, and an exact test that they are uniform.

Draw a truth from the prior, data from the model, posterior draws from the engine: then the truth's rank among
independent draws is uniform on 0..draws, for the value of any function of parameters and data (Talts et al. 2018,
arXiv 1804.06788; Modrak et al. 2023, arXiv 2211.02383, on functions of the data such as the log-likelihood). That
holds too among those fits that a gate let pass, which sees data and draws and never the truth.

The test is the envelope of Säilynoja, Bürkner & Vehtari 2022 (arXiv 2103.10522): the ranks' empirical distribution
function within bands that hold everywhere at once. Its p-value is exact, with no simulation.

    r = ranks(truth, draws, np.random.default_rng(0))     # (simulations,)
    p_value(r, draws.shape[1])
    low, high = envelope(len(r), draws.shape[1], level=0.99)
"""

from __future__ import annotations

import numpy as np
from scipy.stats import binom, poisson

SAME = 1e-9  # relative: two tail probabilities this near are one


def ranks(truth: np.ndarray, draws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How many draws lie below the truth, ties broken by chance.

    Resampled draws of importance sampling repeat, and a forecast may saturate: a tie takes any of its places.

    Args:
        truth: (simulations,), finite or not.
        draws: (simulations, draws) nearly independent ones: thin chains to a lag beyond their autocorrelation.
        rng: breaks the ties.

    Returns:
        (simulations,) integers, 0 to draws.

    Raises:
        ValueError: shapes that do not belong together, or a NaN, which has no rank.
    """
    truth, draws = np.asarray(truth, float), np.asarray(draws, float)
    if draws.ndim != 2 or truth.shape != draws.shape[:1]:
        raise ValueError(f"truth {truth.shape} and draws {draws.shape} are not (simulations,), (simulations, draws)")
    if np.isnan(truth).any() or np.isnan(draws).any():
        raise ValueError("a NaN has no rank")
    below = np.sum(draws < truth[:, None], axis=1)
    return below + rng.integers(0, np.sum(draws == truth[:, None], axis=1), endpoint=True)


def p_value(found: np.ndarray, draws: int) -> float:
    """Probability that ranks of a calibrated engine leave the envelope as far as these do.

    Args:
        found: (simulations,) ranks, 0 to draws.
        draws: against which each truth was ranked.

    Returns:
        The p-value of the envelope that touches the ranks' distribution function where it is most extreme. Exact to
        about 1e-12, below which it is said to be zero; NaN without ranks.

    Raises:
        ValueError: a rank outside 0..draws.
    """
    found = np.asarray(found)
    if not len(found):
        return float("nan")
    if found.min() < 0 or found.max() > draws:
        raise ValueError(f"ranks from {found.min()} to {found.max()} among {draws} draws")
    count, below = len(found), ecdf(found, draws)
    share = _shares(draws)
    tails = np.minimum(binom.cdf(below, count, share), binom.sf(below - 1, count, share))
    return float(np.clip(1.0 - _stays(count, draws, *_limits(count, draws, tails.min())), 0.0, 1.0))


def envelope(simulations: int, draws: int, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Simultaneous limits of how many ranks are at most 0, 1, ..., draws - 1.

    Args:
        simulations: number of ranks.
        draws: against which each truth was ranked.
        level: least probability that ranks of a calibrated engine stay inside everywhere.

    Returns:
        Least and greatest counts that are inside, (draws,) each; divided by `simulations` they bound the distribution
        function at (1..draws) / (draws + 1).
    """
    low, high = np.log(1e-16), np.log(0.5)
    for _ in range(40):  # of the pointwise tail: the widest one whose envelope is left too often, from above
        middle = 0.5 * (low + high)
        if _stays(simulations, draws, *_limits(simulations, draws, np.exp(middle))) >= level:
            low = middle
        else:
            high = middle
    return _limits(simulations, draws, np.exp(low))


def ecdf(found: np.ndarray, draws: int) -> np.ndarray:
    """How many ranks are at most 0, 1, ..., draws - 1; (draws,)."""
    return np.cumsum(np.bincount(found, minlength=draws + 1))[:-1]


def _shares(draws: int) -> np.ndarray:
    return np.arange(1, draws + 1) / (draws + 1)


def _limits(count: int, draws: int, tail: float) -> tuple[np.ndarray, np.ndarray]:
    """Of the counts whose smaller pointwise tail exceeds `tail`, the least and the greatest at each rank."""
    share, tail = _shares(draws), tail * (1.0 + SAME)
    low = binom.ppf(tail, count, share).astype(int)
    low += binom.cdf(low, count, share) <= tail
    high = binom.isf(tail, count, share).astype(int) + 1
    high -= binom.sf(high - 1, count, share) <= tail
    return low, high


def _stays(count: int, draws: int, low: np.ndarray, high: np.ndarray) -> float:
    """Probability that the counts of uniform ranks stay within limits everywhere.

    Counts of a rank are independent Poisson numbers given that they add up to `count`, so that the distribution of
    the sum so far, cut to the limits, is convolved with one and the same kernel from rank to rank.
    """
    rate = count / (draws + 1)
    kernel = poisson.pmf(np.arange(int(rate + 40.0 * np.sqrt(rate) + 60.0)), rate)
    inside, first = np.ones(1), 0
    for least, greatest in zip(np.append(low, count), np.append(high, count), strict=True):
        if least > greatest:
            return 0.0
        reached = np.convolve(inside, kernel)
        inside = np.zeros(greatest - least + 1)
        begin, end = max(least, first), min(greatest, first + len(reached) - 1)
        if begin > end:
            return 0.0
        inside[begin - least : end - least + 1] = reached[begin - first : end - first + 1]
        first = least
    return float(inside[0] / poisson.pmf(count, count))
