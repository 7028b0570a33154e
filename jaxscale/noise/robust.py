"""Runs that are not what the law describes: outliers on either side, and under-tuned runs on one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from jax.scipy.special import log_ndtr

from jaxscale.noise.base import Noise, Scattered, scale_prior
from jaxscale.noise.special import HALF_LOG_2PI, log, mills
from jaxscale.priors import Prior, positive, share
from jaxscale.variables import Response


@dataclass(frozen=True)
class _Mixed(Scattered):
    """Most rows scatter normally about the law; a share of them, the parameter `_share`, is strange."""

    _share: ClassVar[str] = ""

    def _odds(self, z: jax.Array, params: Mapping[str, Any]) -> tuple[jax.Array, jax.Array]:
        """(m, a), a >= 0: the density of a strange row over that of a usual one is m exp(a); z is residual / sigma."""
        raise NotImplementedError

    def _weighed(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> tuple[jax.Array, ...]:
        """Residual over sigma, and (m, a) of the odds that the row is strange."""
        z = self.residual(mean, lane) / params["sigma"]
        m, a = self._odds(z, params)
        return z, params[self._share] / (1.0 - params[self._share]) * m, a

    def per_row(self, mean, params, lane):
        """Of the mixture; exp(a) goes before the sum, so that one exponential and one logarithm do."""
        z, m, a = self._weighed(mean, params, lane)
        usual = jnp.log1p(-params[self._share]) - jnp.log(params["sigma"]) - HALF_LOG_2PI
        return usual - 0.5 * z * z + a + log(jnp.exp(-a) + m)

    def suspicion(self, mean, params, lane):
        """Probability, at these parameters, of being strange."""
        _, m, a = self._weighed(mean, params, lane)
        return m / (jnp.exp(-a) + m)


@dataclass(frozen=True)
class Outliers(_Mixed):
    """A share of the runs went wrong, either way: a mixture of a narrow and a wide normal."""

    name: ClassVar[str] = "outliers"
    says: ClassVar[str] = "a few runs are wrong, either way"
    _share: ClassVar[str] = "outlier_share"

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma; the share of outliers, 90 % between 0.3 and 25 %; how many times as wide, less one: 2 to 35."""
        return {
            "sigma": scale_prior(self.on),
            "outlier_share": share(0.03, 1.4),
            "outlier_width": positive(median=8.0, spread=0.9),
        }

    def _odds(self, z, params):
        width = 1.0 + params["outlier_width"]
        return 1.0 / width, 0.5 * z * z * (1.0 - 1.0 / (width * width))

    def distribution(self, mean, params, lane):  # noqa: D102
        loc = self.link(mean)
        narrow, part = jnp.asarray(params["sigma"]), jnp.asarray(params["outlier_share"])
        scales = jnp.stack(jnp.broadcast_arrays(narrow, narrow * (1.0 + params["outlier_width"])), axis=-1)
        shares = jnp.stack(jnp.broadcast_arrays(1.0 - part, part), axis=-1)
        shape = jnp.broadcast_shapes(jnp.shape(loc), jnp.shape(narrow))
        both = dist.Normal(jnp.broadcast_to(loc, shape)[..., None], jnp.broadcast_to(scales, (*shape, 2)))
        return dist.MixtureSameFamily(dist.Categorical(probs=jnp.broadcast_to(shares, (*shape, 2))), both)


class Lagging(dist.Distribution):
    """Normal about `loc`, and for a share of the draws a further exponential excess on the side of `sign`."""

    arg_constraints: ClassVar = {"loc": dist.constraints.real, "scale": dist.constraints.positive}

    def __init__(self, loc: Any, scale: Any, part: Any, excess: Any, sign: float = 1.0):
        self.loc, self.scale, self.part, self.excess, self.sign = loc, scale, part, excess, sign
        super().__init__(jnp.broadcast_shapes(jnp.shape(loc), jnp.shape(scale), jnp.shape(part), jnp.shape(excess)))

    @property
    def support(self) -> Any:
        """Every number."""
        return dist.constraints.real

    def log_prob(self, value: Any, intermediates: Any = None) -> jax.Array:
        """Log density, (...)."""
        z, ratio = self.sign * (value - self.loc) / self.scale, self.scale / self.excess
        usual = -jnp.log(self.scale) - HALF_LOG_2PI - 0.5 * z * z
        behind = 0.5 * ratio * ratio - z * ratio - jnp.log(self.excess) + log_ndtr(z - ratio)
        return jnp.logaddexp(jnp.log1p(-self.part) + usual, jnp.log(self.part) + behind)

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """sample_shape + batch_shape."""
        shape = sample_shape + self.batch_shape
        even, behind, how_far = jax.random.split(key, 3)
        lag = jnp.where(jax.random.uniform(behind, shape) < self.part, jax.random.exponential(how_far, shape), 0.0)
        return self.loc + self.scale * jax.random.normal(even, shape) + self.sign * self.excess * lag


@dataclass(frozen=True)
class Frontier(_Mixed):
    """The law is what a well-tuned run reaches; a share of the runs lags behind it, by an exponential excess.

    `worse` is the side of a lagging run: +1 above the law, as of losses, -1 below it, as of scores; 0 lets the
    response say.
    """

    worse: int = 0

    name: ClassVar[str] = "frontier"
    says: ClassVar[str] = "some runs are under-tuned; the law is what the others reach"
    _share: ClassVar[str] = "under_tuned"

    def on_scale(self, response: Response) -> Noise:
        """With the side on which runs of this response lag."""
        settled = super().on_scale(response)
        return dataclasses.replace(settled, worse=self.worse or (1 if response.better == "lower" else -1))

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma; the share of under-tuned runs, 90 % between 2 and 60 %; their mean excess over sigma, 1.6 to 22.

        Relative to sigma, because an excess below it cannot be told from the scatter.
        """
        return {
            "sigma": scale_prior(self.on),
            "under_tuned": share(0.15, 1.3),
            "excess": positive(median=6.0, spread=0.8),
        }

    def _odds(self, z, params):
        ratio = 1.0 / params["excess"]
        x = self.worse * z - ratio
        above = jnp.where(x > 0, 0.5 * x * x, 0.0)
        tail = mills(jnp.abs(x))
        behind = jnp.where(x > 0, 1.0 - tail * jnp.exp(-above), tail)
        return ratio * jnp.exp(HALF_LOG_2PI) * behind, above

    def distribution(self, mean, params, lane):  # noqa: D102
        return Lagging(
            self.link(mean), params["sigma"], params["under_tuned"], params["sigma"] * params["excess"], self.worse
        )
