"""Did the sampler converge, and can the importance weights be trusted? For thousands of posteriors at once.

Every function takes any number of leading axes and gives, for each posterior on them, what ArviZ gives for that
posterior alone. ArviZ loops over posteriors in Python, which costs more than fitting them does; here the loop is
over blocks of posteriors.

The effective sample size is cut off where a sum of autocorrelations changes sign. With ties that sum can be zero
but for rounding. It is then taken as ArviZ takes it, and in the same order for one posterior and for many.

Sources: Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021 (R-hat and effective sample sizes, arXiv:1903.08008);
Geyer 1992 (the monotone sequence); Betancourt 2016 (energy, arXiv:1604.00695); Vehtari, Simpson, Gelman, Yao and
Gabry 2024 (importance sampling, arXiv:1507.02646); Zhang and Stephens 2009 (the Pareto fit); Vehtari, Gelman and
Gabry 2017 (leave-one-out, arXiv:1507.04544).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.fft import next_fast_len
from scipy.special import ndtri

LEAST_DRAWS = 4  # a half chain needs two draws to have a variance
LEAST_TAIL = 5  # fewer weights do not tell a Pareto shape
BLOCK = 2**16  # numbers worked on at once: few enough to stay in the processor's cache
LAGS = (8, 48)  # lags summed directly, first few, then more; past them the Fourier transform costs less; even
ROUNDING = 1e-10  # no two ways to sum a pair of autocorrelations differ by as much


class Convergence(NamedTuple):
    """Do the chains of each posterior agree, and how many independent draws are they worth?

    Attributes:
        r_hat: rank-normalised split R-hat, the larger of the bulk one and the folded one, (...).
        ess_bulk: effective sample size of the rank-normalised split chains, (...).
        ess_tail: the smaller one of the 5 % and the 95 % quantile, not the default of ArviZ, 11 % and 89 %, (...).
    """

    r_hat: np.ndarray
    ess_bulk: np.ndarray
    ess_tail: np.ndarray


def convergence(x: ArrayLike) -> Convergence:
    """R-hat and effective sample sizes (Vehtari et al. 2021), which share most of their work.

    (..., chain, draw) -> (...) each. NaN for fewer than four draws or any NaN. Where all draws are equal R-hat is NaN,
    as it is for a single chain, and the effective sample sizes are the number of draws.
    """
    return Convergence(*_per_posterior(_convergence, x, 3))


def rhat(x: ArrayLike) -> np.ndarray:
    """R-hat as in `convergence`, (..., chain, draw) -> (...)."""
    return convergence(x).r_hat


def ess_bulk(x: ArrayLike) -> np.ndarray:
    """Effective sample size of the bulk as in `convergence`, (..., chain, draw) -> (...)."""
    return convergence(x).ess_bulk


def ess_tail(x: ArrayLike) -> np.ndarray:
    """Effective sample size of the tails as in `convergence`, (..., chain, draw) -> (...)."""
    return convergence(x).ess_tail


def mcse_mean(x: ArrayLike) -> np.ndarray:
    """Monte Carlo standard error of the mean: standard deviation / sqrt(effective sample size of the mean).

    (..., chain, draw) -> (...), with NaN as in `convergence`.
    """

    def statistic(rows: np.ndarray) -> np.ndarray:
        return rows.reshape(len(rows), -1).std(axis=-1, ddof=1) / np.sqrt(_ess(_split(rows)))

    return _per_posterior(statistic, x, 1)[0]


def ebfmi(energy: ArrayLike) -> np.ndarray:
    """Estimated Bayesian fraction of missing information of each chain (Betancourt 2016); below 0.3 is a warning.

    Of the Hamiltonian at each draw, (..., chain, draw) -> (..., chain). NaN for a single draw or any NaN; NaN or zero
    for a constant energy.
    """
    energy = _contiguous(energy)
    if energy.shape[-1] < 2:
        return np.full(energy.shape[:-1], np.nan)
    with np.errstate(all="ignore"):
        return np.square(np.diff(energy, axis=-1)).mean(axis=-1) / energy.var(axis=-1, ddof=1)


def psis(log_weights: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Pareto-smoothed importance sampling: the largest weights become quantiles of the Pareto fitted to them.

    Args:
        log_weights: log importance ratios, up to a constant, (..., S). They are taken to be independent.

    Returns:
        Smoothed log weights that sum to one, (..., S), and the Pareto shape k, (...). Where no shape can be fitted
        (fewer than 25 weights, or a tail of equal ones) the weights stay as they are and k is NaN; k is infinite,
        and the weights NaN, where a weight is NaN. Above k = 0.7 the weights cannot be relied on.
    """
    ratios = _contiguous(log_weights)
    rows = ratios.reshape(math.prod(ratios.shape[:-1]), ratios.shape[-1])
    smooth, k = np.empty_like(rows), np.empty(len(rows))
    with np.errstate(all="ignore"):
        for block in _blocks(rows):
            smooth[block], k[block] = _smooth(rows[block])
    return smooth.reshape(ratios.shape), k.reshape(ratios.shape[:-1])[()]


