"""Whole levels in an order, such as grades."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.noise.base import Noise
from jaxscale.priors import Prior, positive
from jaxscale.variables import Response


class Rounded(dist.Distribution):
    """A logistic number rounded to whole levels from `least` to `most`, the ends taking what lies beyond them."""

    arg_constraints: ClassVar = {"loc": dist.constraints.real, "scale": dist.constraints.positive}

    def __init__(self, loc: Any, scale: Any, least: int, most: int):
        self.loc, self.scale, self.least, self.most = loc, scale, least, most
        super().__init__(jnp.broadcast_shapes(jnp.shape(loc), jnp.shape(scale)))

    @property
    def support(self) -> Any:
        """The levels."""
        return dist.constraints.integer_interval(self.least, self.most)

    def log_prob(self, value: Any, intermediates: Any = None) -> jax.Array:
        """log P(level), (...)."""
        up = jnp.where(value >= self.most, 50.0, (value + 0.5 - self.loc) / self.scale)
        down = jnp.where(value <= self.least, -50.0, (value - 0.5 - self.loc) / self.scale)
        # s(up) - s(down) without a difference of two numbers near one
        return jax.nn.log_sigmoid(up) + jax.nn.log_sigmoid(-down) + jnp.log(-jnp.expm1(jnp.minimum(down - up, -1e-12)))

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """Levels, sample_shape + batch_shape."""
        scatter = jax.random.logistic(key, sample_shape + self.batch_shape)
        return jnp.clip(jnp.round(self.loc + self.scale * scatter), self.least, self.most)


@dataclass(frozen=True)
class Ordered(Noise):
    """Whole levels in an order, such as grades from 1 to 10: the law's mean, a logistic error, then rounding."""

    least: int = 1
    most: int = 10

    name: ClassVar[str] = "ordered"
    supports: ClassVar[tuple[str, ...]] = ("ordinal",)

    def on_scale(self, response: Response) -> Noise:
        """With the levels of the response."""
        settled = super().on_scale(response)
        least, most = response.levels or (self.least, self.most)
        return dataclasses.replace(settled, least=least, most=most)

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma, in levels: 90 % between a tenth and 2.6 of one."""
        return {"sigma": positive(median=0.5, spread=1.0)}

    def distribution(self, mean, params, lane):  # noqa: D102
        return Rounded(mean, params["sigma"], self.least, self.most)
