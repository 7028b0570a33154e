"""Did the sampler converge, and can the importance weights be trusted? For thousands of posteriors at once.

Every function takes any number of leading axes and gives, for each posterior on them, what ArviZ gives for that
posterior alone. ArviZ loops over posteriors in Python, which costs more than fitting them does; here the loop is
over blocks of posteriors.

The effective sample size is cut off where a sum of autocorrelations changes sign. With ties that sum can be zero
but for rounding, so the order of the arithmetic up to there is the same for one posterior and for many.

Sources: Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021 (R-hat and effective sample sizes, arXiv:1903.08008);
Geyer 1992 (the monotone sequence); Betancourt 2016 (energy, arXiv:1604.00695); Vehtari, Simpson, Gelman, Yao and
Gabry 2024 (importance sampling, arXiv:1507.02646); Zhang and Stephens 2009 (the Pareto fit); Vehtari, Gelman and
Gabry 2017 (leave-one-out, arXiv:1507.04544).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.fft import next_fast_len
from scipy.special import ndtri

LEAST_DRAWS = 4  # a half chain needs two draws to have a variance
LEAST_TAIL = 5  # fewer weights do not tell a Pareto shape
BLOCK = 2**15  # numbers worked on at once: few enough to stay in the processor's cache


def rhat(x: ArrayLike) -> np.ndarray:
    """Rank-normalised split R-hat: the larger of the bulk one and the folded one (Vehtari et al. 2021).

    Args:
        x: draws, (..., chain, draw).

    Returns:
        (...). NaN for fewer than two chains or four draws, for any NaN, and where all draws are equal.
    """
    return _per_posterior(_rhat, x, least_chains=2)


def ess_bulk(x: ArrayLike) -> np.ndarray:
    """Effective sample size of the rank-normalised split chains (Vehtari et al. 2021).

    Args:
        x: draws, (..., chain, draw).

    Returns:
        (...). NaN for fewer than four draws or any NaN; the number of draws where all are equal.
    """
    return _per_posterior(lambda rows: _ess(_normal_scores(_split(rows))), x)


def ess_tail(x: ArrayLike) -> np.ndarray:
    """The smaller effective sample size of the 5 % and the 95 % quantile (Vehtari et al. 2021).

    (..., chain, draw) -> (...), with NaN as in `ess_bulk`. ArviZ gives this for `prob=(0.05, 0.95)`; left to itself
    it takes the quantiles from its `stats.ci_prob`, which are 11 % and 89 %.
    """
    return _per_posterior(_ess_tail, x)


def mcse_mean(x: ArrayLike) -> np.ndarray:
    """Monte Carlo standard error of the mean: standard deviation / sqrt(effective sample size of the mean).

    (..., chain, draw) -> (...), with NaN as in `ess_bulk`.
    """
    return _per_posterior(lambda rows: _flat(rows).std(axis=-1, ddof=1) / np.sqrt(_ess(_split(rows))), x)


def ebfmi(energy: ArrayLike) -> np.ndarray:
    """Estimated Bayesian fraction of missing information of each chain (Betancourt 2016); below 0.3 is a warning.

    Args:
        energy: Hamiltonian at each draw, (..., chain, draw).

    Returns:
        (..., chain). NaN for a single draw or any NaN; NaN or zero for a constant energy.
    """
    energy = _contiguous(energy)
    if energy.shape[-1] < 2:
        return np.full(energy.shape[:-1], np.nan)
    with np.errstate(all="ignore"):
        return np.square(np.diff(energy, axis=-1)).mean(axis=-1) / energy.var(axis=-1, ddof=1)


def psis(log_weights: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Pareto-smoothed importance sampling (Vehtari et al. 2024).

    The largest weights are replaced by the quantiles of a generalised Pareto distribution fitted to them.

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

    Args:
        log_weights: log weights, up to a constant, (..., S).

    Returns:
        (...), between 1 and S.
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

    Args:
        log_likelihood: log density of each point at each draw, (..., chain, draw, n). The draws are taken to be
            independent (a relative efficiency of one), which only sets how long a tail is smoothed.

    Returns:
        The totals and the pointwise values.
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


def _per_posterior(statistic: Callable[[np.ndarray], np.ndarray], x: ArrayLike, least_chains: int = 1) -> np.ndarray:
    """Apply (row, chain, draw) -> (row,) to (..., chain, draw); NaN where there is too little, or a NaN."""
    x = _contiguous(x)
    *lead, n_chain, n_draw = x.shape
    out = np.full(math.prod(lead), np.nan)
    if n_chain >= least_chains and n_draw >= LEAST_DRAWS:
        rows = x.reshape(len(out), n_chain, n_draw)
        with np.errstate(all="ignore"):
            for block in _blocks(rows):
                bad = np.isnan(rows[block]).any(axis=(-2, -1))
                out[block] = np.where(bad, np.nan, statistic(rows[block]))
    return out.reshape(lead)[()]


def _log_sum_exp(x: np.ndarray) -> np.ndarray:
    """Of the last axis, which is kept with length one."""
    most = x.max(axis=-1, keepdims=True)
    most = np.where(np.isfinite(most), most, 0.0)
    return most + np.log(np.exp(x - most).sum(axis=-1, keepdims=True))


def _flat(rows: np.ndarray) -> np.ndarray:
    """(row, chain, draw) -> (row, chain * draw)."""
    return rows.reshape(len(rows), rows.shape[1] * rows.shape[2])


def _split(rows: np.ndarray) -> np.ndarray:
    """Each chain as two, (row, 2 * chain, draw // 2); the middle one of an odd number of draws is left out."""
    half = rows.shape[-1] // 2
    return np.concatenate((rows[..., :half], rows[..., -half:]), axis=-2)


def _normal_scores(rows: np.ndarray) -> np.ndarray:
    """Normal quantiles of the ranks within each row, ties at their mean rank (Blom 1958). Shape is kept."""
    flat = _flat(rows)
    size = flat.shape[-1]
    order = flat.argsort(axis=-1)
    ordered = np.take_along_axis(flat, order, axis=-1)
    changes = ordered[:, 1:] != ordered[:, :-1]
    first = np.zeros(flat.shape, dtype=int)  # of the run of ties that a position is in
    last = np.full(flat.shape, size - 1)
    first[:, 1:] = np.maximum.accumulate(np.where(changes, np.arange(1, size), 0), axis=-1)
    last[:, -2::-1] = np.minimum.accumulate(np.where(changes, np.arange(size - 1), size - 1)[:, ::-1], axis=-1)
    # A mean rank is half of a whole number, first + last + 2: few enough to look their quantiles up.
    quantiles = ndtri((np.arange(2, 2 * size + 1) / 2 - 3 / 8) / (size + 1 / 4))
    scores = np.empty_like(flat)
    np.put_along_axis(scores, order, quantiles[first + last], axis=-1)
    return scores.reshape(rows.shape)


def _rhat(rows: np.ndarray) -> np.ndarray:
    halves = _split(rows)
    folded = np.abs(halves - np.median(_flat(halves), axis=-1)[:, None, None])
    bulk = _potential_scale_reduction(_normal_scores(halves))
    tail = _potential_scale_reduction(_normal_scores(folded))
    tail[np.isnan(folded).any(axis=(-2, -1))] = np.nan  # the median was infinite, so there are no ranks
    # Not np.maximum: draws of two values only fold to a constant, which has no R-hat, but the bulk has.
    return np.where(tail > bulk, tail, bulk)


def _potential_scale_reduction(rows: np.ndarray) -> np.ndarray:
    n = rows.shape[-1]
    between = n * rows.mean(axis=-1).var(axis=-1, ddof=1)
    within = rows.var(axis=-1, ddof=1).mean(axis=-1)
    return np.sqrt((between / within + n - 1) / n)


def _ess_tail(rows: np.ndarray) -> np.ndarray:
    low, high = (
        _ess(_split(rows <= quantile[:, None, None]).astype(float))
        for quantile in np.quantile(_flat(rows), (0.05, 0.95), axis=-1)
    )
    return np.where(high < low, high, low)


def _ess(rows: np.ndarray) -> np.ndarray:
    """Effective sample size by Geyer's initial monotone sequence, (row, chain, draw) -> (row,)."""
    _, n_chain, n = rows.shape
    size = n_chain * n
    centred = rows - rows.mean(axis=-1, keepdims=True)
    padded = next_fast_len(2 * n, real=True)  # so that the transform does not wrap around
    spectrum = np.fft.rfft(centred, n=padded, axis=-1)
    spectrum *= spectrum.conj()
    autocovariance = np.fft.irfft(spectrum, n=padded, axis=-1)[..., :n] / n
    # Chains last and contiguous: NumPy then sums them in the same order whatever the number of rows.
    autocovariance = np.ascontiguousarray(autocovariance.swapaxes(-1, -2)).mean(axis=-1)
    within = autocovariance[:, :1] * n / (n - 1.0)
    total = within * (n - 1.0) / n + rows.mean(axis=-1).var(axis=-1, ddof=1)[:, None]
    rho = 1.0 - (within - autocovariance) / total
    rho[:, 0] = 1.0

    # In theory the sums of neighbouring pairs are positive and fall: keep them up to the first that is not
    # positive, and let none be above the one before. The last pair that there are lags for ends the sum in any case.
    pairs = rho[:, 0 : n - 1 : 2] + rho[:, 1::2]
    most = max(0, (n - 3) // 2)
    kept = np.logical_and.accumulate(pairs[:, :most] > 0, axis=-1)
    falling = np.minimum.accumulate(pairs[:, :most], axis=-1)
    end = kept.sum(axis=-1, keepdims=True)
    # Of the pair that ends the sum, the even lag still counts (it makes the estimate less biased).
    even = np.take_along_axis(rho, 2 * end, axis=-1)[:, 0]
    even = np.where((even > 0) | (np.take_along_axis(pairs, end, axis=-1)[:, 0] >= 0), even, 0.0)
    tau = 2.0 * np.where(kept, falling, 0.0).sum(axis=-1) - 1.0 + even
    ess = size / np.maximum(tau, 1 / np.log10(size))  # antithetic draws may beat independent ones, within reason
    ess[np.isnan(rho[:, 1])] = np.nan
    # An absolute bound, as ArviZ has it. Scores and indicators are of order one, so only `mcse_mean` can meet it
    # with draws that do vary, by less than 1e-15 in all.
    constant = np.ptp(rows, axis=(-2, -1)) < np.finfo(float).resolution
    return np.where(constant, float(size), ess)


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
