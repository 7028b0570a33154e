"""What runs are bought for: a narrower forecast, or a decision that risks less."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

SEARCHED, REPORTED = 7, 12  # powers of two: how many futures a search averages over, and a report


@dataclass(frozen=True)
class Spread:
    """The variance of t, its mean over several; its root is what `expected_sd_after` shows.

    Attributes:
        draws: (S, T).
    """

    draws: np.ndarray

    def _left(self, steps: np.ndarray) -> np.ndarray:
        return self.draws.var(axis=0, ddof=1) - np.sum(steps**2, axis=0)

    def value(self, chosen: Sequence[int], steps: np.ndarray) -> float:
        """Variance left."""
        return float(np.mean(np.maximum(self._left(steps), 0.0)))

    def with_each(self, chosen: Sequence[int], steps: np.ndarray, each: np.ndarray) -> np.ndarray:
        """Variance left with one more."""
        return np.maximum(self._left(steps)[:, None] - each**2, 0.0).mean(axis=0)


@dataclass(frozen=True)
class Regret:
    """The expected loss of a decision above that of the best one, had the truth been known.

    One of J choices is taken once the runs are in, that of the least expected loss. Results move expected losses by
    steps times standard normals (the knowledge gradient of correlated beliefs), averaged over a fixed set of them.

    Attributes:
        draws: (S, J) loss of each choice.
        perfect: the expected loss of the best choice, had the truth been known.
        most: runs of a batch.
        futures: power of two, how many to average over.
    """

    draws: np.ndarray
    perfect: float
    most: int
    futures: int = SEARCHED

    @property
    def _normals(self) -> np.ndarray:
        return normals(self.most, self.futures)

    def _expected(self, steps: np.ndarray) -> np.ndarray:
        """(futures, J) expected losses once these runs are in."""
        return self.draws.mean(axis=0)[None] + self._normals[:, : len(steps)] @ steps

    def value(self, chosen: Sequence[int], steps: np.ndarray) -> float:
        """Regret left."""
        return max(float(self._expected(steps).min(axis=1).mean()) - self.perfect, 0.0)

    def with_each(self, chosen: Sequence[int], steps: np.ndarray, each: np.ndarray) -> np.ndarray:
        """Regret left with one more."""
        base, z = self._expected(steps), self._normals[:, len(steps)]
        least = np.full((len(z), each.shape[1]), np.inf)
        for j in range(base.shape[1]):  # a choice at a time, in memory that stays near
            np.minimum(least, base[:, j, None] + z[:, None] * each[j][None], out=least)
        return np.maximum(least.mean(axis=0) - self.perfect, 0.0)


@functools.cache
def normals(dimensions: int, power: int) -> np.ndarray:
    """(2^power, dimensions) standard normals, always the same: a shifted Sobol sequence and its mirror image."""
    even = qmc.Sobol(dimensions, scramble=False).random_base2(power - 1)
    half = ndtri(np.clip((even + np.random.default_rng(0).random(dimensions)) % 1.0, 1e-9, 1.0 - 1e-9))
    return np.concatenate([half, -half])
