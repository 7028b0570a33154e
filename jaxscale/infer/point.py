"""Point fits: Levenberg-Marquardt on reweighted residuals, then Newton; and the report of the basins.

For a Bayesian noise the point is the mode of the posterior; for least squares and Huber it is the
minimum of the summed loss, whose unit is taken out (per datum, in sizes of the residuals), so that the
result does not depend on whether a sum or a mean is minimised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxscale.batch import Lane
from jaxscale.infer.starts import starts
from jaxscale.model import Model
from jaxscale.noise import LeastSquares

LM_STEPS = 60
LM_GAIN = 1e-6  # relative: Newton takes over
MOST_DAMPING = 1e6
NEWTON_STEPS = 60
FINISH_STEPS = 1000
DONE = 1e-5  # of the decrement: one more step, taken without asking the objective, whose digits end here
SAME_BASIN = 1e-3  # of log density, or of the loss in its unit
CONVERGED = 1e-3  # Newton decrement: the step left, in posterior standard deviations
LARGEST_STEP = 2.0
LEAST_CURVATURE = 1e-12  # relative to the largest: flatter directions are walked as if this curved


class Point(NamedTuple):
    """The best point of one lane; arrays of JAX inside the engine, of NumPy outside.

    Attributes:
        u: (size,) flat vector.
        values: (params,) its parameters.
        objective: () minus log density, or summed loss.
        hessian: (size, size) of the objective.
        decrement: () Newton decrement: how far the optimum still is, in its own standard deviations.
        in_best: () share of the starts that reached the best basin.
        second: () objective of the second basin minus the best one; inf where there is none.
    """

    u: Any
    values: Any
    objective: Any
    hessian: Any
    decrement: Any
    in_best: Any
    second: Any


def find_point(model: Model, lane: Lane, key: jax.Array) -> Point:
    """Multi-start search of one lane."""
    begin = starts(model, lane, key)
    if isinstance(model.noise, LeastSquares):
        begin = jax.vmap(lambda u: _levenberg_marquardt(model, lane, u))(begin)
    objective, unit = _objective(model, lane, begin)
    ends, values, hessians, decrements = jax.vmap(lambda u: _newton(objective, u))(begin)
    best = jnp.argmin(values)
    gap = values - values[best]
    other = jnp.where(gap > SAME_BASIN, gap, jnp.inf).min()
    return Point(
        ends[best],
        model.values(ends[best], lane),
        values[best] * unit,
        hessians[best] * unit,
        decrements[best],
        jnp.mean(jnp.where(gap <= SAME_BASIN, 1.0, 0.0)),
        other * unit,
    )


def finish_point(model: Model, lane: Lane, point: Point) -> Point:
    """The same search from where it stopped, with more patience: flat valleys take hundreds of steps."""
    objective, unit = _objective(model, lane, point.u[None])
    u, value, hessian, decrement = _newton(objective, point.u, FINISH_STEPS)
    gain = point.objective - value * unit
    return Point(u, model.values(u, lane), value * unit, hessian * unit, decrement, point.in_best, point.second + gain)


def refine(model: Model, lane: Lane, u: jax.Array, more: Callable[[jax.Array], jax.Array] | None = None):
    """From a good start to the optimum: (u, objective in its unit, Hessian, decrement).

    `more` of the flat vector is added to the objective, as a pull towards some value.
    """
    if isinstance(model.noise, LeastSquares):
        u = _levenberg_marquardt(model, lane, u)
    objective, _ = _objective(model, lane, u[None])
    return _newton(objective if more is None else lambda v: objective(v) + more(v), u)


def _objective(model: Model, lane: Lane, begin: jax.Array) -> tuple[Callable[[jax.Array], jax.Array], jax.Array]:
    """What is minimised, in a unit of its own, and that unit."""
    if not isinstance(model.noise, LeastSquares):
        return (lambda u: -model.log_density(u, lane)), jnp.asarray(1.0)
    noise = model.noise

    def summed(u: jax.Array) -> jax.Array:
        total = jnp.sum(lane["w"] * noise.loss(noise.residual(model.mean_at(u, lane), lane)))
        return jnp.where(jnp.isfinite(total), total, 1e30)

    best = jnp.min(jax.vmap(summed)(begin))
    unit = jnp.maximum(best, 1e-16 * jnp.sum(lane["w"])) / jnp.sum(lane["w"])
    return (lambda u: summed(u) / unit), unit


def _levenberg_marquardt(model: Model, lane: Lane, u: jax.Array) -> jax.Array:
    """Reweighted least squares with Marquardt damping; robust losses from far away need it before Newton."""
    noise = model.noise
    assert isinstance(noise, LeastSquares)

    def residual(u: jax.Array) -> jax.Array:
        return noise.residual(model.mean_at(u, lane), lane)

    def cost(r: jax.Array) -> jax.Array:
        total = jnp.sum(lane["w"] * noise.loss(r))
        return jnp.where(jnp.isfinite(total), total, jnp.inf)

    def step(carry):
        count, u, r, value, damping, _ = carry
        slopes = jax.jacfwd(residual)(u)
        weight = lane["w"] * noise.weight(r)
        gram = slopes.T @ (weight[:, None] * slopes)
        slope = slopes.T @ (weight * r)
        ridge = damping * jnp.diag(gram) + 1e-12 * jnp.max(jnp.diag(gram))
        move = jnp.clip(-jnp.linalg.solve(gram + jnp.diag(ridge), slope), -LARGEST_STEP, LARGEST_STEP)
        move = jnp.where(jnp.all(jnp.isfinite(move)), move, 0.0)
        new_r = residual(u + move)
        new = cost(new_r)
        better = new < value
        damping = jnp.clip(jnp.where(better, damping * 0.2, damping * 5.0), 1e-12, MOST_DAMPING)
        keep = lambda a, b: jnp.where(better, a, b)  # noqa: E731
        gained = jnp.where(better, (value - new) / value, 1.0)
        return count + 1, keep(u + move, u), keep(new_r, r), keep(new, value), damping, gained

    def unfinished(carry):
        return (carry[0] < LM_STEPS) & (carry[-1] > LM_GAIN) & (carry[-2] < MOST_DAMPING)

    r = residual(u)
    begin = (0, u, r, cost(r), jnp.asarray(1e-2), jnp.asarray(1.0))
    return jax.lax.while_loop(unfinished, step, begin)[1]


def _newton(objective: Callable[[jax.Array], jax.Array], u: jax.Array, most: int = NEWTON_STEPS):
    """Damped Newton with the eigenvalues' absolute values, so that saddles are left downhill."""
    slope = jax.grad(objective)

    def parts(u):
        """Gradient in the eigenbasis of the Hessian: one compiled Hessian serves search and report."""
        hessian = jax.jacfwd(slope)(u)
        hessian = jnp.where(jnp.all(jnp.isfinite(hessian)), hessian, jnp.eye(u.shape[0]))
        curvature, axes = jnp.linalg.eigh(hessian)
        return hessian, curvature, axes, axes.T @ jnp.nan_to_num(slope(u))

    def step(carry):
        count, u, value, damping, _, _ = carry
        hessian, curvature, axes, along = parts(u)
        steep = jnp.maximum(jnp.abs(curvature), LEAST_CURVATURE * jnp.max(jnp.abs(curvature)))
        left = jnp.sqrt(jnp.sum(along * along / steep))
        move = jnp.clip(-(axes @ (along / (steep + damping))), -LARGEST_STEP, LARGEST_STEP)
        new = objective(u + move)
        better = (new < value) | ((left < DONE) & jnp.isfinite(new))
        damping = jnp.clip(jnp.where(better, damping * 0.2, damping * 8.0), 1e-12, 1e9)
        u, value = jnp.where(better, u + move, u), jnp.where(better, new, value)
        return count + 1, u, value, damping, hessian, left

    def unfinished(carry):
        return (carry[0] < most) & (carry[-1] > DONE)

    begin = (0, u, objective(u), jnp.asarray(1.0), jnp.eye(u.shape[0]), jnp.asarray(jnp.inf))
    # the last step's Hessian and decrement are those of the point it started from: at convergence the same
    _, u, value, _, hessian, left = jax.lax.while_loop(unfinished, step, begin)
    return u, value, hessian, left
