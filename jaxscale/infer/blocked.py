"""HMC of a pooled posterior in blocks: every group given the population, then the population given the groups.

Given mu and tau the groups are independent, so each has its own step size and is accepted by itself: a step that one
bent group refuses costs the others nothing, and steps do not shrink as groups are added; then it may jump to another
mode. mu and tau are moved twice, with the groups' z held, which is right for what few data say, and with their
parameters held, right for what many say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from jaxscale.batch import Lane
from jaxscale.infer.hmc import DIVERGED
from jaxscale.infer.jumps import Jumps, jump
from jaxscale.infer.population import Joint
from jaxscale.model import IMPOSSIBLE
from jaxscale.runtime import compiled

CHAINS = 8
BLOCK = 50
TARGET = 0.9
LEAPFROGS, LARGEST = 4, 1.0  # and largest step, of mu and tau where the groups' parameters are held


class Tuning(NamedTuple):
    """Step sizes by dual averaging (Hoffman & Gelman 2014); arrays of one shape."""

    log_step: Any
    log_step_mean: Any
    drift: Any
    time: Any


class State(NamedTuple):
    """Chains, in units of the frame, and their step sizes.

    Attributes:
        v: (CHAINS, 2 pooled) mu and log tau.
        z: (CHAINS, groups, size).
        both, group, site: step sizes of v (), of each group (groups,) and of each pooled site (pooled,).
    """

    v: Any
    z: Any
    both: Tuning
    group: Tuning
    site: Tuning


class Frame(NamedTuple):
    """Centre and lower triangular factor of v, (2 pooled,), and of every group's z, (groups, size).

    `jumps` are where groups may jump to, in units of those.
    """

    v: Any
    v_factor: Any
    z: Any
    z_factor: Any
    jumps: Jumps


class Block(NamedTuple):
    """What BLOCK sweeps gave, (CHAINS, BLOCK, ...).

    Attributes:
        v, z: mu and log tau, the groups' z.
        values: mu, tau, then every group's parameters.
        energy, diverging: (1 + groups,), of the population, then of each group.
    """

    v: Any
    z: Any
    values: Any
    energy: Any
    diverging: Any


def begin(frame: Frame, v: Any, z: Any) -> State:
    """Chains at v (CHAINS, 2 pooled) and z (CHAINS, groups, size), not tuned yet."""
    v = np.linalg.solve(frame.v_factor, (v - frame.v).T).T
    z = np.linalg.solve(frame.z_factor, (z - frame.z)[..., None])[..., 0]

    def tuning(shape: tuple[int, ...], step: float) -> Tuning:
        return Tuning(np.full(shape, np.log(step)), np.full(shape, np.log(step)), np.zeros(shape), np.zeros(shape))

    return State(v, z, tuning((), 0.5), tuning(z.shape[1:2], 0.5), tuning((v.shape[1] // 2,), 0.5))


@compiled(static=(0,), level=3)
def run_block(
    joint: Joint, lane: Lane, frame: Frame, state: State, key: jax.Array, leapfrogs: Any, largest: Any, adapt: Any
) -> tuple[State, Block]:
    """BLOCK sweeps of all chains.

    `leapfrogs` (2,) int of the population and of the groups, `largest` (1 + groups,) steps of the population and of
    each group, and `adapt` () bool are not compiled in.
    """
    place_v = lambda v: frame.v[None] + v @ frame.v_factor.T  # noqa: E731
    place_z = lambda z: frame.z[None] + jnp.einsum("gij,cgj->cgi", frame.z_factor, z)  # noqa: E731
    maps_of = jax.vmap(lambda v: joint.maps(v, lane))

    def sweep(state: State, key: jax.Array):
        keys = jax.random.split(key, 4)
        maps = maps_of(place_v(state.v))
        groups = lambda z: jax.vmap(lambda m, z: joint.group_densities(m, z, lane))(maps, place_z(z))  # noqa: E731
        z, group, energy, diverging = _move(groups, state.z, state.group, keys[0], leapfrogs[1], largest[1:], adapt)
        z = jump(groups, z, frame.jumps, keys[3])
        placed = place_z(z)
        everything = lambda v: jax.vmap(lambda v, z: joint.density(v, z, lane))(place_v(v), placed)  # noqa: E731
        v, both, *rest = _move(everything, state.v, state.both, keys[1], leapfrogs[0], largest[0], adapt)
        before = place_v(v)
        u = jax.vmap(joint.flat)(maps_of(before), placed)
        after, site, astray = _held(joint, before, u, state.site, keys[2], adapt)
        v = solve_triangular(frame.v_factor, (after - frame.v[None]).T, lower=True).T
        z = jax.vmap(joint.back)(maps_of(after), u) - frame.z[None]
        z = jnp.linalg.solve(frame.z_factor[None], z[..., None])[..., 0]
        whole, wild = rest
        energy = jnp.concatenate([whole[:, None], energy], axis=1)
        diverging = jnp.concatenate([(wild | astray)[:, None], diverging], axis=1)
        return State(v, z, both, group, site), (after, place_z(z), u, energy, diverging)

    state, (v, z, u, energy, diverging) = jax.lax.scan(sweep, state, jax.random.split(key, BLOCK))
    values = jax.vmap(jax.vmap(lambda v, u: joint.values(v, u, lane)))(v, u)
    return state, Block(*(jnp.swapaxes(a, 0, 1) for a in (v, z, values, energy, diverging)))


def _held(joint: Joint, v: jax.Array, u: jax.Array, tuned: Tuning, key: jax.Array, adapt: Any):
    """mu and log tau (CHAINS, 2 pooled) moved while the groups' u (CHAINS, groups, size) are held, site by site.

    In units of what is held: mean and spread of the groups' theta are about those of mu and tau.
    """
    theta = jax.vmap(jax.vmap(joint.member.apart))(u)[..., np.array(joint.member.pooled)]
    mu, log_tau = jnp.split(v, 2, axis=-1)
    middle, spread, root = theta.mean(axis=1), theta.std(axis=1), float(np.sqrt(theta.shape[1]))

    def raw(x):
        return jnp.stack([middle + spread / root * x[..., 0], jnp.log(spread) + x[..., 1] / root], axis=-1)

    x = jnp.stack([(mu - middle) / spread, log_tau - jnp.log(spread)], axis=-1) * root
    density = lambda x: joint.site_densities(raw(x), theta)  # noqa: E731
    x, tuned, _, diverging = _move(density, x, tuned, key, LEAPFROGS, LARGEST, adapt)
    x = raw(x)
    return jnp.concatenate([x[..., 0], x[..., 1]], axis=-1), tuned, jnp.any(diverging, axis=-1)


def _move(
    density: Callable[[jax.Array], jax.Array],
    x: jax.Array,
    tuned: Tuning,
    key: jax.Array,
    count: Any,
    largest: Any,
    adapt: Any,
) -> tuple[jax.Array, Tuning, jax.Array, jax.Array]:
    """One step of HMC of independent vectors x (CHAINS, ..., size), of which `density` gives (CHAINS, ...).

    Returns:
        x, step sizes, energy (CHAINS, ...) and whether the step diverged.
    """
    kick, accept, jitter = jax.random.split(key, 3)

    def evaluate(x):
        log_p, back = jax.vjp(density, x)
        (slope,) = back(jnp.ones_like(log_p))
        return log_p, jnp.where(jnp.isfinite(slope), slope, 0.0)

    def leap(i, carry):
        x, _, slope, momentum = carry
        x = x + step * momentum
        log_p, slope = evaluate(x)
        return x, log_p, slope, momentum + jnp.where(i < count - 1, 1.0, 0.5) * step * slope

    log_p, slope = evaluate(x)
    momentum = jax.random.normal(kick, x.shape)
    lowest = jnp.where(adapt, 0.3, 0.6)  # as in hmc.py: trajectories of one length resonate
    spread = lowest + (1.15 - lowest) * jax.random.uniform(jitter, log_p.shape)
    size = jnp.exp(jnp.where(adapt, tuned.log_step, tuned.log_step_mean))
    step = (jnp.broadcast_to(size, spread.shape) * spread)[..., None]
    begun = (x, log_p, slope, momentum + 0.5 * step * slope)
    new, new_log_p, _, end = jax.lax.fori_loop(0, count, leap, begun)
    energy = 0.5 * jnp.sum(momentum**2, axis=-1) - log_p
    error = 0.5 * jnp.sum(end**2, axis=-1) - new_log_p - energy
    error = jnp.where(jnp.isfinite(error) & (new_log_p > IMPOSSIBLE), error, jnp.inf)
    chance = jnp.exp(jnp.minimum(0.0, -error))
    taken = jax.random.uniform(accept, chance.shape) < chance

    time = tuned.time + 1.0
    drift = tuned.drift + (TARGET - jnp.mean(chance, axis=0) - tuned.drift) / (time + 10.0)
    log_step = jnp.minimum(jnp.log(0.9) - jnp.sqrt(time) / 0.05 * drift, jnp.log(largest))
    blend = time**-0.75
    fresh = Tuning(log_step, blend * log_step + (1.0 - blend) * tuned.log_step_mean, drift, time)
    tuned = jax.tree.map(lambda new, old: jnp.where(adapt, new, old), fresh, tuned)
    return jnp.where(taken[..., None], new, x), tuned, energy, error > DIVERGED
