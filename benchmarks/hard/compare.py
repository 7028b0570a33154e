"""Means and spreads of posteriors with their Monte Carlo errors, and how far two answers are apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxscale import diagnose

LOGS = ("A", "B", "sigma", "nu")
NAMES = ("E", "log A", "alpha", "log B", "beta", "log sigma", "log nu")  # in the model's order


@dataclass(frozen=True)
class Estimate:
    """Of each parameter (params,): mean, sd, their standard errors."""

    mean: np.ndarray
    sd: np.ndarray
    mean_error: np.ndarray
    sd_error: np.ndarray


def transformed(params: Sequence[str], values: np.ndarray) -> np.ndarray:
    """Amounts and scales in logs, where their posteriors are near normal; values (..., params)."""
    logs = np.array([p in LOGS for p in params])
    return np.where(logs, np.log(np.where(logs, values, 1.0)), values)


def estimate_of_chains(draws: np.ndarray) -> Estimate:
    """Of draws (params, chains, draws) that follow each other in chains."""
    mean = draws.mean(axis=(1, 2))
    away = draws - mean[:, None, None]
    sd = draws.std(axis=(1, 2), ddof=1)
    return Estimate(mean, sd, diagnose.mcse_mean(draws), diagnose.mcse_mean(away**2) / (2 * sd))


def estimate_of_weights(draws: np.ndarray, effective: float) -> Estimate:
    """Of draws (params, draws) resampled from weighted ones: the weights' effective size and the resampling's."""
    mean, sd = draws.mean(axis=1), draws.std(axis=1, ddof=1)
    share = np.sqrt(1.0 / effective + 1.0 / draws.shape[1])
    kurtosis = np.mean(((draws - mean[:, None]) / sd[:, None]) ** 4, axis=1)
    return Estimate(mean, sd, sd * share, sd * share * np.sqrt(kurtosis - 1.0) / 2)


def estimate_of_weighted(draws: np.ndarray, weight: np.ndarray) -> Estimate:
    """Of draws (draws, params) with weights (draws,) that sum to one; each error by the weights of what it is of."""
    draws = np.where(weight[:, None] > 0, draws, 0.0)  # what is impossible may have no finite value
    mean = weight @ draws
    away = draws - mean
    variance = weight @ away**2
    of_mean = np.sqrt(weight**2 @ away**2)
    of_variance = np.sqrt(weight**2 @ (away**2 - variance) ** 2)
    return Estimate(mean, np.sqrt(variance), of_mean, of_variance / (2 * np.sqrt(variance)))


@dataclass(frozen=True)
class Difference:
    """Ours minus the reference, of each parameter (params,), in units of the reference's sd.

    Attributes:
        shift: of the means.
        shift_error: its standard error, of both sides.
        ratio: of the sds, ours over the reference's.
        ratio_error: its standard error.
    """

    shift: np.ndarray
    shift_error: np.ndarray
    ratio: np.ndarray
    ratio_error: np.ndarray

    @property
    def z(self) -> np.ndarray:
        """Shift over its error."""
        return self.shift / self.shift_error

    @property
    def ratio_z(self) -> np.ndarray:
        """Ratio less one over its error."""
        return (self.ratio - 1.0) / self.ratio_error


def difference(ours: Estimate, reference: Estimate) -> Difference:
    """How far ours is from the reference, and how far noise would bring it."""
    ratio = ours.sd / reference.sd
    return Difference(
        (ours.mean - reference.mean) / reference.sd,
        np.hypot(ours.mean_error, reference.mean_error) / reference.sd,
        ratio,
        ratio * np.hypot(ours.sd_error / ours.sd, reference.sd_error / reference.sd),
    )


def rms(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Root of the mean square."""
    return np.sqrt(np.mean(np.square(values), axis=axis))


def beyond_noise(values: np.ndarray, errors: np.ndarray, axis: int | None = None) -> np.ndarray:
    """Root mean square of what the errors do not explain; 0 where they explain all."""
    return np.sqrt(np.maximum(0.0, np.mean(np.square(values) - np.square(errors), axis=axis)))
