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
ROUNDS, KEPT = 20, 4  # rounds that learn, and rounds from what was learned, whose draws are kept
DRAWS = 4000  # of a round
NARROWER = 0.5  # times the sd of the draws that a kind starts from
LEAST = 0.2 / KINDS  # weight of a kind, so that none dies
OWN = 2.0  # effective draws a dimension, by which a kind's shape is half its own and half everyone's
FIRM = 1e-8  # of a coordinate of order one, added to every variance
SEEN = 1e-4  # weight below which a kind has nothing to learn from


class Kinds(NamedTuple):
    """Of a mixture: log_weight (KINDS,), centre (KINDS, size), factor (KINDS, size, size) lower triangular."""

    log_weight: jax.Array
    centre: jax.Array
    factor: jax.Array


def mixture(model: Model, lane: Lane, draws: jax.Array, key: jax.Array) -> Proposal:
    """Weighted draws of one lane.

    Args:
        model: law and noise.
        lane: one table.
        draws: (n, size) roughly from the posterior.
        key: random key.

    Returns:
        KEPT rounds of draws with their weights, and the moments of all.
    """
    first, rounds = jax.random.split(key)
    covariance = jnp.cov(draws.T).reshape(model.size, model.size) + FIRM * jnp.eye(model.size)
    factor = jnp.linalg.cholesky(covariance)
    chosen = jax.random.choice(first, draws.shape[0], (KINDS,), replace=False)
    kinds = Kinds(
        jnp.full(KINDS, -jnp.log(float(KINDS))), draws[chosen], jnp.tile(NARROWER * factor[None], (KINDS, 1, 1))
    )

    def round_(kinds: Kinds, step: tuple[jax.Array, jax.Array]):
        key, learns = step
        u, log_weight, parts, away = _weighed(model, lane, kinds, key)
        learned = _learned(kinds, u, log_weight, parts, away)
        kinds = jax.tree.map(lambda new, old: jnp.where(learns, new, old), learned, kinds)
        return kinds, (u, log_weight)

    learns = jnp.arange(ROUNDS + KEPT) < ROUNDS
    _, found = jax.lax.scan(round_, kinds, (jax.random.split(rounds, ROUNDS + KEPT), learns))
    u, log_weight = found[0][ROUNDS:].reshape(-1, model.size), found[1][ROUNDS:].ravel()
    values = jax.vmap(lambda v: model.values(v, lane))(u)
    return Proposal(u, values, log_weight, *moments(u, log_weight, jnp.mean(draws, axis=0), factor))


def _weighed(model: Model, lane: Lane, kinds: Kinds, key: jax.Array):
    """Draws (DRAWS, size), their log weights, and of each kind its part of their log density and their squared distance
    from it, (DRAWS, KINDS)."""
    pick, kick = jax.random.split(key)
    kind = jax.random.categorical(pick, kinds.log_weight, shape=(DRAWS,))
    z = student_t(kick, DRAWS, model.size)
    u = kinds.centre[kind] + jnp.einsum("nij,nj->ni", kinds.factor[kind], z)
    whitened = jax.vmap(lambda centre, factor: solve_triangular(factor, (u - centre[None]).T, lower=True).T)(*kinds[1:])
    slope = jnp.sum(jnp.log(jnp.diagonal(kinds.factor, axis1=1, axis2=2)), axis=1)
    parts = (kinds.log_weight[:, None] + jax.vmap(t_log_density)(whitened) - slope[:, None]).T
    log_p = jax.lax.map(lambda v: model.log_density(v, lane), u, batch_size=CHUNK)
    log_weight = jnp.where(jnp.isfinite(log_p), log_p - logsumexp(parts, axis=1), -jnp.inf)
    return u, log_weight, parts, jnp.sum(whitened**2, axis=-1).T


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