def importance_ess(log_weights: ArrayLike) -> np.ndarray:
    """Effective sample size of importance weights: 1 / sum(w^2), the weights scaled to sum to one.

    Of log weights, up to a constant, (..., S) -> (...), between 1 and S.
    """
    log_weights = _contiguous(log_weights)
    with np.errstate(all="ignore"):
        return np.exp(2 * _log_sum_exp(log_weights) - _log_sum_exp(2 * log_weights))[..., 0]


class Loo(NamedTuple):
    """Leave-one-out predictive density of each posterior.

    Attributes:
        elpd: expected log predictive density, summed over points, (...).
        se: its standard error, (...).
        p_loo: effective number of parameters, (...).
        elpd_i: expected log predictive density of each point, (..., n).
        pareto_k: Pareto shape of each point, (..., n); see `psis`.
    """

    elpd: np.ndarray
    se: np.ndarray
    p_loo: np.ndarray
    elpd_i: np.ndarray
    pareto_k: np.ndarray


def psis_loo(log_likelihood: ArrayLike) -> Loo:
    """Leave-one-out cross-validation by Pareto-smoothed importance sampling (Vehtari et al. 2017).

    Of the log density of each point at each draw, (..., chain, draw, n). The draws are taken to be independent (a
    relative efficiency of one), which only sets how long a tail is smoothed.
    """
    by_point = _contiguous(np.moveaxis(np.asarray(log_likelihood), -1, -3))
    *lead, n, n_chain, n_draw = by_point.shape
    points = by_point.reshape(*lead, n, n_chain * n_draw)
    log_weights, pareto_k = psis(-points)
    with np.errstate(all="ignore"):
        elpd_i = _log_sum_exp(log_weights + points)[..., 0]
        lppd_i = _log_sum_exp(points)[..., 0] - math.log(n_chain * n_draw)
        se = np.sqrt(n * elpd_i.var(axis=-1, ddof=1)) if n > 1 else np.zeros(lead)[()]
        return Loo(elpd_i.sum(axis=-1), se, (lppd_i - elpd_i).sum(axis=-1), elpd_i, pareto_k)


def _contiguous(x: ArrayLike) -> np.ndarray:
    """In double precision and laid out in one way, as the order in which NumPy adds follows the layout."""
    return np.ascontiguousarray(x, dtype=float)


