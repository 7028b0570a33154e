"""Chains of three moves, for posteriors that gradients alone walk along slowly: bent, heavy-tailed, with several modes.

Jumps are proposals of a mixture that earlier draws have taught, differences are steps between two of those draws (ter
Braak & Vrugt 2008), and trajectories are a few leapfrogs of HMC. Each is judged by Metropolis and Hastings, so what was
learned earlier decides how fast the chains agree and not on what. A trajectory that breaks is a refusal like any other:
the other moves go where it cannot, and whether they do is for R-hat to say, of chains that start where HMC's ended.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp

from jaxscale.batch import Lane
from jaxscale.infer import hmc
from jaxscale.infer.importance import DF
from jaxscale.infer.mixture import FIRM, Kinds, drawn
from jaxscale.model import IMPOSSIBLE, Model

JUMPS, DIFFERENCES, LEAPFROGS = 8, 4, 3  # of a step
SHORTEST, LONGEST = 0.03, 0.6  # leapfrogs, in posterior standard deviations
NEAREST = 0.05  # of a difference, as a share of the longest


class State(NamedTuple):
    """One lane's chains: u (CHAINS, size) and log_p (CHAINS,)."""

    u: jax.Array
    log_p: jax.Array


def run_block(
    model: Model, lane: Lane, kinds: Kinds, archive: jax.Array, u: jax.Array, key: jax.Array
) -> tuple[jax.Array, hmc.Block]:
    """hmc.BLOCK steps of one lane's chains.

    Args:
        model: law and noise.
        lane: one table.
        kinds: the mixture of the jumps.
        archive: (n, size) earlier draws, of which the differences are, and the scale of the trajectories.
        u: (CHAINS, size) where the chains are.
        key: random key.

    Returns:
        Where the chains are now, and their steps; none of these is called divergent.
    """
    density = jax.vmap(lambda v: model.log_density(v, lane))
    factor = jnp.linalg.cholesky(jnp.cov(archive.T).reshape(model.size, model.size) + FIRM * jnp.eye(model.size))
    inverse = jnp.linalg.inv(kinds.factor)
    proposed = lambda u: _log_proposed(kinds, inverse, u)  # noqa: E731
    longest = 2.38 / np.sqrt(2.0 * model.size)

    def jump(held: tuple[State, jax.Array], key: jax.Array):
        state, here = held
        propose, accept = jax.random.split(key)
        u = drawn(kinds, propose, hmc.CHAINS)
        log_p, there = density(u), proposed(u)
        taken = _taken(accept, log_p - state.log_p + here - there, log_p)
        return (_moved(taken, State(u, log_p), state), jnp.where(taken, there, here)), None

    def differ(state: State, key: jax.Array):
        pick, stretch, accept = jax.random.split(key, 3)
        pair = jax.random.randint(pick, (2, hmc.CHAINS), 0, archive.shape[0])
        length = jnp.exp(jax.random.uniform(stretch, (hmc.CHAINS, 1), minval=np.log(NEAREST), maxval=0.0))
        u = state.u + longest * length * (archive[pair[0]] - archive[pair[1]])
        log_p = density(u)
        return _moved(_taken(accept, log_p - state.log_p, log_p), State(u, log_p), state), None

    def fly(state: State, key: jax.Array):
        kick, stretch, accept = jax.random.split(key, 3)
        step = jax.random.uniform(stretch, (hmc.CHAINS, 1), minval=np.log(SHORTEST), maxval=np.log(LONGEST))
        momentum = jax.random.normal(kick, state.u.shape)
        z, log_p, end = _trajectory(model, lane, state.u, factor, momentum, jnp.exp(step))
        energy = 0.5 * jnp.sum(momentum**2, axis=1) - state.log_p
        gain = energy + log_p - 0.5 * jnp.sum(end**2, axis=1)
        return _moved(_taken(accept, gain, log_p), State(state.u + z @ factor.T, log_p), state), energy

    def step(state: State, key: jax.Array):
        for_jumps, for_differences, for_flight = jax.random.split(key, 3)
        (state, _), _ = jax.lax.scan(jump, (state, proposed(state.u)), jax.random.split(for_jumps, JUMPS))
        state, _ = jax.lax.scan(differ, state, jax.random.split(for_differences, DIFFERENCES))
        state, energy = fly(state, for_flight)
        return state, (state.u, energy)

    state, (u, energy) = jax.lax.scan(step, State(u, density(u)), jax.random.split(key, hmc.BLOCK))
    u, energy = jnp.swapaxes(u, 0, 1), jnp.swapaxes(energy, 0, 1)
    values = jax.vmap(jax.vmap(lambda v: model.values(v, lane)))(u)
    return state.u, hmc.Block(u, values, energy, jnp.zeros(energy.shape, bool))


def _log_proposed(kinds: Kinds, inverse: jax.Array, u: jax.Array) -> jax.Array:
    """Log density of a jump to u (n, size), up to a constant; inverse (KINDS, size, size) of the factors."""
    size = u.shape[1]
    away = jnp.sum(jnp.einsum("kij,nkj->nki", inverse, u[:, None, :] - kinds.centre[None]) ** 2, axis=-1)
    slope = jnp.sum(jnp.log(jnp.diagonal(inverse, axis1=1, axis2=2)), axis=1)
    return logsumexp((kinds.log_weight + slope)[None] - 0.5 * (DF + size) * jnp.log1p(away / DF), axis=1)


def _trajectory(model: Model, lane: Lane, u: jax.Array, factor: jax.Array, momentum: jax.Array, step: jax.Array):
    """LEAPFROGS from u (CHAINS, size): how far in whitened units, the density there and the momentum."""
    slope_at = jax.vmap(
        jax.value_and_grad(lambda z, u: model.log_density(u + jnp.sum(factor * z[None, :], axis=1), lane))
    )

    def evaluate(z: jax.Array):
        log_p, slope = slope_at(z, u)
        return log_p, jnp.where(jnp.isfinite(slope), slope, 0.0)

    def leap(held, _: None):
        z, _, slope, momentum = held
        momentum = momentum + 0.5 * step * slope
        z = z + step * momentum
        log_p, slope = evaluate(z)
        return (z, log_p, slope, momentum + 0.5 * step * slope), None

    z = jnp.zeros_like(u)
    (z, log_p, _, momentum), _ = jax.lax.scan(leap, (z, *evaluate(z), momentum), None, LEAPFROGS)
    return z, log_p, momentum


def _taken(key: jax.Array, gain: jax.Array, log_p: jax.Array) -> jax.Array:
    """Which chains move; never to where nothing can be."""
    chance = jnp.log(jax.random.uniform(key, gain.shape)) < gain
    return chance & jnp.isfinite(log_p) & (log_p > IMPOSSIBLE)


def _moved(taken: jax.Array, new: State, old: State) -> State:
    return State(jnp.where(taken[:, None], new.u, old.u), jnp.where(taken, new.log_p, old.log_p))
