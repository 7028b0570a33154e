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
TRAIL = ("order", "place", "first", "step", "start", "stop")  # of a lane; see beside.py
TOGETHER = 4  # numbers whose product has one logarithm


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
        if "order" not in lane:
            return super().sample(key, mean, params, lane)
        runs, along = jax.random.split(key)
        shared = params["run_sd"] * jax.random.normal(runs, jnp.shape(lane["w"]))[lane["start"]]
        keeps = _keeps(params["memory"], lane)
        kicks = params["sigma"] * jnp.sqrt(1.0 - keeps * keeps) * jax.random.normal(along, jnp.shape(keeps))

        def walk(before, row):
            keep, kick = row
            now = keep * before + kick
            return now, now

        _, path = jax.lax.scan(walk, jnp.zeros_like(kicks[0]), (keeps, kicks))
        return self.unlink(self._loc(mean, params, lane) + (shared + path)[lane["place"]])

    def effective(self, params, lane):
        """By the information that rows have of a common level."""
        used = _at(lane["w"], lane["order"]) > 0
        keeps = _keeps(params["memory"], lane)
        over_sd = _over_sd(keeps, params["sigma"], used)
        (information,) = _by_run(lane, ((1.0 - keeps) * over_sd) ** 2)
        variance = params["run_sd"] ** 2
        told = information / (1.0 + variance * information)
        return jnp.sum(jnp.where(lane["first"], told, 0.0)) * (variance + params["sigma"] ** 2)


# All below is in the order of the runs, row after row, but for r and w.


def _at(values: Any, places: Any) -> jax.Array:
    """Values at places that are known to be there; XLA's own checks double what picking costs."""
    return jnp.asarray(values).at[jnp.asarray(places)].get(mode="promise_in_bounds")


def _keeps(memory: Any, trail: Mapping[str, Any]) -> jax.Array:
    """Correlation of each row with the one before it, 0 of a run's first; written out, a power costs twice that."""
    return jnp.where(trail["first"], 0.0, jnp.exp(trail["step"] * jnp.log(memory)))


def _over_sd(keeps: jax.Array, sigma: Any, used: jax.Array) -> jax.Array:
    """One over the sd of what each row adds to what the row before foretells; 0 of padding."""
    return once(jnp.where(used, jax.lax.rsqrt(1.0 - keeps * keeps), 0.0) / sigma)


def _by_run(trail: Mapping[str, Any], *values: jax.Array) -> list[jax.Array]:
    """Sums over the rows of each run, at every row of it.

    By differences of running sums: XLA's sums by segment cost several times that on a CPU.
    """
    running = once([_running(v) for v in once(values)])
    return once([_at(sums, trail["stop"]) - _at(sums, trail["start"]) for sums in running])


def _running(values: jax.Array) -> jax.Array:
    """Sums of the first 0, 1, ... values, by shifts of 1, 2, 4, ...: XLA's cumsum costs several times that on a CPU."""
    shift = 1
    while shift < len(values):
        values, shift = once(values + jnp.pad(values[:-shift], (shift, 0))), 2 * shift
    return jnp.pad(values, (1, 0))


def _log_product(values: jax.Array) -> jax.Array:
    """Sum of logarithms of numbers between 1e-9 and 1e9, the fourth power of which float32 holds."""
    padded = jnp.pad(values, (0, -len(values) % TOGETHER), constant_values=1.0)
    return jnp.sum(log(jnp.prod(padded.reshape(TOGETHER, -1), axis=0)))


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
    `luck` is what is expected of the run's effect, and `known` its variance.
    """
    r, used = once(_at(r, trail["order"])), _at(trail["w"], trail["order"]) > 0
    begins, variance = trail["first"] & used, run_sd * run_sd
    keeps, before = _keeps(memory, trail), jnp.pad(r[:-1], (1, 0))
    over_sd, fresh = _over_sd(keeps, sigma, used), 1.0 - keeps * keeps
    e, one = (r - keeps * before) * over_sd, (1.0 - keeps) * over_sd
    ones, both = _by_run(trail, one * one, one * e)
    spread = 1.0 + variance * ones
    luck, known = once((variance * both / spread, variance / spread))
    counts = jnp.where(used, 1.0, 0.0)
    value = (
        0.5 * jnp.sum(jnp.where(begins, luck * both, 0.0))
        - 0.5 * jnp.sum(e * e)
        - 0.5 * _log_product(jnp.where(used, fresh, 1.0) * jnp.where(begins, spread, 1.0))
        - jnp.sum(counts) * (jnp.log(sigma) + HALF_LOG_2PI)
    )
    along_e, along_one = luck * one - e, luck * e - (luck * luck + known) * one
    taken = along_e * over_sd
    along_keeps = (along_e * e + along_one * one + counts) * keeps / fresh - taken * before - along_one * over_sd
    slopes = (
        _at(once(taken - jnp.pad((keeps * taken)[1:], (0, 1))), trail["place"]),
        jnp.sum(along_keeps * trail["step"] * keeps) / memory,
        -(jnp.sum(along_e * e + along_one * one) + jnp.sum(counts)) / sigma,
        run_sd * jnp.sum(jnp.where(begins, (both / spread) ** 2 - ones / spread, 0.0)),
    )
    return value, slopes
