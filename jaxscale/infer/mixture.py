"""Importance sampling by a mixture of Student-ts that learns from its own weights (Cappe et al. 2008).

A bent or two-humped posterior is no single Student-t, and chains whitened by one walk along it slowly. Many small ones
cover it: they start at draws of chains that have not converged, and each round moves them to where the weights are.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.scipy.special import logsumexp

from jaxscale.batch import Lane
from jaxscale.infer.importance import CHUNK, DF, Proposal, moments, student_t, t_log_density
from jaxscale.model import Model

KINDS = 24
BY_DRAWS = 15  # rounds of learning from the draws as they are
ROUNDS, KEPT = 10, 4  # rounds that learn from weights, and rounds from what was learned, whose draws are kept
DRAWS = 4000  # of a round
NARROWER = 0.5  # times the sd of the draws that a kind starts from
LEAST = 0.2 / KINDS  # weight of a kind, so that none dies
OWN = 2.0  # effective draws a dimension, by which a kind's shape is half its own and half everyone's
FIRM = 1e-8  # of a coordinate of order one, added to every variance
SEEN = 1e-4  # weight below which a kind has nothing to learn from
TEACHES = 5.0  # effective draws a dimension, below which weights teach nothing


class Kinds(NamedTuple):
    """Of a mixture: log_weight (KINDS,), centre (KINDS, size), factor (KINDS, size, size) lower triangular."""

    log_weight: jax.Array
    centre: jax.Array
    factor: jax.Array


def fitted(draws: jax.Array, key: jax.Array) -> Kinds:
    """The mixture of unweighted draws (n, size), by expectation and maximisation."""
    size = draws.shape[1]
    covariance = jnp.cov(draws.T).reshape(size, size) + FIRM * jnp.eye(size)
    factor = jnp.linalg.cholesky(covariance)
    chosen = jax.random.choice(key, draws.shape[0], (KINDS,), replace=False)
    even = jnp.full(KINDS, -jnp.log(float(KINDS)))
    kinds = Kinds(even, draws[chosen], jnp.tile(NARROWER * factor[None], (KINDS, 1, 1)))

    def round_(kinds: Kinds, _: None):
        return _learned(kinds, draws, jnp.zeros(draws.shape[0]), *_parts(kinds, draws)), None

    return jax.lax.scan(round_, kinds, None, BY_DRAWS)[0]


def mixture(model: Model, lane: Lane, draws: jax.Array, key: jax.Array) -> tuple[Kinds, Proposal]:
    """The mixture that covers a lane's posterior, and weighted draws from it.

    Args:
        model: law and noise.
        lane: one table.
        draws: (n, size) roughly from the posterior.
        key: random key.

    Returns:
        What was learned; KEPT rounds of draws with their weights, and the moments of all.
    """
    first, rounds = jax.random.split(key)

    def round_(kinds: Kinds, step: tuple[jax.Array, jax.Array]):
        key, learns = step
        u, log_weight, parts, away = _weighed(model, lane, kinds, key)
        effective = jnp.exp(-logsumexp(2.0 * jax.nn.log_softmax(log_weight)))
        learns = learns & (effective > TEACHES * model.size)
        learned = _learned(kinds, u, log_weight, parts, away)
        kinds = jax.tree.map(lambda new, old: jnp.where(learns, new, old), learned, kinds)
        return kinds, (u, log_weight)

    learns = jnp.arange(ROUNDS + KEPT) < ROUNDS
    kinds, found = jax.lax.scan(round_, fitted(draws, first), (jax.random.split(rounds, ROUNDS + KEPT), learns))
    u, log_weight = found[0][ROUNDS:].reshape(-1, model.size), found[1][ROUNDS:].ravel()
    values = jax.vmap(lambda v: model.values(v, lane))(u)
    away = draws - jnp.mean(draws, axis=0)[None]
    factor = jnp.linalg.cholesky(away.T @ away / draws.shape[0] + FIRM * jnp.eye(model.size))
    return kinds, Proposal(u, values, log_weight, *moments(u, log_weight, jnp.mean(draws, axis=0), factor))


def drawn(kinds: Kinds, key: jax.Array, count: int) -> jax.Array:
    """Draws (count, size) of a mixture."""
    pick, kick = jax.random.split(key)
    kind = jax.random.categorical(pick, kinds.log_weight, shape=(count,))
    z = student_t(kick, count, kinds.centre.shape[1])
    return kinds.centre[kind] + jnp.einsum("nij,nj->ni", kinds.factor[kind], z)


def _weighed(model: Model, lane: Lane, kinds: Kinds, key: jax.Array):
    """Draws (DRAWS, size), their log weights, and what `_parts` says of them."""
    u = drawn(kinds, key, DRAWS)
    parts, away = _parts(kinds, u)
    log_p = jax.lax.map(lambda v: model.log_density(v, lane), u, batch_size=CHUNK)
    log_weight = jnp.where(jnp.isfinite(log_p), log_p - logsumexp(parts, axis=1), -jnp.inf)
    return u, log_weight, parts, away


def _parts(kinds: Kinds, u: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Of each kind its part of the log density at u (n, size), and their squared distance from it; (n, KINDS)."""
    whitened = jax.vmap(lambda centre, factor: solve_triangular(factor, (u - centre[None]).T, lower=True).T)(*kinds[1:])
    slope = jnp.sum(jnp.log(jnp.diagonal(kinds.factor, axis1=1, axis2=2)), axis=1)
    parts = (kinds.log_weight[:, None] + jax.vmap(t_log_density)(whitened) - slope[:, None]).T
    return parts, jnp.sum(whitened**2, axis=-1).T


def _learned(kinds: Kinds, u: jax.Array, log_weight: jax.Array, parts: jax.Array, away: jax.Array) -> Kinds:
    """One step of expectation and maximisation under truncated weights; a kind that met nothing stays as it was."""
    count, size = u.shape
    log_share = jax.nn.log_softmax(log_weight)
    share = jax.nn.softmax(jnp.minimum(log_share, -0.5 * jnp.log(float(count))))
    belongs = jax.nn.softmax(parts, axis=1) * share[:, None]
    weight = jnp.sum(belongs, axis=0)
    pull = belongs * (DF + size) / (DF + away)  # of a Student-t: what lies far off counts less
    centre = (pull.T @ u) / (jnp.sum(pull, axis=0)[:, None] + 1e-300)
    off = u[:, None, :] - centre[None]
    spread = jnp.einsum("nk,nki,nkj->kij", pull, off, off)
    everyone = jnp.sum(spread, axis=0)
    effective = weight / jnp.sum(jnp.exp(2.0 * log_share))
    own = (effective / (effective + OWN * size))[:, None, None]
    spread = own * spread / (weight[:, None, None] + 1e-300) + (1.0 - own) * everyone[None]
    factor = jnp.linalg.cholesky(spread + FIRM * jnp.eye(size)[None])
    usable = jnp.all(jnp.isfinite(factor), axis=(1, 2)) & jnp.all(jnp.isfinite(centre), axis=1) & (weight > SEEN)
    log_kept = jnp.log(jnp.maximum(jnp.where(jnp.isfinite(weight), weight, 0.0), LEAST))
    return Kinds(
        log_kept - logsumexp(log_kept),
        jnp.where(usable[:, None], centre, kinds.centre),
        jnp.where(usable[:, None, None], factor, kinds.factor),
    )
