"""Where searches begin: many draws of the nonlinear coordinates, the linear ones solved (variable projection)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxscale.batch import Lane
from jaxscale.model import Model
from jaxscale.noise import LeastSquares

STARTS_A_DIMENSION = 2  # of what is searched, after the linear coordinates are solved and the noise is settled
LEAST_STARTS = 4
CANDIDATES_A_START = 16
RIDGE = 1e-9
LEAST_COORDINATE = 1e-3
NU_START = 5.0


def starts(model: Model, lane: Lane, key: jax.Array) -> jax.Array:
    """The best candidate of each of some groups; (starts, size).

    The nonlinear coordinates are drawn from the prior, the linear ones are non-negative weighted
    least squares given them, and the noise's scale is that of the residuals.
    """
    searched = len(model.law.free) - len(model.linear)
    count = max(LEAST_STARTS, STARTS_A_DIMENSION * searched)
    candidates = jax.vmap(model.draw_prior)(jax.random.split(key, count * CANDIDATES_A_START))
    solved = jax.vmap(lambda u: solve_linear(model, lane, u))(candidates)
    scored, score = jax.vmap(lambda u: _settle_noise(model, lane, u))(solved)
    score = jnp.where(jnp.isfinite(score), score, jnp.inf).reshape(count, -1)
    best = jnp.argmin(score, axis=1)
    return scored.reshape(count, -1, model.size)[jnp.arange(count), best]


def solve_linear(model: Model, lane: Lane, u: jax.Array) -> jax.Array:
    """Replace the linear coordinates of u by their non-negative weighted least squares."""
    if not model.linear:
        return u
    sites = [model.sites[i] for i in model.linear]

    def mean(linear: jax.Array) -> jax.Array:
        coordinates = model.coordinates(u) | {s.name: linear[i] for i, s in enumerate(sites)}
        return model.mean(model.parameters(coordinates, lane), lane["x"])

    ones = jnp.ones(len(sites))
    basis = jax.jacfwd(mean)(ones)  # the mean is linear, so anywhere will do, and 0^(1/alpha) has no slope
    y, weight = _raw_target(model, lane)
    target = y - (mean(ones) - basis.sum(axis=1))
    gram = basis.T @ (weight[:, None] * basis)
    moment = basis.T @ (weight * target)
    active = jnp.ones(len(sites), dtype=bool)
    solution = ones
    for _ in sites:  # drop what comes out negative, solve again
        masked = jnp.where(active[:, None] & active[None, :], gram, 0.0)
        ridge = jnp.where(active, RIDGE * jnp.diag(gram), 1.0)
        solution = jnp.linalg.solve(masked + jnp.diag(ridge), jnp.where(active, moment, 0.0))
        active = active & (solution > 0.0)
    solution = jnp.maximum(solution, LEAST_COORDINATE)
    return model.flat(model.coordinates(u) | {s.name: solution[i] for i, s in enumerate(sites)})


def _raw_target(model: Model, lane: Lane) -> tuple[jax.Array, jax.Array]:
    """The response in its own unit, and weights that make its errors those of the noise's scale."""
    if "trials" in lane:
        return lane["y"] / lane["trials"], lane["w"] * lane["trials"]
    y = model.noise.unlink(lane["y"])
    return y, lane["w"] / (y * y) if model.noise.on == "log" else lane["w"]


def _settle_noise(model: Model, lane: Lane, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Set the noise's coordinates from the residuals; the score is their mean absolute size."""
    r = model.noise.residual(model.mean_at(u, lane), lane)
    size = jnp.sum(lane["w"] * jnp.abs(r)) / jnp.sum(lane["w"])
    unit = lane["scale"] if model.noise.on == "raw" else jnp.asarray(1.0)
    begin = {"sigma": jnp.maximum(size, 1e-5 * unit) / unit, "nu": jnp.asarray(NU_START)}
    if not isinstance(model.noise, LeastSquares):
        for i, site in enumerate(model.sites):
            if site.param in begin and site.param in model.noise.priors:
                u = u.at[i].set(site.bijector.back(begin[site.param]))
    return u, size
