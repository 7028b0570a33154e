"""The one solver: the best point of a box, for every draw at once.

A coarse grid finds the basin, closing grids find its bottom, and Newton's steps find it to the last digits. Dimensions
are few (at most five); draws are many.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.decide.problem import KINDS, Frame, Numbers, objective, place
from jaxscale.runtime import compiled

GRID = {1: 257, 2: 49, 3: 15, 4: 9, 5: 6}  # points a dimension of the coarse grid
CLOSER = {1: (19, 9.0, 4), 2: (7, 2.5, 10), 3: (5, 1.9, 14), 4: (3, 1.6, 24), 5: (3, 1.5, 26)}  # points, factor, rounds
NEWTON = 8
STEPS = (1.0, 0.3, 0.05)  # shares of Newton's step that are tried
LANES, FEW = 512, 16  # lanes at once: many for memory's sake, few so that small questions share a program


class Solved(NamedTuple):
    """Best points.

    Attributes:
        x: (draws, dimensions).
        value: (draws,), lower being better.
        slope: (draws,), the largest derivative of log |value| that is not held by the box, by a unit of x.
    """

    x: np.ndarray
    value: np.ndarray
    slope: np.ndarray


def solve(frame: Frame, theta: Mapping[str, np.ndarray], numbers: Numbers, low: np.ndarray, high: np.ndarray) -> Solved:
    """The point of the box with the lowest objective.

    Args:
        frame: the question.
        theta: parameter -> (lanes, draws): each lane minimises the mean over its draws.
        numbers: with `budget` of shape (lanes,).
        low, high: (lanes, dimensions), the box; equal where a coordinate is held.
    """
    lanes = len(numbers.budget)
    if not frame.free:
        x = np.zeros((lanes, 0))
        return Solved(x, np.asarray(_values(frame, dict(theta), x, numbers)), np.zeros(lanes))
    size, out = LANES if lanes > 4 * FEW else FEW, []
    for start in range(0, lanes, size):
        rows = np.arange(start, start + size) % lanes  # the last part is filled up, so that one program serves all
        part = {p: v[rows] for p, v in theta.items()}
        mine = numbers._replace(budget=numbers.budget[rows])
        found = jax.device_get(_solve(frame, part, mine, low[rows], high[rows]))
        out.append([v[: lanes - start] for v in found])
    return Solved(*(np.concatenate(parts) for parts in zip(*out, strict=True)))


def _axes() -> Numbers:
    return Numbers(0, None, None, None, None, None, None)  # pyright: ignore[reportArgumentType]


@compiled(static=(0,))
def _solve(frame: Frame, theta: dict[str, jax.Array], numbers: Numbers, low: jax.Array, high: jax.Array) -> Solved:
    one = functools.partial(_one, frame)
    return jax.vmap(one, in_axes=(0, _axes(), 0, 0))(theta, numbers, low, high)


def _one(frame: Frame, theta: dict[str, jax.Array], numbers: Numbers, low: jax.Array, high: jax.Array) -> Solved:
    dims = len(frame.free)

    def value(x: jax.Array) -> jax.Array:
        found = objective(frame, theta, x, numbers)
        return jnp.where(jnp.isnan(found), jnp.inf, found)

    points, factor, rounds = CLOSER[dims]
    coarse, fine = _stencil(GRID[dims], dims, 0.0, 1.0), _stencil(points, dims, -1.0, 1.0)
    at = low[None, :] + coarse * (high - low)[None, :]
    x = at[jnp.argmin(jax.vmap(value)(at))]

    def closer(_: int, state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x, step = state
        around = jnp.clip(x[None, :] + fine * step[None, :], low[None, :], high[None, :])
        return around[jnp.argmin(jax.vmap(value)(around))], step / factor

    x, _ = jax.lax.fori_loop(0, rounds, closer, (x, (high - low) / (GRID[dims] - 1)))
    gradient, curvature = jax.grad(value), jax.hessian(value)

    def held(x: jax.Array, g: jax.Array) -> jax.Array:
        near = 1e-12 * jnp.maximum(1.0, jnp.abs(x))
        return ((x <= low + near) & (g >= 0.0)) | ((x >= high - near) & (g <= 0.0))

    def newton(_: int, x: jax.Array) -> jax.Array:
        g, h = gradient(x), curvature(x)
        stay = held(x, g)
        eye = jnp.eye(dims)
        h = jnp.where(stay[:, None] | stay[None, :], eye, h)
        step = -jnp.linalg.solve(h + 1e-14 * jnp.trace(jnp.abs(h)) * eye, jnp.where(stay, 0.0, g))
        tries = jnp.clip(x[None, :] + jnp.asarray(STEPS)[:, None] * step[None, :], low[None, :], high[None, :])
        values = jax.vmap(value)(tries)
        best = jnp.argmin(values)
        now = value(x)
        better = values[best] <= now + 1e-14 * jnp.abs(now)
        return jnp.where(better & jnp.isfinite(tries[best]).all(), tries[best], x)

    x = jax.lax.fori_loop(0, NEWTON, newton, x)
    g = gradient(x)
    now = value(x)
    slope = jnp.max(jnp.where(held(x, g), 0.0, jnp.abs(g)), initial=0.0) / jnp.maximum(jnp.abs(now), 1e-300)
    return Solved(x, now, slope)  # pyright: ignore[reportArgumentType]


def _stencil(points: int, dims: int, low: float, high: float) -> np.ndarray:
    """(points^dims, dims) on a regular grid."""
    axes = np.meshgrid(*[np.linspace(low, high, points)] * dims, indexing="ij")
    return np.stack([a.ravel() for a in axes], axis=1)


@compiled(static=(0,))
def _values(frame: Frame, theta: dict[str, jax.Array], x: jax.Array, numbers: Numbers) -> jax.Array:
    one = lambda t, point, n: objective(frame, t, point, n)  # noqa: E731
    return jax.vmap(one, in_axes=(0, 0, _axes()))(theta, x, numbers)


@compiled(static=(0,))
def places(frame: Frame, x: jax.Array, numbers: Numbers) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """`problem.place` at each of (lanes, dimensions), with a budget each and every kind of limit."""
    at, fine = jax.vmap(functools.partial(place, frame), in_axes=(0, _axes()))(x, numbers)
    shape = x.shape[:1]
    return {c: jnp.broadcast_to(v, shape) for c, v in at.items()}, {
        kind: jnp.broadcast_to(fine.get(kind, True), shape) for kind in KINDS
    }
