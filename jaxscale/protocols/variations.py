"""A pass rate over variations of one prompt: how high, and how much it changes from one wording to the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import betaln, expit, log_expit

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import numbers
from jaxscale.summary import QUANTILES

FAR = 20.0  # log odds of the correlation, where the grid ends
CELLS = 120  # of each axis of the grid
ZOOMS = 4  # onto where the posterior is
OUTSIDE = 1e-7  # of its mass, lost at each end of an axis by a zoom


@dataclass(frozen=True)
class PassRate:
    """Posterior of a pass rate over variations.

    Attributes:
        mean, sd, q05, q50, q95: of the mean rate over variations, a share.
        between_sd: posterior mean of the standard deviation of rates between variations.
        correlation: posterior mean of how alike two trials of one variation are: 0 where wording does not matter, 1
            where a variation is always or never solved.
        naive_sd: what the standard error would be were all trials independent; too small where wording matters.
    """

    mean: float
    sd: float
    q05: float
    q50: float
    q95: float
    between_sd: float
    correlation: float
    naive_sd: float


def pass_rate(solved: Any, trials: Any) -> PassRate:
    """A beta-binomial model of successes by variation, on a grid; flat priors on mean rate and correlation.

    Pooling all trials into one share is right only where every wording has the same rate. A benchmark that asks each
    question in one wording cannot know.

    Args:
        solved: (variations,) successes.
        trials: (variations,) trials of each, 1 or more.

    Returns:
        A PassRate. With few variations the correlation is mostly the prior's, and the rate is
        as uncertain as that leaves it.

    Raises:
        DataError: counts are not whole, or successes exceed trials.

    Source: ours, for rates over prompt variations as in Nezhurina et al. 2024, Alice in Wonderland (arXiv
    2406.02061).
    """
    solved, trials = numbers("pass_rate", "count", solved=solved, trials=trials)
    if (solved > trials).any() or (trials < 1).any():
        problem = Problem("counts that do not fit", expected="solved at most trials, trials at least 1")
        raise DataError("pass_rate", [problem])
    pairs, many = np.unique(np.stack([solved, trials]), axis=1, return_counts=True)
    box = ((0.0, 1.0), (-FAR, FAR))
    for zoom in range(ZOOMS):
        rate, logit = (_middles(*ends) for ends in box)
        weight = _posterior(rate[:, None], logit[None, :], pairs, many)
        # rates first: until they are fine enough, a correlation would be made up to bridge their cells
        logits = box[1] if zoom < ZOOMS - 1 else _support(weight.sum(axis=0), *box[1])
        box = (_support(weight.sum(axis=1), *box[0]), logits)
    rate, logit = (_middles(*ends) for ends in box)
    weight, alike = _posterior(rate[:, None], logit[None, :], pairs, many), expit(logit)
    by_rate = weight.sum(axis=1)
    mean = float(np.sum(by_rate * rate))
    below = np.concatenate([[0.0], np.cumsum(by_rate)])
    edges = np.linspace(*box[0], CELLS + 1)
    quantiles = {k: float(np.interp(q, below, edges)) for k, q in QUANTILES.items()}
    pooled = solved.sum() / trials.sum()
    return PassRate(
        mean=mean,
        sd=float(np.sqrt(np.sum(by_rate * (rate - mean) ** 2))),
        **quantiles,
        between_sd=float(np.sum(weight * np.sqrt(np.outer(rate * (1.0 - rate), alike)))),
        correlation=float(np.sum(weight * alike)),
        naive_sd=float(np.sqrt(pooled * (1.0 - pooled) / trials.sum())),
    )


def _middles(low: float, high: float) -> np.ndarray:
    return low + (np.arange(CELLS) + 0.5) * (high - low) / CELLS


def _posterior(rate: np.ndarray, logit: np.ndarray, pairs: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Mass of each cell: beta distributions of mean `rate` whose trials correlate with log odds `logit`."""
    a, b = rate * np.exp(-logit), (1.0 - rate) * np.exp(-logit)
    # flat in the correlation itself, which may be tiny: the grid is even in its log odds
    log = log_expit(logit) + log_expit(-logit) - many.sum() * betaln(a, b)
    for (s, n), times in zip(pairs.T, many, strict=True):
        log += times * betaln(a + s, b + n - s)
    weight = np.exp(log - log.max())
    return weight / weight.sum()


def _support(mass: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The part of an axis that holds the mass, with a cell on either side."""
    edges, total = np.linspace(low, high, CELLS + 1), np.cumsum(mass)
    first, last = int(np.searchsorted(total, OUTSIDE)), int(np.searchsorted(total, 1.0 - OUTSIDE))
    return float(edges[max(first - 1, 0)]), float(edges[min(last + 2, CELLS)])
