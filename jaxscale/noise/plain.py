"""Errors that scatter evenly about the law: Student-t and normal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.noise.base import Scattered, scale_prior
from jaxscale.noise.special import log, log_gamma_half_step
from jaxscale.priors import Prior, positive

NU, TIGHT_NU = 5.0, 1.0  # degrees of freedom that searches start from


@dataclass(frozen=True)
class StudentT(Scattered):
    """Student-t with learned scale and degrees of freedom: a few bad runs do not move the law."""

    name: ClassVar[str] = "student_t"
    says: ClassVar[str] = "runs scatter evenly, but for a few bad ones"

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma, and nu: 90 % between 1.5 and 41, from near-Cauchy to near-normal.

        Log-normal rather than Gamma (Juarez & Steel 2010), whose tail in log nu is a wall that HMC runs into.
        """
        return {"sigma": scale_prior(self.on), "nu": positive(median=8.0, spread=1.0)}

    def begin(self, typical, tight):
        """Also nu: near-Cauchy where the core is tight."""
        return {**super().begin(typical, tight), "nu": jnp.where(tight, TIGHT_NU, NU)}

    def scale(self, params: Mapping[str, Any], lane: Mapping[str, Any]) -> Any:
        """Of the errors, one for all rows or one each."""
        return params["sigma"]

    def distribution(self, mean, params, lane):  # noqa: D102
        return dist.StudentT(params["nu"], self.link(mean), self.scale(params, lane))

    def foretold(self, key, mean, params, lane):
        """By the polar method of Bailey (Mathematics of Computation 62, 1994): a gamma's draws take 20 times as long.

        One of its two numbers a point: together they are uncorrelated, but not independent.
        """
        nu, scale, loc = params["nu"], self.scale(params, lane), jnp.asarray(self.link(mean))
        shape = jnp.broadcast_shapes(jnp.shape(nu), jnp.shape(scale), loc.shape)
        far, turn = jax.random.split(key)
        radius = jnp.sqrt(nu * jnp.expm1(2.0 / nu * jax.random.exponential(far, shape, loc.dtype)))
        return self.unlink(loc + scale * radius * jnp.cos(2.0 * jnp.pi * jax.random.uniform(turn, shape, loc.dtype)))

    def information(self, mean, params, lane):
        """Finite whatever the degrees of freedom."""
        nu, scale = params["nu"], self.scale(params, lane)
        return (nu + 1.0) / ((nu + 3.0) * scale**2) * jnp.ones_like(mean)

    def summed(self, mean, params, lane):
        """The normalising constants once, not in every row: gradients cost two thirds."""
        nu, scale = params["nu"], self.scale(params, lane)
        log_tails = log(1.0 + self.residual(mean, lane) ** 2 / (nu * scale**2))
        log_peak = log_gamma_half_step(0.5 * nu) - 0.5 * jnp.log(nu * jnp.pi * scale**2)
        flat = jnp.sum(lane["w"]) * log_peak if jnp.ndim(scale) == 0 else jnp.sum(lane["w"] * log_peak)
        return flat - 0.5 * (nu + 1.0) * jnp.sum(lane["w"] * log_tails)


@dataclass(frozen=True)
class Normal(Scattered):
    """Normal with learned scale."""

    name: ClassVar[str] = "normal"
    says: ClassVar[str] = "runs scatter evenly, and none is bad"

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma."""
        return {"sigma": scale_prior(self.on)}

    def distribution(self, mean, params, lane):  # noqa: D102
        return dist.Normal(self.link(mean), params["sigma"])

    def information(self, mean, params, lane):
        """One over the variance."""
        return jnp.ones_like(mean) / params["sigma"] ** 2
