"""What runs are bought for: a narrower forecast, or a decision that risks less."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

SEARCHED, REPORTED = 7, 12  # powers of two: how many futures a search averages over, and a report

Beyond = Callable[[Sequence[int]], np.ndarray]


@dataclass(frozen=True)
class Spread:
    """The variance of t, its mean over several; its root is what `expected_sd_after` shows.

    Attributes:
        draws: (S, T).
        beyond: batch -> variance that the law's own error adds at the targets, with each candidate besides: (C,);
            with the batch alone it is that of any candidate that the batch holds already. None for none.
        now: the same for an empty batch and no candidate.
    """

    draws: np.ndarray
    beyond: Beyond | None = None
    now: float = 0.0

    @property
    def curve(self) -> float:
        """The variance of the curve alone, before any run."""
        return float(np.mean(self.draws.var(axis=0, ddof=1)))

    def _left(self, steps: np.ndarray) -> np.ndarray:
        return self.draws.var(axis=0, ddof=1) - np.sum(steps**2, axis=0)

    def value(self, chosen: Sequence[int], steps: np.ndarray) -> float:
        """Variance left."""
        more = 0.0 if self.beyond is None else self.beyond(chosen)[chosen[-1]] if len(chosen) else self.now
        return float(np.mean(np.maximum(self._left(steps), 0.0)) + more)

    def with_each(self, chosen: Sequence[int], steps: np.ndarray, each: np.ndarray) -> np.ndarray:
        """Variance left with one more."""
        left = np.maximum(self._left(steps)[:, None] - each**2, 0.0).mean(axis=0)
        return left if self.beyond is None else left + self.beyond(chosen)


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
