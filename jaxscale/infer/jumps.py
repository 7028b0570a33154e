"""Jumps between modes of a group: proposals from a mixture fitted to earlier draws, judged by Metropolis and Hastings.

A group of few runs often has two modes under a population: its runs scatter as everyone's do, or a steeper curve meets
them all and sigma is next to nothing. Gradients do not lead from one to the other; a proposal that knows both does. It
does not look at where the chain is, so how often each mode is visited follows from the density alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.cluster.vq import kmeans2

from jaxscale.model import IMPOSSIBLE

KINDS = 8  # normal distributions of a mixture
WHOLE = 0.15  # weight of the first, which has the moments of all draws
TRIES = 3  # proposals a sweep
WIDER = 1.2  # times the sd of the draws of a kind
FEWEST = 3  # draws a dimension that a kind needs to have moments of its own
LEAST = 0.02  # weight of a kind before all are made to add up to one
FIRM = 1e-3  # of the variance of all draws, added to a kind's
DRAWS = 2000  # at most, that clusters are sought in


class Jumps(NamedTuple):
    """A normal mixture for each group, in whatever units its vectors are.

    Attributes:
        log_weight: (groups, KINDS).
        centre: (groups, KINDS, size).
        factor, inverse: (groups, KINDS, size, size) lower triangular, of the covariance, and its inverse.
    """

    log_weight: Any
    centre: Any
    factor: Any
    inverse: Any


def plain(groups: int, size: int) -> Jumps:
    """Before anything is known: every kind standard normal, a little wider."""
    eye = np.tile(np.eye(size), (groups, KINDS, 1, 1))
    even = np.full((groups, KINDS), -np.log(KINDS))
    return Jumps(even, np.zeros((groups, KINDS, size)), WIDER * eye, eye / WIDER)


def fitted(x: np.ndarray) -> Jumps:
    """Mixtures of the clusters that k-means finds in earlier draws x (groups, draws, size)."""
    return Jumps(*(np.stack(each) for each in zip(*map(_mixture, x), strict=True)))


def _mixture(x: np.ndarray) -> tuple[np.ndarray, ...]:
    """log_weight, centre, factor and inverse of one group."""
    x = x[:: -(-len(x) // DRAWS)]
    size, sd = x.shape[1], x.std(axis=0) + 1e-12
    _, kind = kmeans2(x / sd, KINDS - 1, minit="++", rng=0, missing="warn")
    clusters = [x[kind == k] for k in range(KINDS - 1)]
    weight = np.array([WHOLE, *((1.0 - WHOLE) * np.maximum([len(c) / len(x) for c in clusters], LEAST))])
    moments = [(c.mean(axis=0), np.cov(c.T).reshape(size, size)) for c in (
        x, *(c if len(c) >= FEWEST * size else x for c in clusters))]  # fmt: skip
    factor = WIDER * np.linalg.cholesky(np.stack([c for _, c in moments]) + FIRM * np.diag(sd**2))
    return np.log(weight / weight.sum()), np.stack([m for m, _ in moments]), factor, np.linalg.inv(factor)


def jump(density: Callable[[jax.Array], jax.Array], x: jax.Array, jumps: Jumps, key: jax.Array) -> jax.Array:
    """TRIES proposals for every group of x (chains, groups, size), of which `density` gives (chains, groups)."""

    def one(held: tuple[jax.Array, jax.Array], key: jax.Array):
        x, here = held
        pick, kick, accept = jax.random.split(key, 3)
        kind = jax.nn.one_hot(jax.random.categorical(pick, jumps.log_weight, shape=x.shape[:2]), KINDS)
        factor = jnp.einsum("cgk,gkij->cgij", kind, jumps.factor)
        new = jnp.einsum("cgij,cgj->cgi", factor, jax.random.normal(kick, x.shape))
        new = new + jnp.einsum("cgk,gki->cgi", kind, jumps.centre)
        log_p = density(new)
        gain = log_p - here + _log_proposed(jumps, x) - _log_proposed(jumps, new)
        taken = jnp.log(jax.random.uniform(accept, gain.shape)) < gain  # never of NaN
        taken = taken & jnp.isfinite(log_p) & (log_p > IMPOSSIBLE)
        return (jnp.where(taken[..., None], new, x), jnp.where(taken, log_p, here)), None

    (x, _), _ = jax.lax.scan(one, (x, density(x)), jax.random.split(key, TRIES))
    return x


def _log_proposed(jumps: Jumps, x: jax.Array) -> jax.Array:
    """Log density of a proposal of x, up to a constant; (chains, groups)."""
    away = jnp.einsum("gkij,cgkj->cgki", jumps.inverse, x[:, :, None, :] - jumps.centre[None])
    slope = jnp.sum(jnp.log(jnp.diagonal(jumps.inverse, axis1=-2, axis2=-1)), axis=-1)
    return jax.scipy.special.logsumexp((jumps.log_weight + slope)[None] - 0.5 * jnp.sum(away**2, axis=-1), axis=-1)