def _blocks(rows: np.ndarray) -> Iterator[slice]:
    """Slices of the first axis that hold about BLOCK numbers each."""
    step = max(1, BLOCK // max(1, math.prod(rows.shape[1:])))
    return (slice(i, i + step) for i in range(0, len(rows), step))


def _per_posterior(statistics: Callable[[np.ndarray], ArrayLike], x: ArrayLike, count: int) -> np.ndarray:
    """Apply (row, chain, draw) -> (count, row) to (..., chain, draw); NaN where there is too little, or a NaN."""
    x = _contiguous(x)
    *lead, n_chain, n_draw = x.shape
    out = np.full((count, math.prod(lead)), np.nan)
    if n_chain and n_draw >= LEAST_DRAWS:
        rows = x.reshape(-1, n_chain, n_draw)
        with np.errstate(all="ignore"):
            for block in _blocks(rows):
                out[:, block] = np.where(np.isnan(rows[block]).any(axis=(-2, -1)), np.nan, statistics(rows[block]))
    return out.reshape(count, *lead)


def _log_sum_exp(x: np.ndarray) -> np.ndarray:
    """Of the last axis, which is kept with length one."""
    most = x.max(axis=-1, keepdims=True)
    most = np.where(np.isfinite(most), most, 0.0)
    return most + np.log(np.exp(x - most).sum(axis=-1, keepdims=True))


def _split(rows: np.ndarray) -> np.ndarray:
    """Each chain as two, (row, 2 * chain, draw // 2); the middle one of an odd number of draws is left out."""
    half = rows.shape[-1] // 2
    return np.concatenate((rows[..., :half], rows[..., -half:]), axis=-2)


def _convergence(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R-hat, bulk and tail effective sample size, (row, chain, draw) -> (row,) each."""
    halves = _split(rows)
    draws = halves.reshape(len(rows), -1)
    series = np.empty((4, *draws.shape))  # folded scores, scores, and which draws are up to either quantile
    series[1], order, ordered = _normal_scores(draws)
    # The quantiles are of all draws, also of those that splitting leaves out, and to the last bit those of NumPy.
    every = np.sort(rows.reshape(len(rows), -1), axis=-1) if rows.shape[-1] % 2 else ordered
    for below, probability in zip(series[2:], (0.05, 0.95), strict=True):
        place, part = divmod(probability * (every.shape[-1] - 1), 1)
        neighbours = every[:, int(place) : int(place) + 2]
        np.less_equal(draws, np.quantile(neighbours, part, axis=-1, keepdims=True), out=below)
    # Distances from the median fall over the lower half and rise over the upper: two runs, which a merge sorts.
    middle = draws.shape[-1] // 2
    median = ordered[:, middle - 1 : middle + 1].mean(axis=-1, keepdims=True)
    for a in (order, ordered):
        a[:, :middle] = a[:, middle - 1 :: -1]
    series[0].reshape(-1)[order] = _normal_scores(np.abs(ordered - median), stable=True)[0]
    series = series.reshape(4, *halves.shape)
    n = halves.shape[-1]
    between = n * series[:2].mean(axis=-1).var(axis=-1, ddof=1)
    within = series[:2].var(axis=-1, ddof=1).mean(axis=-1)
    tail, bulk = np.sqrt((between / within + n - 1) / n)
    tail[~np.isfinite(median[:, 0])] = np.nan  # there are no ranks then
    # Not np.maximum: draws of two values only fold to a constant, which has no R-hat, but the bulk has.
    r_hat = np.where(tail > bulk, tail, bulk) if rows.shape[1] > 1 else np.full(len(rows), np.nan)
    ess, low, high = _ess(series[1:].reshape(-1, *halves.shape[1:])).reshape(3, -1)
    return r_hat, ess, np.where(high < low, high, low)


@lru_cache(maxsize=16)
def _normal_quantiles(size: int) -> np.ndarray:
    """Of the ranks 1, 1.5, ... size (Blom 1958): a mean rank is half of a whole number."""
    return ndtri((np.arange(2, 2 * size + 1) / 2 - 3 / 8) / (size + 1 / 4))


def _normal_scores(rows: np.ndarray, stable: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal quantiles of the ranks in each row, ties at their mean rank; the order; the rows in that order."""
    order = rows.argsort(axis=-1, stable=stable)
    order += np.arange(len(rows))[:, None] * rows.shape[-1]  # faster to look up than places along an axis
    ordered = rows.ravel()[order]
    quantiles = _normal_quantiles(rows.shape[-1])
    scores = np.empty(rows.size)
    scores[order] = quantiles[::2]
    tied = np.zeros(rows.shape, dtype=bool)  # with the one before
    np.equal(ordered[:, 1:], ordered[:, :-1], out=tied[:, 1:])
    tied = np.flatnonzero(tied)
    start = np.flatnonzero(np.diff(tied, prepend=-1) > 1)
    length = np.diff(start, append=len(tied))
    first = tied[start] - 1
    shared = quantiles[2 * (first % rows.shape[-1]) + length]
    scores[order.ravel()[first]] = shared
    scores[order.ravel()[tied]] = np.repeat(shared, length)
    return scores.reshape(rows.shape), order, ordered


def _ess(rows: np.ndarray) -> np.ndarray:
    """Effective sample size, (row, chain, draw) -> (row,). How a row is done does not depend on the others."""
    n_row, n_chain, n = rows.shape
    mean = rows.mean(axis=-1)
    between = mean.var(axis=-1, ddof=1)
    centred = np.zeros((n_row, n_chain, n + max(LAGS)))  # zeros for the lags to run into
    np.subtract(rows, mean[..., None], out=centred[..., :n])
    ess, todo = np.empty(n_row), np.arange(n_row)
    for lags in LAGS:
        if not len(todo):
            break
        ahead = sliding_window_view(centred, n, axis=-1)[..., :lags, :]
        ess[todo], settled = _geyer(np.vecdot(ahead, centred[..., None, :n]) / n, between, n)
        todo, between, centred = todo[~settled], between[~settled], centred[~settled]
    if len(todo):
        padded = next_fast_len(2 * n, real=True)  # so that the transform does not wrap around
        spectrum = np.fft.rfft(centred[..., :n], n=padded, axis=-1)
        spectrum *= spectrum.conj()  # in place: else NumPy swaps the factors, and so the rounding, in large arrays
        ess[todo], _ = _geyer(np.fft.irfft(spectrum, n=padded, axis=-1) / n, between, n)
    # An absolute bound, as ArviZ has it. Scores and indicators are of order one, so only `mcse_mean` can meet it
    # with draws that do vary, by less than 1e-15 in all.
    return np.where(np.ptp(rows, axis=(-2, -1)) < np.finfo(float).resolution, float(n_chain * n), ess)


def _geyer(autocovariance: np.ndarray, between: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Effective sample size, (row, chain, lag) -> (row,), and whether neither more lags nor rounding change it."""
    size = autocovariance.shape[1] * n
    last = 2 * max(0, (n - 3) // 2) + 2  # ArviZ looks no further
    # Chains last and contiguous: NumPy then sums them in the same order whatever the number of rows.
    autocovariance = np.ascontiguousarray(autocovariance[..., :last].swapaxes(-1, -2)).mean(axis=-1)
    within = autocovariance[:, :1] * n / (n - 1.0)
    total = within * (n - 1.0) / n + between[:, None]
    rho = 1.0 - (within - autocovariance) / total
    rho[:, 0] = 1.0

    # Geyer's initial monotone sequence. In theory the sums of neighbouring pairs are positive and fall: keep them up to
    # the first that is not positive, and let none be above the one before. The last that there is ends it in any case.
    pairs = rho[:, ::2] + rho[:, 1::2]
    kept = np.logical_and.accumulate(pairs[:, :-1] > 0, axis=-1)
    falling = np.minimum.accumulate(pairs[:, :-1], axis=-1)
    end = kept.sum(axis=-1, keepdims=True)
    final = np.take_along_axis(pairs, end, axis=-1)[:, 0]
    # Of the pair that ends the sum, the even lag still counts (it makes the estimate less biased).
    even = np.take_along_axis(rho, 2 * end, axis=-1)[:, 0]
    even = np.where((even > 0) | (final >= 0), even, 0.0)
    tau = 2.0 * np.where(kept, falling, 0.0).sum(axis=-1) - 1.0 + even
    ess = size / np.maximum(tau, 1 / np.log10(size))  # antithetic draws may beat independent ones, within reason
    ess[np.isnan(rho[:, 1])] = np.nan
    close = ((np.abs(pairs) < ROUNDING) & (np.arange(pairs.shape[-1]) <= end)).any(axis=-1)
    return ess, ~close & (~(final > 0) | (rho.shape[-1] == last))


def _smooth(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed, normalised log weights and Pareto shapes, (row, S) -> (row, S), (row,)."""
    size = rows.shape[-1]
    rows = rows - rows.max(axis=-1, keepdims=True)
    n_tail = int(3 * size**0.5) if size > 225 else size // 5
    k = np.full(len(rows), np.nan)
    if n_tail >= LEAST_TAIL:
        order = rows.argsort(axis=-1)[:, -n_tail - 1 :]
        top = np.take_along_axis(rows, order, axis=-1)
        weights, cutoff = np.exp(top[:, 1:]), np.exp(top[:, :1])
        k, sigma = _fit_pareto(weights - cutoff)
        log_survival = np.log1p(-(np.arange(n_tail) + 0.5) / n_tail)
        shape = k[:, None]
        excess = np.where(shape == 0, -log_survival, np.expm1(-shape * log_survival) / shape)
        smooth = np.log(cutoff + sigma[:, None] * excess)
        smooth[smooth > 0] = 0.0  # no weight may grow past the largest, which is one
        np.put_along_axis(rows, order[:, 1:], np.where(np.isfinite(shape), smooth, top[:, 1:]), axis=-1)
    return rows - _log_sum_exp(rows), k


def _fit_pareto(excess: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shape and scale of generalised Pareto distributions, (row, n), ascending -> (row,), (row,).

    The posterior mean of Zhang and Stephens (2009) over a grid of b = -shape / scale, then the shape drawn to 0.5
    by a prior worth ten draws.
    """
    n = excess.shape[-1]
    n_grid = 30 + int(n**0.5)
    quartile = excess[:, int(n / 4 + 0.5) - 1, None]
    b = 1 - np.sqrt(n_grid / (np.arange(1, n_grid + 1) - 0.5))
    b = b / (3 * quartile) + 1 / excess[:, -1:]
    shape = np.log1p(-b[..., None] * excess[:, None]).mean(axis=-1)
    log_profile = n * (np.log(-b / shape) - shape - 1)
    weight = np.exp(log_profile - _log_sum_exp(log_profile))
    weight = np.where(weight >= 10 * np.finfo(float).eps, weight, 0.0)
    b = np.where(weight > 0, b * weight, 0.0).sum(axis=-1) / np.maximum(weight.sum(axis=-1), np.finfo(float).tiny)
    shape = np.log1p(-b[:, None] * excess).mean(axis=-1)
    sigma = -shape / b
    k = (n * shape + 10 * 0.5) / (n + 10)
    k = np.where(np.isnan(k), np.inf, k)
    # A first quartile at the minimum is far from a Pareto distribution: no fit.
    return np.where(quartile[:, 0] <= excess[:, 0], np.nan, k), sigma
