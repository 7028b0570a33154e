"""Collapsed importance sampling: only what the mean is not linear in is searched.

Given exponents and noise, the linear coordinates (floor and amounts) are nearly Gaussian, however bent
their joint posterior with the exponents is. So a Student-t proposes the nonlinear part, the linear part
follows from its own Gauss-Newton solution given it, and exact weights mend both approximations. It
reaches posteriors whose floor bends away into nothing, where chains stick.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from jaxscale.batch import Lane
from jaxscale.infer.importance import CHUNK, Proposal, moments, student_t, t_log_density
from jaxscale.infer.starts import ends, solve_linear
from jaxscale.model import Model

ROUNDS = 3
DRAWS = 1000
LAST = 5000  # draws of the last round
GAUSS_NEWTON_STEPS = 2
LEAST_PRECISION = 1e-2  # of a coordinate of order one


def collapsed(model: Model, lane: Lane, centre: jax.Array, factor: jax.Array, key: jax.Array) -> Proposal:
    """Weighted draws of one lane; needs a law with linear parameters.

    Args:
        model: law and noise.
        lane: one table.
        centre, factor: (size,), (size, size) moments of importance sampling, from which the nonlinear part starts.
        key: random key.

    Returns:
        LAST draws with their weights; the moments are those of all coordinates.
    """
    bent = jnp.array([i for i in range(model.size) if i not in model.linear], dtype=int)
    covariance = factor @ factor.T
    start = centre[bent], jnp.linalg.cholesky(covariance[jnp.ix_(bent, bent)])

    def round_(carry, key):
        centre, factor = carry
        u, log_weight = _weighed(model, lane, bent, centre, factor, key, DRAWS)
        return moments(u[:, bent], log_weight, centre, factor), None

    first, last = jax.random.split(key)
    (centre_bent, factor_bent), _ = jax.lax.scan(round_, start, jax.random.split(first, ROUNDS))
    u, log_weight = _weighed(model, lane, bent, centre_bent, factor_bent, last, LAST)
    values = jax.vmap(lambda v: model.values(v, lane))(u)
    return Proposal(u, values, log_weight, *moments(u, log_weight, centre, factor))


def _weighed(model: Model, lane: Lane, bent: jax.Array, centre: jax.Array, factor: jax.Array, key, count: int):
    """Draws of the flat vector and their log weights."""
    outer, inner = jax.random.split(key)
    z = student_t(outer, count, len(bent))
    log_q = t_log_density(z) - jnp.sum(jnp.log(jnp.diag(factor)))
    kicks = student_t(inner, count, len(model.linear))

    def one(draw):
        v, kick = draw
        u, log_target, log_conditional = _complete(model, lane, bent, v, kick)
        return u, log_target - log_conditional

    u, log_ratio = jax.lax.map(one, (centre[None, :] + z @ factor.T, kicks), batch_size=CHUNK)
    log_weight = log_ratio - log_q
    usable = jnp.isfinite(log_weight) & jnp.all(jnp.isfinite(u), axis=1)
    return jnp.where(usable[:, None], u, 0.0), jnp.where(usable, log_weight, -jnp.inf)


def _complete(model: Model, lane: Lane, bent: jax.Array, v: jax.Array, kick: jax.Array):
    """Draw the linear coordinates given the nonlinear part v: (u, log target, log conditional density)."""
    sites = [model.sites[i] for i in model.linear]
    u = solve_linear(model, lane, jnp.zeros(model.size).at[bent].set(v))
    rest = model.coordinates(u)
    slope = sum(model.sites[i].bijector.log_slope(u[i]) for i in range(model.size) if i not in model.linear)

    def coordinates(linear: jax.Array):
        return rest | {s.name: linear[i] for i, s in enumerate(sites)}

    def mean(linear: jax.Array) -> jax.Array:
        return model.mean(model.parameters(coordinates(linear), lane), lane["x"])

    def prior(linear: jax.Array) -> jax.Array:
        return jnp.sum(jnp.stack([jnp.asarray(s.prior.dist.log_prob(linear[i])) for i, s in enumerate(sites)]))

    lower, upper = ends(model)
    begin = jnp.stack([rest[s.name] for s in sites])
    basis = jax.jacfwd(mean)(begin)
    noise = model.parameters(rest, lane)
    fit = jax.grad(lambda m: model.noise.summed(m, noise, lane))

    def gauss_newton(linear: jax.Array):
        # rows do not mix, so the Hessian times ones is its diagonal; outliers curve the wrong way and count nothing
        score, curvature = jax.jvp(fit, (mean(linear),), (jnp.ones(basis.shape[0]),))
        precision = (basis * jnp.maximum(-curvature, 0.0)[:, None]).T @ basis
        own, bend = jax.jvp(jax.grad(prior), (linear,), (jnp.ones(len(sites)),))
        precision = precision + jnp.diag(jnp.maximum(-bend, LEAST_PRECISION))
        root = jnp.linalg.cholesky(precision)
        step = jax.scipy.linalg.cho_solve((root, True), basis.T @ score + own)
        return linear + step, root

    linear = begin
    for _ in range(GAUSS_NEWTON_STEPS):
        linear = jnp.clip(gauss_newton(linear)[0], lower, upper)
    root = gauss_newton(linear)[1]
    drawn = linear + jax.scipy.linalg.solve_triangular(root.T, kick, lower=False)
    log_conditional = t_log_density(kick[None, :])[0] + jnp.sum(jnp.log(jnp.diag(root)))
    inside = jnp.all((drawn > jnp.where(jnp.isfinite(lower), 0.0, lower)) & (drawn < jnp.ceil(upper)))
    drawn = jnp.where(inside, drawn, linear)
    log_target = model.log_joint(coordinates(drawn), lane) + slope
    return model.flat(coordinates(drawn)), jnp.where(inside, log_target, -jnp.inf), log_conditional
