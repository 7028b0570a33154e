"""Checkpoints: many rows of few runs, which share their run's luck and follow one another closely.

The error of a row is its run's effect, N(0, run_sd^2), plus an Ornstein-Uhlenbeck process in the logarithm of the
tokens seen: sd `sigma`, correlation memory^step between rows a `step` apart, in units of the table's usual step. Both
are normal, so the run's effect is integrated out in closed form and the rest is whitened row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from jaxscale.noise.base import HALF_LOG_2PI, Noise, scale_prior
from jaxscale.priors import Prior, share

LEAST_STEP = 1e-3  # of the usual one: two rows at one place are nearly one


@dataclass(frozen=True)
class Checkpoints(Noise):
    """Run effects and correlation along each run; rows are told apart by a column `run`.

    With `annealed`, a column of that name says which rows follow a finished decay of the learning rate (1) and which
    lie before it (0): those lie higher by a learned share, and the law is what annealed rows reach.
    """

    annealed: bool = False

    name: ClassVar[str] = "checkpoints"
    says: ClassVar[str] = "rows share the luck of their run"
    apart: ClassVar[bool] = False
    supports: ClassVar[tuple[str, ...]] = ("positive", "unit", "real")

    @property
    def needs(self) -> tuple[str, ...]:
        """Each row's run and, if wanted, whether it is annealed."""
        return ("run", "annealed") if self.annealed else ("run",)

    @property
    def priors(self) -> Mapping[str, Prior]:
        """run_sd as sigma of other noises; sigma, a third of it; memory, of neighbouring rows: 90 % from .08 to .92."""
        early = {"mid_schedule": scale_prior(self.on, median=0.02, spread=1.2)} if self.annealed else {}
        return {
            "run_sd": scale_prior(self.on),
            "sigma": scale_prior(self.on, median=0.005),
            "memory": share(0.5, 1.5),
            **early,
        }

    def begin(self, typical, tight):
        """Most of a residual is its run's."""
        return {"run_sd": typical, "sigma": 0.3 * typical, "memory": jnp.asarray(0.3)}

    def _loc(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> Any:
        late = self.link(mean)
        return late + params["mid_schedule"] * (1.0 - lane["annealed"]) if "annealed" in lane else late

    def distribution(self, mean, params, lane):
        """Of a row of a run that has no other."""
        return dist.Normal(self._loc(mean, params, lane), jnp.sqrt(params["run_sd"] ** 2 + params["sigma"] ** 2))

    def information(self, mean, params, lane):
        """Of a row of a run that has no other."""
        return jnp.ones_like(mean) / (params["run_sd"] ** 2 + params["sigma"] ** 2)

    def _keeps(self, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """Correlation of each row with the one before it, 0 of a run's first; written out, a power costs twice that."""
        return jnp.where(lane["first"], 0.0, jnp.exp(lane["step"] * jnp.log(params["memory"])))

    def _whitened(self, params: Mapping[str, Any], lane: Mapping[str, Any], r: Any) -> tuple[Any, Any, Any]:
        """Of each row: its residual less what the row before foretells, the same of a constant 1, and log sd."""
        keeps = self._keeps(params, lane)
        fresh = 1.0 - keeps * keeps
        used = jnp.where(lane["w"] > 0, 1.0, 0.0)
        over_sd = used * jax.lax.rsqrt(fresh) / params["sigma"]
        log_sd = used * (jnp.log(params["sigma"]) + 0.5 * jnp.log(fresh))
        return (r - keeps * r[lane["before"]]) * over_sd, (1.0 - keeps) * over_sd, log_sd

    def summed(self, mean, params, lane):
        """Joint log density of all rows; weights other than 0 count as 1."""
        r = lane["y"] - self._loc(mean, params, lane)
        e, one, log_sd = self._whitened(params, lane, r)
        rows = len(lane["w"])
        both = jax.ops.segment_sum(jnp.stack([one * one, one * e], axis=1), lane["run"], num_segments=rows)
        variance = params["run_sd"] ** 2
        spread = 1.0 + variance * both[:, 0]
        runs = 0.5 * variance * both[:, 1] ** 2 / spread - 0.5 * jnp.log(spread)
        count = jnp.sum(jnp.where(lane["w"] > 0, 1.0, 0.0))
        return jnp.sum(runs) - 0.5 * jnp.sum(e * e) - jnp.sum(log_sd) - HALF_LOG_2PI * count

    def observe(self, mean, params, lane):
        """All rows as one factor, since they are not independent."""
        numpyro.factor("y", self.summed(mean, params, lane))

    def sample(self, key, mean, params, lane):
        """Rows of the lane's runs together; without runs, each of a run of its own."""
        if "run" not in lane:
            return super().sample(key, mean, params, lane)
        runs, along = jax.random.split(key)
        shared = params["run_sd"] * jax.random.normal(runs, jnp.shape(lane["w"]))[lane["run"]]
        keeps = self._keeps(params, lane)
        kicks = params["sigma"] * jnp.sqrt(1.0 - keeps * keeps) * jax.random.normal(along, jnp.shape(keeps))

        def walk(path, row):
            return path.at[row].set(keeps[row] * path[lane["before"][row]] + kicks[row]), None

        path, _ = jax.lax.scan(walk, jnp.zeros_like(kicks), lane["order"])
        return self.unlink(self._loc(mean, params, lane) + shared + path)

    def effective(self, params, lane):
        """By the information that rows have of a common level."""
        _, one, _ = self._whitened(params, lane, jnp.zeros_like(lane["w"]))
        information = jax.ops.segment_sum(one * one, lane["run"], num_segments=len(lane["w"]))
        variance = params["run_sd"] ** 2
        return jnp.sum(information / (1.0 + variance * information)) * (variance + params["sigma"] ** 2)
