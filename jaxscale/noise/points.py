"""Losses of the literature, for replication; they have a point and no posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax.numpy as jnp

from jaxscale.noise.base import Noise


@dataclass(frozen=True)
class LeastSquares(Noise):
    """Point fit by squared residuals, for replication; no posterior."""

    name: ClassVar[str] = "least_squares"
    bayesian: ClassVar[bool] = False
    supports: ClassVar[tuple[str, ...]] = ("positive", "unit", "real", "count", "ordinal")

    def residual(self, mean, lane):
        """Observed minus mean; of a count, its share on the chosen scale."""
        y = self.link(lane["y"] / lane["trials"]) if "trials" in lane else lane["y"]
        return y - self.link(mean)

    def loss(self, r: Any) -> Any:
        """Of one residual."""
        return 0.5 * r * r

    def weight(self, r: Any) -> Any:
        """Derivative of the loss over the residual, for reweighted least squares."""
        return jnp.ones_like(r)


@dataclass(frozen=True)
class Huber(LeastSquares):
    """Point fit by Huber's loss, as in the Chinchilla papers (delta 1e-3 on log loss); no posterior."""

    delta: float = 1e-3

    name: ClassVar[str] = "huber"

    def loss(self, r):  # noqa: D102
        size = jnp.abs(r)
        return jnp.where(size <= self.delta, 0.5 * r * r, self.delta * (size - 0.5 * self.delta))

    def weight(self, r):  # noqa: D102
        return jnp.minimum(1.0, self.delta / jnp.maximum(jnp.abs(r), 1e-300))
