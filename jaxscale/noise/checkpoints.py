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

from jaxscale.noise.base import Noise, scale_prior
from jaxscale.noise.special import HALF_LOG_2PI, log, once
from jaxscale.priors import Prior, share

LEAST_STEP = 1e-3  # of the usual one: two rows at one place are nearly one
TRAIL = ("run", "before", "after", "first", "step", "order", "start", "stop")  # of a lane; see beside.py


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

    def summed(self, mean, params, lane):
        """Joint log density of all rows; weights other than 0 count as 1."""
        r = lane["y"] - self._loc(mean, params, lane)
        trail = {name: lane[name] for name in (*TRAIL, "w")}
        return _joint(r, params["memory"], params["sigma"], params["run_sd"], trail)

    def observe(self, mean, params, lane):
        """All rows as one factor, since they are not independent."""
        numpyro.factor("y", self.summed(mean, params, lane))

    def sample(self, key, mean, params, lane):
        """Rows of the lane's runs together; without runs, each of a run of its own."""
        if "run" not in lane:
            return super().sample(key, mean, params, lane)
        runs, along = jax.random.split(key)
        shared = params["run_sd"] * jax.random.normal(runs, jnp.shape(lane["w"]))[lane["run"]]
        keeps = _keeps(params["memory"], lane)
        kicks = params["sigma"] * jnp.sqrt(1.0 - keeps * keeps) * jax.random.normal(along, jnp.shape(keeps))

        def walk(path, row):
            return path.at[row].set(keeps[row] * path[lane["before"][row]] + kicks[row]), None

        path, _ = jax.lax.scan(walk, jnp.zeros_like(kicks), lane["order"])
        return self.unlink(self._loc(mean, params, lane) + shared + path)

    def effective(self, params, lane):
        """By the information that rows have of a common level."""
        keeps = _keeps(params["memory"], lane)
        over_sd = _over_sd(keeps, params["sigma"], lane["w"])
        (information,) = _by_run(lane, ((1.0 - keeps) * over_sd) ** 2)
        variance = params["run_sd"] ** 2
        return jnp.sum(information / (1.0 + variance * information)) * (variance + params["sigma"] ** 2)


def _keeps(memory: Any, trail: Mapping[str, Any]) -> jax.Array:
    """Correlation of each row with the one before it, 0 of a run's first; written out, a power costs twice that."""
    return jnp.where(trail["first"], 0.0, jnp.exp(trail["step"] * jnp.log(memory)))


def _over_sd(keeps: jax.Array, sigma: Any, w: jax.Array) -> jax.Array:
    """One over the sd of what each row adds to what the row before foretells; 0 of padding."""
    return jnp.where(w > 0, jax.lax.rsqrt(1.0 - keeps * keeps), 0.0) / sigma


def _by_run(trail: Mapping[str, Any], *values: jax.Array) -> list[jax.Array]:
    """Sums over the rows of each run, (rows,) with zeros after the last run.

    By differences of running sums in the order of the runs: XLA's sums by segment cost several times that on a CPU.
    """
    running = (jnp.pad(jnp.cumsum(v[trail["order"]]), (1, 0)) for v in once(values))
    return once([c[trail["stop"]] - c[trail["start"]] for c in running])


@jax.custom_jvp
def _joint(r: jax.Array, memory: Any, sigma: Any, run_sd: Any, trail: Mapping[str, Any]) -> jax.Array:
    """Joint log density of the residuals r, (rows,).

    With its slope written out, since that of picking rows is a sum by segment, which costs more than all the rest.
    """
    return _joint_and_slope(r, memory, sigma, run_sd, trail)[0]


@_joint.defjvp
def _(primals, tangents):
    value, slopes = _joint_and_slope(*primals)
    return value, sum((jnp.sum(s * t) for s, t in zip(slopes, tangents[:-1], strict=True)), jnp.zeros_like(value))


def _joint_and_slope(r: jax.Array, memory: Any, sigma: Any, run_sd: Any, trail: Mapping[str, Any]):
    """Also its slopes along r, memory, sigma and run_sd.

    e are the rows' residuals less what the row before foretells, over their sd, and `one` the same of a constant 1;
    `luck` is what is expected of each run's effect.
    """
    used, variance = trail["w"] > 0, run_sd * run_sd
    keeps, before = _keeps(memory, trail), once(r[trail["before"]])
    over_sd, fresh = _over_sd(keeps, sigma, trail["w"]), 1.0 - keeps * keeps
    e, one = (r - keeps * before) * over_sd, (1.0 - keeps) * over_sd
    ones, both = _by_run(trail, one * one, one * e)
    spread = 1.0 + variance * ones
    luck, less = variance * both / spread, variance / spread
    count = jnp.sum(jnp.where(used, 1.0, 0.0))
    value = (
        0.5 * jnp.sum(luck * both - log(spread))
        - 0.5 * jnp.sum(e * e)
        - jnp.sum(jnp.where(used, 0.5 * log(fresh), 0.0))
        - count * (jnp.log(sigma) + HALF_LOG_2PI)
    )
    mine, known = once((luck[trail["run"]], less[trail["run"]]))
    along_e, along_one = mine * one - e, mine * e - (mine * mine + known) * one
    taken = along_e * over_sd
    ratio = keeps / fresh
    along_keeps = (along_e * e + along_one * one + jnp.where(used, 1.0, 0.0)) * ratio
    along_keeps = along_keeps - taken * before - along_one * over_sd
    slopes = (
        taken - once(once(keeps * taken)[trail["after"]]),
        jnp.sum(along_keeps * trail["step"] * keeps) / memory,
        -(jnp.sum(along_e * e + along_one * one) + count) / sigma,
        run_sd * jnp.sum((both / spread) ** 2 - ones / spread),
    )
    return value, slopes
