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

from jaxscale.noise.base import HALF_LOG_2PI, Noise, Scattered, scale_prior
from jaxscale.priors import Prior, positive, share
from jaxscale.variables import Response

# Of log erfcx(v) - log t in powers of 2 t - 1, where t = 1 / (1 + v / 2): Chebyshev interpolation, to 2e-11 for v >= 0.
LOG_ERFCX = (
    -0.6717940840566915, 0.6726432239714577, 0.047343307107396024, -0.046895610029482504, -0.00987270215152066,
    0.008824939034996945, 0.0017591138773702865, -0.002345852779044108, -0.0001473944257012059,
    0.0006740253076192969, -8.983673810989636e-05, -0.00017567182846588527, 6.381872480660717e-05,
    3.474789200459336e-05, -2.1670820206886385e-05, -3.7398307415026757e-06, 3.386753489075807e-06,
)  # fmt: skip


@dataclass(frozen=True)
class _Mixed(Scattered):
    """Most rows scatter normally about the law; a share of them, the parameter `_share`, is strange."""

    _share: ClassVar[str] = ""

    def _odds(self, z: jax.Array, params: Mapping[str, Any]) -> jax.Array:
        """Log density of a strange row over that of a usual one; z is the residual over sigma."""
        raise NotImplementedError

    def _log_odds(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> tuple[jax.Array, jax.Array]:
        """Residual over sigma, and log odds that the row is strange."""
        z = self.residual(mean, lane) / params["sigma"]
        part = params[self._share]
        return z, jnp.log(part) - jnp.log1p(-part) + self._odds(z, params)

    def per_row(self, mean, params, lane):
        """Of the mixture; a log-sum-exp with one exponential."""
        z, odds = self._log_odds(mean, params, lane)
        usual = jnp.log1p(-params[self._share]) - jnp.log(params["sigma"]) - HALF_LOG_2PI
        return usual - 0.5 * z * z + jnp.maximum(odds, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(odds)))

    def suspicion(self, mean, params, lane):
        """Probability, at these parameters, of being strange."""
        return jax.nn.sigmoid(self._log_odds(mean, params, lane)[1])


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
        return 0.5 * z * z * (1.0 - 1.0 / (width * width)) - jnp.log(width)

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


@jax.custom_jvp
def log_mills(x: jax.Array) -> jax.Array:
    """log of Phi(x) exp(x^2 / 2), Phi being the normal distribution function; to 2e-11.

    The density of a normal plus an exponential, over that of the normal, is this at residual less sd over mean
    excess, all in sds (exponentially modified Gaussian). JAX's log Phi costs three times as much.
    """
    t = 2.0 / (2.0 + jnp.abs(x) / jnp.sqrt(2.0))
    power = jnp.polyval(jnp.array(LOG_ERFCX[::-1]), 2.0 * t - 1.0, unroll=len(LOG_ERFCX))
    above = jnp.where(x > 0, 0.5 * x * x, 0.0)
    tail = 0.5 * t * jnp.exp(power - above)
    return above + jnp.log(jnp.where(x > 0, 1.0 - tail, tail))


@log_mills.defjvp
def _(primals, tangents):
    (x,), (along,) = primals, tangents
    value = log_mills(x)
    return value, along * (x + jnp.exp(-HALF_LOG_2PI - value))


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
        return jnp.log(ratio) + HALF_LOG_2PI + log_mills(self.worse * z - ratio)

    def distribution(self, mean, params, lane):  # noqa: D102
        return Lagging(
            self.link(mean), params["sigma"], params["under_tuned"], params["sigma"] * params["excess"], self.worse
        )
