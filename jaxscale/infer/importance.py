"""Laplace, then adaptive importance sampling with a Student-t whose moments follow the weights."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln

from jaxscale.batch import Lane
from jaxscale.infer.point import Point
from jaxscale.model import Model

DRAWS = 1000
ROUNDS = 4
MANY = 20_000  # of one round from settled moments, where chains have failed
CHUNK = 100  # of draws at a time, so that the temporaries (chunk x rows) stay in the cache
DF = 6  # even
LEAST_PRECISION = 1e-2  # in coordinates of order one: no prior of ours is wider than 10


class Proposal(NamedTuple):
    """Weighted draws, and the moments by which samplers whiten; of JAX inside the engine, of NumPy outside.

    Attributes:
        u: (DRAWS, size) draws of the last round.
        values: (DRAWS, params) their parameters.
        log_weight: (DRAWS,) not normalised.
        centre: (size,) weighted mean.
        factor: (size, size) lower triangular, covariance = factor factor'.
    """

    u: Any
    values: Any
    log_weight: Any
    centre: Any
    factor: Any


def laplace_factor(hessian: jax.Array) -> jax.Array:
    """A square root of the inverse Hessian, flat and negative directions capped; (size, size)."""
    curvature, axes = jnp.linalg.eigh(hessian)
    covariance = (axes / jnp.maximum(curvature, LEAST_PRECISION)[None, :]) @ axes.T
    return jnp.linalg.cholesky(covariance)


def importance(model: Model, lane: Lane, point: Point, key: jax.Array) -> Proposal:
    """ROUNDS of importance sampling of one lane, each from the truncated-weight moments of the one before."""
    size = model.size
    factor = laplace_factor(point.hessian)

    def round_(carry, key):
        centre, factor, *_ = carry
        u, log_weight = _weighed(model, lane, centre, factor, key, DRAWS)
        centre, factor = moments(u, log_weight, centre, factor)
        return (centre, factor, u, log_weight), None

    begin = (point.u, factor, jnp.zeros((DRAWS, size)), jnp.zeros(DRAWS))
    (centre, factor, u, log_weight), _ = jax.lax.scan(round_, begin, jax.random.split(key, ROUNDS))
    return Proposal(u, _values(model, lane, u), log_weight, centre, factor)


def importance_many(model: Model, lane: Lane, centre: jax.Array, factor: jax.Array, key: jax.Array) -> Proposal:
    """One round of MANY draws from given moments: what chains cannot walk, weights may still cover."""
    u, log_weight = _weighed(model, lane, centre, factor, key, MANY)
    return Proposal(u, _values(model, lane, u), log_weight, centre, factor)


def _values(model: Model, lane: Lane, u: jax.Array) -> jax.Array:
    return jax.vmap(lambda v: model.values(v, lane))(u)


def _weighed(model: Model, lane: Lane, centre: jax.Array, factor: jax.Array, key: jax.Array, count: int):
    """Draws of the Student-t, and their log weights."""
    z = student_t(key, count, model.size)
    u = centre[None, :] + z @ factor.T
    log_p = jax.lax.map(lambda v: model.log_density(v, lane), u, batch_size=CHUNK)
    log_q = t_log_density(z) - jnp.sum(jnp.log(jnp.abs(jnp.diag(factor))))
    return u, jnp.where(jnp.isfinite(log_p), log_p - log_q, -jnp.inf)


def moments(u: jax.Array, log_weight: jax.Array, centre: jax.Array, factor: jax.Array):
    """Moments under truncated weights (Ionides 2008); the old ones where these are of no use."""
    truncated = jnp.minimum(jax.nn.log_softmax(log_weight), -0.5 * jnp.log(float(u.shape[0])))
    weight = jax.nn.softmax(truncated)
    new_centre = weight @ u
    away = u - new_centre[None, :]
    new_factor = jnp.linalg.cholesky(away.T @ (weight[:, None] * away))
    usable = jnp.all(jnp.isfinite(new_factor)) & jnp.all(jnp.diag(new_factor) > 1e-9)
    return jnp.where(usable, new_centre, centre), jnp.where(usable, new_factor, factor)


def student_t(key: jax.Array, count: int, size: int) -> jax.Array:
    """Standard multivariate Student-t draws; (count, size)."""
    normal, uniform = jax.random.split(key)
    # chi-square with an even number of degrees of freedom; a gamma sampler takes ten times as long
    chi2 = -2.0 * jnp.log(jnp.prod(1.0 - jax.random.uniform(uniform, (count, DF // 2)), axis=1, keepdims=True))
    return jax.random.normal(normal, (count, size)) * jnp.sqrt(DF / chi2)


def t_log_density(z: jax.Array) -> jax.Array:
    """Standard multivariate Student-t; z (draws, size) -> (draws,)."""
    size = z.shape[1]
    constant = gammaln((DF + size) / 2.0) - gammaln(DF / 2.0) - 0.5 * size * jnp.log(DF * jnp.pi)
    return constant - 0.5 * (DF + size) * jnp.log1p(jnp.sum(z * z, axis=1) / DF)


def resample(proposal: Proposal, key: jax.Array, count: int) -> jax.Array:
    """`count` draws by weight; (count, size). Chains start from them."""
    chosen = jax.random.categorical(key, proposal.log_weight, shape=(count,))
    return proposal.u[chosen]
