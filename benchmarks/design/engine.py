"""Cheap fits for designs: the mode under the law's priors, draws about it, and what runs would tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import tasks

from jaxscale.batch import keys_of, lane_of
from jaxscale.discrepancy import SCALES, Discrepancy, _logs
from jaxscale.infer import cascade
from jaxscale.law import get_law
from jaxscale.model import Model
from jaxscale.noise import StudentT
from jaxscale.noise.base import scale_prior
from jaxscale.population import prior_of
from jaxscale.priors import Prior

BUCKETS = (16, 64, 256, 1024, 4096)  # rows: few programs
DRAWS, TRIED, TAILS = 400, 2000, 5.0
FLAT = 0.25  # least curvature: the priors' own, about


@dataclass(frozen=True)
class Firm(StudentT):
    """Student-t noise whose scale is known beforehand to about a third.

    A mode of fewer rows than parameters passes through all of them, and a scale with a wide prior would then run to
    zero; a full posterior does not, but costs too much here.
    """

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma about 1 %; nu as ever."""
        return {**super().priors, "sigma": scale_prior(self.on, median=0.01, spread=0.3)}


@dataclass(frozen=True)
class Belief:
    """What is known after some rows: the mode, its curvature and draws of the flat vector."""

    u: np.ndarray
    curvature: np.ndarray
    draws: np.ndarray


class Unit:
    """One law, one response, one group: rows of the pool and the rows to forecast."""

    def __init__(self, law: str, response: str, pool: pd.DataFrame, rows: np.ndarray, test: pd.DataFrame):
        """Rows are positions in the task's pool."""
        known = get_law(law)
        self.model = Model(known, Firm().on_scale(known.response))
        self.response = response
        self.rows, self.place = rows, {int(r): i for i, r in enumerate(rows)}
        self.pool, self.test = tasks.table(known, pool, response), tasks.table(known, test, response)
        self.frame = {k: lane_of(self.pool, self.model.noise, len(rows))[k] for k in ("centre", "scale")}

    def lane(self, table: Any, rows: int) -> dict[str, Any]:
        """Padded, contributions stated at the pool's centre whatever was bought."""
        return lane_of(table, self.model.noise, rows) | self.frame

    @cached_property
    def at_pool(self) -> dict[str, Any]:
        """The pool as a lane."""
        return self.lane(self.pool, len(self.rows))

    @cached_property
    def at_test(self) -> dict[str, Any]:
        """The rows to forecast."""
        return self.lane(self.test, len(self.test))

    def errors(self, bought: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The law's own error beyond the rows bought, by the record of public ladders: (DRAWS, pool) and (DRAWS, test)
        of the curve, and the variance that a run of the pool has besides; all zero where no input is a size."""
        law = self.model.law
        x = {s: v[bought] for s, v in self.pool.x.items()}
        if not len(bought) or not self.pool.logs:
            return np.zeros((DRAWS, len(self.pool))), np.zeros((DRAWS, len(self.test))), np.zeros(len(self.pool))
        median, spread = prior_of(law.name)
        weights = np.exp(-0.5 * (np.log(SCALES / median) / spread) ** 2)
        span = {s: (float(v.min()), float(v.max())) for s, v in _logs(law, x).items()}
        flat = np.ones(len(SCALES))
        beyond = Discrepancy(span, tuple(weights / weights.sum()), tuple(0.0 * flat), tuple(flat), 1.0, 0)
        target, near, own = beyond.told(law, self.test.x, self.pool.x, DRAWS, seed)
        return near, target, own

    def belief(self, bought: np.ndarray, seed: int, draws: bool = True) -> Belief:
        """After these rows of the unit; of none, the prior."""
        if not len(bought):
            prior = np.asarray(_prior(self.model, jax.random.split(jax.random.key(seed), DRAWS)))
            return Belief(prior.mean(axis=0), np.linalg.inv(np.cov(prior.T)), prior)
        some = self.pool.take(bought)
        lane = self.lane(some, next(b for b in BUCKETS if b >= len(some)))
        point = cascade.points(self.model, [lane], keys_of(seed, ["design"]))
        u, hessian = point.u[0], np.where(np.isfinite(point.hessian[0]), point.hessian[0], 0.0)
        curvature, axes = np.linalg.eigh(hessian)
        curvature = np.maximum(curvature, FLAT)
        whole = (axes * curvature) @ axes.T
        if not draws:
            return Belief(u, whole, u[None])
        rng = np.random.default_rng(seed)
        z = rng.standard_normal((TRIED, len(u))) * np.sqrt(TAILS / rng.chisquare(TAILS, TRIED))[:, None]
        tried = u + (z / np.sqrt(curvature)) @ axes.T
        log_q = -0.5 * (TAILS + len(u)) * np.log1p(np.sum(z**2, axis=1) / TAILS)
        log_w = np.asarray(_density(self.model, tried, lane)) - log_q
        log_w = np.minimum(log_w, np.quantile(log_w, 0.999))  # the heaviest few do not stand for all
        w = np.exp(log_w - log_w.max())
        keep = np.searchsorted(np.cumsum(w) / w.sum(), (np.arange(DRAWS) + rng.random()) / DRAWS)
        return Belief(u, whole, tried[np.minimum(keep, TRIED - 1)])

    def curves(self, u: np.ndarray, at: dict[str, Any]) -> np.ndarray:
        """(draws, rows) of the curve, in the response's unit."""
        return np.asarray(_curves(self.model, u, at))

    def slopes(self, u: np.ndarray, at: dict[str, Any]) -> np.ndarray:
        """(rows, size) of the curve on the noise's scale, by the flat vector."""
        return np.nan_to_num(np.asarray(_slopes(self.model, u, at)))

    def noise_at(self, u: np.ndarray) -> float:
        """Variance of a normal observation that tells as much as a run, over draws."""
        params = _params(self.model, u, self.at_pool)
        sigma, nu = (np.asarray(params[p]) for p in ("sigma", "nu"))
        return float(np.median(sigma**2 * (nu + 3.0) / (nu + 1.0)))


def _compiled(function):
    return jax.jit(function, static_argnums=0)


@_compiled
def _prior(model, keys):
    return jax.vmap(model.draw_prior)(keys)


@_compiled
def _density(model, u, lane):
    return jax.lax.map(lambda v: model.log_density(v, lane), u, batch_size=256)


@_compiled
def _curves(model, u, lane):
    return jax.lax.map(lambda v: model.mean_at(v, lane), u, batch_size=64)


@_compiled
def _slopes(model, u, lane):
    return jax.jacfwd(lambda v: model.noise.link(model.mean_at(v, lane)))(u)


@_compiled
def _params(model, u, lane):
    return jax.vmap(lambda v: model.parameters(model.coordinates(v), lane))(jnp.atleast_2d(u))
