"""Whitened Hamiltonian Monte Carlo with few, jittered leapfrogs, as a block of steps over many chains.

One compiled block serves warm-up and sampling, short and long trajectories: adaptation and the number
of leapfrogs are arguments. A fixed number of steps keeps thousands of chains in step with each other.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane
from jaxscale.model import IMPOSSIBLE, Model

CHAINS = 8
BLOCK = 50
TARGET = 0.8  # mean acceptance that the step size is tuned to
DIVERGED = 1000.0  # energy error


class State(NamedTuple):
    """One lane's chains and step-size adaptation.

    Attributes:
        z, log_p, slope: (CHAINS, size), (CHAINS,), (CHAINS, size) in the whitened space.
        log_step, log_step_mean, drift, time: () dual averaging of Hoffman & Gelman 2014, over all chains.
    """

    z: jax.Array
    log_p: jax.Array
    slope: jax.Array
    log_step: jax.Array
    log_step_mean: jax.Array
    drift: jax.Array
    time: jax.Array


class Block(NamedTuple):
    """What BLOCK steps of one lane gave: draws (CHAINS, BLOCK, size), their parameters (CHAINS, BLOCK, params),
    energy and flags (CHAINS, BLOCK)."""

    u: jax.Array
    values: jax.Array
    energy: jax.Array
    diverging: jax.Array


def _value_and_slope(model: Model, lane: Lane, centre: jax.Array, factor: jax.Array, z: jax.Array):
    def value(z):
        return model.log_density(
            centre + jnp.sum(factor * z[None, :], axis=1), lane
        )  # a product of matrices costs five times that

    log_p, slope = jax.vmap(jax.value_and_grad(value))(z)
    return log_p, jnp.where(jnp.isfinite(slope), slope, 0.0)


def begin(centre: jax.Array, factor: jax.Array, u: jax.Array) -> State:
    """Chains at u (CHAINS, size), to be whitened by centre and factor; the first block fills in the densities."""
    z = jax.scipy.linalg.solve_triangular(factor, (u - centre[None, :]).T, lower=True).T
    # arrays and not Python's numbers, whose weak types would have the first block compiled apart
    zero, log_step = jnp.zeros((), z.dtype), jnp.full((), np.log(0.6), z.dtype)
    unknown = jnp.full(CHAINS, jnp.nan, z.dtype)
    return State(z, unknown, jnp.zeros_like(z), log_step, log_step, zero, zero)


def run_block(
    model: Model,
    lane: Lane,
    centre: jax.Array,
    factor: jax.Array,
    state: State,
    key: jax.Array,
    leapfrogs: jax.Array,
    largest: jax.Array,
    adapt: jax.Array,
) -> tuple[State, Block]:
    """BLOCK steps of one lane's chains.

    `leapfrogs` () int, `largest` () step size in posterior standard deviations and `adapt` () bool are
    arguments and not compiled in.
    """
    evaluate = lambda z: _value_and_slope(model, lane, centre, factor, z)  # noqa: E731

    def trajectory(z, slope, momentum, step, count):
        momentum = momentum + 0.5 * step * slope

        def leap(i, carry):
            z, _, slope, momentum = carry
            z = z + step * momentum
            log_p, slope = evaluate(z)
            momentum = momentum + jnp.where(i < count - 1, 1.0, 0.5) * step * slope
            return z, log_p, slope, momentum

        return jax.lax.fori_loop(0, count, leap, (z, jnp.zeros(z.shape[0]), slope, momentum))

    def step(state: State, key: jax.Array):
        kick, accept, jitter = jax.random.split(key, 3)
        momentum = jax.random.normal(kick, state.z.shape)
        log_step = jnp.where(adapt, state.log_step, state.log_step_mean)
        # trajectories of one length resonate with the near-Gaussian target; spread them
        lowest = jnp.where(adapt, 0.3, 0.6)
        spread = lowest + (1.15 - lowest) * jax.random.uniform(jitter, (CHAINS, 1))
        z, log_p, slope, end = trajectory(state.z, state.slope, momentum, jnp.exp(log_step) * spread, leapfrogs)
        energy = 0.5 * jnp.sum(momentum**2, axis=1) - state.log_p
        error = 0.5 * jnp.sum(end**2, axis=1) - log_p - energy
        error = jnp.where(jnp.isfinite(error) & (log_p > IMPOSSIBLE), error, jnp.inf)
        chance = jnp.exp(jnp.minimum(0.0, -error))
        taken = jax.random.uniform(accept, (CHAINS,)) < chance

        time = state.time + 1.0
        drift = state.drift + (TARGET - jnp.mean(chance) - state.drift) / (time + 10.0)
        tuned = jnp.minimum(jnp.log(0.9) - jnp.sqrt(time) / 0.05 * drift, jnp.log(largest))
        blend = time**-0.75
        averaged = blend * tuned + (1.0 - blend) * state.log_step_mean
        when = lambda new, old: jnp.where(adapt, new, old)  # noqa: E731
        new = State(
            jnp.where(taken[:, None], z, state.z),
            jnp.where(taken, log_p, state.log_p),
            jnp.where(taken[:, None], slope, state.slope),
            when(tuned, state.log_step),
            when(averaged, state.log_step_mean),
            when(drift, state.drift),
            when(time, state.time),
        )
        return new, (new.z, energy, error > DIVERGED)

    # a state fresh from `begin` has no densities yet; recomputing them is one evaluation in a few hundred
    log_p, slope = evaluate(state.z)
    state = state._replace(log_p=log_p, slope=slope)
    state, (z, energy, diverging) = jax.lax.scan(step, state, jax.random.split(key, BLOCK))
    u = centre[None, None, :] + z @ factor.T
    over_chains = lambda a: jnp.swapaxes(a, 0, 1)  # noqa: E731
    values = jax.vmap(jax.vmap(lambda v: model.values(v, lane)))(u)
    return state, Block(over_chains(u), over_chains(values), over_chains(energy), over_chains(diverging))
