"""k successes of n trials, the law's mean being the probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.noise.base import LEAST_MEAN, Noise
from jaxscale.noise.special import log_gamma, log_rising
from jaxscale.priors import Prior, positive


@dataclass(frozen=True)
class Binomial(Noise):
    """Trials that are independent, all of one probability."""

    name: ClassVar[str] = "binomial"
    says: ClassVar[str] = "counts differ by nothing but luck"
    supports: ClassVar[tuple[str, ...]] = ("count",)

    def residual(self, mean, lane):
        """Pearson residual of the share of successes."""
        p = _probability(mean)
        return (lane["y"] / lane["trials"] - p) * jnp.sqrt(lane["trials"] / (p * (1.0 - p)))

    def distribution(self, mean, params, lane):  # noqa: D102
        return dist.BinomialProbs(_probability(mean), lane["trials"])

    def seen(self, shown, lane):
        """The successes."""
        return jnp.round(shown * lane["trials"])

    def information(self, mean, params, lane):
        """Of the trials that all have one probability."""
        p = _probability(mean)
        return lane["trials"] / (p * (1.0 - p))

    def sample(self, key, mean, params, lane):
        """By JAX's own sampler: NumPyro's fails in float64."""
        return _counted(key, _probability(mean), lane)


@dataclass(frozen=True)
class BetaBinomial(Binomial):
    """Counts that scatter more than luck explains: each run's probability is a draw from a beta about the law's."""

    name: ClassVar[str] = "beta_binomial"
    says: ClassVar[str] = "counts differ by more than luck"

    @property
    def priors(self) -> Mapping[str, Prior]:
        """concentration: of the beta; 90 % between 14 and 2 800, an extra sd of 13 to 1 % at a half."""
        return {"concentration": positive(median=200.0, spread=1.6)}

    def distribution(self, mean, params, lane):  # noqa: D102
        p, size = _probability(mean), params["concentration"]
        return dist.BetaBinomial(p * size, (1.0 - p) * size, lane["trials"])

    def per_row(self, mean, params, lane):
        """Written out with log gammas that cost less; what depends on the data alone is compiled away."""
        k, n, size = lane["y"], lane["trials"], params["concentration"]
        p = _probability(mean)
        a, b = p * size, (1.0 - p) * size
        ways = log_gamma(n + 1.0) - log_gamma(k + 1.0) - log_gamma(n - k + 1.0)
        return ways + log_rising(a, k) + log_rising(b, n - k) - (log_gamma(n + size) - log_gamma(size))

    def information(self, mean, params, lane):
        """By the variance, from below: what the share of successes tells if read linearly."""
        return super().information(mean, params, lane) / (
            1.0 + (lane["trials"] - 1.0) / (params["concentration"] + 1.0)
        )

    def sample(self, key, mean, params, lane):
        """Each run's own probability, then its trials."""
        p, size = _probability(mean), params["concentration"]
        own, tried = jax.random.split(key)
        drawn = jax.random.beta(own, p * size, (1.0 - p) * size, dtype=p.dtype)
        return _counted(tried, jnp.clip(drawn, LEAST_MEAN, 1.0 - LEAST_MEAN), lane)


def _probability(mean: Any) -> jax.Array:
    return jnp.clip(mean, LEAST_MEAN, 1.0 - LEAST_MEAN)


def _counted(key: jax.Array, p: jax.Array, lane: Mapping[str, Any]) -> jax.Array:
    trials = jnp.broadcast_to(lane["trials"], p.shape)
    return jax.random.binomial(key, trials, p, dtype=p.dtype) / trials
