"""Scores between a floor and a ceiling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.noise.base import Noise
from jaxscale.noise.special import log_gamma
from jaxscale.priors import Prior, positive, share

LEAST = 1e-4  # a score of 0 or 1 is taken to lie so far inside


@dataclass(frozen=True)
class Beta(Noise):
    """A share that scatters as a beta distribution about floor + (ceiling - floor) times the law.

    The law then describes what lies between guessing and the best score there is, from 0 to 1. Either end is a
    number, or None where it is to be learned: the floor about chance of a half at most, the ceiling near 1.
    """

    floor: float | None = 0.0
    ceiling: float | None = 1.0

    name: ClassVar[str] = "beta"
    says: ClassVar[str] = "scores scatter less near their floor and their ceiling"
    supports: ClassVar[tuple[str, ...]] = ("unit",)

    @property
    def priors(self) -> Mapping[str, Prior]:
        """concentration: 90 % between 14 and 2 800, an sd of 13 to 1 % at a half; the ends that are learned."""
        ends = {"score_floor": share(0.1, 1.0)} if self.floor is None else {}
        ends |= {"score_ceiling": share(0.95, 1.0)} if self.ceiling is None else {}
        return {"concentration": positive(median=200.0, spread=1.6), **ends}

    def squeeze(self, mean: Any, params: Mapping[str, Any]) -> jax.Array:
        """The expected score."""
        low = params["score_floor"] if self.floor is None else self.floor
        high = params["score_ceiling"] if self.ceiling is None else self.ceiling
        return jnp.clip(low + (high - low) * jnp.clip(mean, 0.0, 1.0), LEAST, 1.0 - LEAST)

    def distribution(self, mean, params, lane):  # noqa: D102
        p, size = self.squeeze(mean, params), params["concentration"]
        return dist.Beta(p * size, (1.0 - p) * size)

    def per_row(self, mean, params, lane):
        """Written out with log gammas that cost less."""
        p, size = self.squeeze(mean, params), params["concentration"]
        a, b = p * size, (1.0 - p) * size
        y = jnp.clip(lane["y"], LEAST, 1.0 - LEAST)
        usual = log_gamma(size) - log_gamma(a) - log_gamma(b)
        return usual + (a - 1.0) * jnp.log(y) + (b - 1.0) * jnp.log1p(-y)

    def sample(self, key, mean, params, lane):
        """By JAX's own sampler."""
        p, size = self.squeeze(mean, params), params["concentration"]
        return jax.random.beta(key, p * size, (1.0 - p) * size, dtype=p.dtype)
