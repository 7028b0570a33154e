"""NumPyro's NUTS on the same density, whitened: the reference, and the last resort of the cascade.

One lane at a time: trees of several lanes in step with each other cost several times more than one after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
from numpyro.infer import NUTS
from numpyro.infer.hmc import HMCState

from jaxscale.batch import Lane
from jaxscale.model import Model
from jaxscale.runtime import compiled

CHAINS = 4
WARM_UP = 1000
TARGETS = (0.95, 0.99)  # mean acceptance; the second where the first diverged


class Walk(NamedTuple):
    """Draws of one lane: u (CHAINS, draws, size), values (CHAINS, draws, params), energy and diverging
    (CHAINS, draws)."""

    u: jax.Array
    values: jax.Array
    energy: jax.Array
    diverging: jax.Array


def walks(
    model: Model,
    lane: Lane,
    centre: jax.Array,
    factor: jax.Array,
    u: jax.Array,
    key: jax.Array,
    draws: int,
    target: float = TARGETS[0],
) -> Iterator[Walk]:
    """Sample one lane from starts u (CHAINS, size) for as long as is asked, `draws` of each chain at a time."""
    aim = jnp.asarray(target)
    with jax.numpy_dtype_promotion("standard"):  # NumPyro's kernel mixes integers and floats
        state = _begin(model, lane, centre, factor, u, key, aim)
        state, _ = _block(model, lane, centre, factor, state, aim, WARM_UP)
    while True:
        with jax.numpy_dtype_promotion("standard"):
            state, walk = _block(model, lane, centre, factor, state, aim, draws)
        yield walk


def _kernel(model: Model, lane: Lane, centre: jax.Array, factor: jax.Array, target: float) -> NUTS:
    def energy(z: jax.Array) -> jax.Array:
        return -model.log_density(centre + factor @ z, lane)

    return NUTS(potential_fn=energy, dense_mass=True, target_accept_prob=target)


@compiled(static=(0,))
def _begin(model, lane, centre, factor, u, key, target) -> HMCState:
    z = jax.scipy.linalg.solve_triangular(factor, (u - centre[None, :]).T, lower=True).T
    return _kernel(model, lane, centre, factor, target).init(jax.random.split(key, CHAINS), WARM_UP, z)


@compiled(static=(0, 6), level=3)
def _block(model, lane, centre, factor, state, target, draws) -> tuple[HMCState, Walk]:
    """Steps of every chain; the kernel adapts in its first WARM_UP."""
    kernel = _kernel(model, lane, centre, factor, target)
    kernel.init(state.rng_key, WARM_UP, state.z)  # what it returns is dropped: it readies the kernel to sample

    def step(state: HMCState, _: None):
        state = kernel.sample(state, (), {})
        return state, (state.z, state.energy, state.diverging)

    state, (z, energy, diverging) = jax.lax.scan(step, state, None, draws)
    drawn = jnp.swapaxes(centre[None, None, :] + z @ factor.T, 0, 1)
    values = jax.vmap(jax.vmap(lambda u: model.values(u, lane)))(drawn)
    return state, Walk(drawn, values, energy.T, diverging.T)
