"""How far a decision moves without each of the runs, by one Newton step from the mode instead of a fit each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane
from jaxscale.law import Law
from jaxscale.model import Model
from jaxscale.runtime import emptied_for_room

LOG_6 = float(np.log(6.0))
# Log inputs along a budget, of log parameters x and log compute c, by 6 N D.
ALONG: Mapping[str, Callable[[Any, Any], Any]] = {
    "params": lambda x, c: x,
    "tokens": lambda x, c: c - LOG_6 - x,
    "flops": lambda x, c: c + 0.0 * x,
    "tokens_per_param": lambda x, c: c - LOG_6 - 2.0 * x,
}
RATIOS = (1e-4, 1e7)  # tokens per parameter that are searched
GRID, STEPS = 257, 8
LEAST_CURVATURE = 1e-3  # in inverse squares of the flat vector's unit: flatter directions are taken for that
# Least share of the curvature, in any direction, that is taken to be left without a run: where less is, a step from
# the mode reaches far too far.
LEAST_LEFT = 0.5


@dataclass(frozen=True)
class Influence:
    """What each run does to one number.

    Attributes:
        target: "N*", or "forecast" where the law has no optimum along a budget.
        at: log N* at the mode, or the forecast on the scale of the noise.
        moves: (n,) change of that without each run.
        sd: its posterior standard deviation, by the curvature at the mode.
        spreads: parameter -> its posterior standard deviation, likewise.
    """

    target: str
    at: float
    moves: np.ndarray
    sd: float
    spreads: dict[str, float]


def influence(model: Model, lane: Lane, u: np.ndarray, hessian: np.ndarray, compute: float, row: int) -> Influence:
    """Of every run on N* under a budget, or on the forecast for a row.

    Args:
        model: law and noise, whose rows are independent.
        lane: one padded lane.
        u: (size,) the mode.
        hessian: (size, size) of minus the log density there.
        compute: training FLOP of the budget.
        row: what is forecast where there is no N*.
    """
    n = int(np.sum(np.asarray(lane["w"]) > 0))
    out = _program(model)(lane, jnp.asarray(u), np.log(compute), np.asarray(row))
    size, inside, by_size, forecast, by_row, by_value, slopes, bends = (np.asarray(v) for v in out)
    target, at, gradient = ("N*", size, by_size) if inside else ("forecast", forecast, by_row)
    curvature, axes = np.linalg.eigh(np.where(np.isfinite(hessian), hessian, 0.0))
    whitened = axes / np.sqrt(np.maximum(curvature, LEAST_CURVATURE))
    inverse = whitened @ whitened.T
    left, along = np.linalg.eigh(np.eye(len(u)) + whitened.T @ bends[:n] @ whitened)
    towards = np.einsum("nji,jk,nk->ni", along, whitened.T, slopes[:n]) / np.maximum(left, LEAST_LEFT)
    steps = -np.einsum("jk,nki,ni->nj", whitened, along, towards)
    spreads = np.sqrt(np.einsum("pi,ij,pj->p", by_value, inverse, by_value))
    named = dict(zip(model.params, spreads.tolist(), strict=True))
    sd = float(np.sqrt(gradient @ inverse @ gradient))
    return Influence(target, float(at), steps @ gradient, sd, named)


def answer(model: Model, lane: Lane, u: np.ndarray, compute: float, row: int, target: str) -> float:
    """`Influence.at` at another flat vector, such as that of a fit without a run."""
    out = _program(model)(lane, jnp.asarray(u), np.log(compute), np.asarray(row))
    return float(out[0] if target == "N*" else out[3])


def splits(law: Law) -> bool:
    """Whether a law's inputs follow from a budget and a number of parameters."""
    return all(v.column in ALONG and v.axis == "log" for v in law.inputs.values())


def best_size(model: Model, lane: Lane, u: np.ndarray, compute: float) -> float:
    """log N* at a flat vector, under any noise; NaN where it lies at an end of what is searched."""
    at, inside, _ = _best(model)(jnp.asarray(u), lane, np.log(compute))
    return float(at) if inside else float("nan")


@emptied_for_room
@functools.lru_cache(maxsize=64)
def _best(model: Model) -> Callable[..., Any]:
    return jax.jit(_optimum(model))


def _optimum(model: Model) -> Callable[..., tuple[jax.Array, jax.Array, jax.Array]]:
    """From u, a lane and log compute to log N*, whether it lies inside what was searched, and its gradient by u."""
    law = model.law

    def params(u: jax.Array, lane: Lane) -> dict[str, Any]:
        return model.parameters(model.coordinates(u), lane)

    def along(u: jax.Array, lane: Lane, x: Any, c: Any) -> jax.Array:
        inputs = {s: ALONG[v.column](x, c) - float(np.log(v.per)) for s, v in law.inputs.items()}
        return jnp.log(model.mean(params(u, lane), inputs))

    def optimum(u: jax.Array, lane: Lane, c: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        grid = 0.5 * (c - LOG_6 - jnp.linspace(np.log(RATIOS[1]), np.log(RATIOS[0]), GRID))
        best = jnp.argmin(along(u, lane, grid, c))
        slope = jax.grad(lambda x, u: along(u, lane, x, c))
        step = grid[1] - grid[0]

        def newton(_: int, x: jax.Array) -> jax.Array:
            return x - jnp.clip(slope(x, u) / jax.grad(slope)(x, u), -step, step)

        x = jax.lax.fori_loop(0, STEPS, newton, grid[best])
        gradient = -jax.jacfwd(slope, argnums=1)(x, u) / jax.grad(slope)(x, u)
        return x, (best > 0) & (best < GRID - 1), gradient

    return optimum


@emptied_for_room
@functools.lru_cache(maxsize=64)
def _program(model: Model) -> Callable[..., Any]:
    law, optimum = model.law, _optimum(model)

    def run(lane: Lane, u: jax.Array, c: jax.Array, row: jax.Array) -> tuple[Any, ...]:
        rows = lambda u: model.log_likelihood(u, lane)  # noqa: E731
        slopes = jax.jacfwd(rows)(u)
        bends = jax.jacfwd(jax.jacfwd(rows))(u)
        by_value = jax.jacfwd(lambda u: model.values(u, lane))(u)
        forecast = lambda u: model.noise.link(model.mean_at(u, lane))[row]  # noqa: E731
        nothing = jnp.asarray(0.0), jnp.asarray(False), jnp.zeros_like(u)
        best = optimum(u, lane, c) if splits(law) else nothing
        return *best, forecast(u), jax.jacfwd(forecast)(u), by_value, slopes, bends

    return jax.jit(run)
