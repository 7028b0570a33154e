"""The pooled posterior of several groups: its walk, and the gate of each group and of the population."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale import diagnose
from jaxscale.batch import Lane, stack
from jaxscale.infer import blocked, cascade, jumps, population
from jaxscale.infer.blocked import BLOCK, CHAINS, Block, Frame
from jaxscale.infer.population import Joint, Member
from jaxscale.status import Health, Status

SETTLE, PILOTS = 3, (6, 10)  # blocks: discarded, and then of each pilot, whose moments frame the next
TUNE = 3
LENGTHS = (("HMC", 1), ("longer HMC", 4), ("longest HMC", 12))  # times the draws
ATTEMPTS = 5
FIX = (
    "Intervals would not be right. More groups, fewer pooled parameters, firmer priors or, for groups of few runs, "
    "noise='normal' would help."
)
SHORT, SHORTER = 0.7, 0.35  # times the steps, where one diverged, and where it did
TURN = np.array([2.0, 1.7])  # radians of a Gaussian that a step of the population and of a group goes
FEWEST, MOST = np.array([4, 3]), np.array([16, 10])  # leapfrogs of such
POPULATION = 0.5  # largest step of mu and log tau
FIRM = 1e-8


@dataclass(frozen=True)
class Posterior:
    """Draws of a population and its groups, with their gates.

    Attributes:
        v: (draws, 2 pooled) mu and tau of the pooled sites, on the real line.
        values: (draws, groups, params).
        convergence: R-hat, bulk and tail effective size, each (2 pooled + groups params,); NaN of weighted draws.
        population: the gate of mu and tau.
        health, status: of each group.
    """

    v: np.ndarray
    values: np.ndarray
    convergence: diagnose.Convergence
    population: Status
    health: list[Health]
    status: list[Status]


def sample(
    member: Member,
    lanes: Sequence[Lane],
    keys: np.ndarray,
    *,
    draws: int = 4000,
    say: Callable[[str], None] = lambda _: None,
) -> Posterior:
    """The joint posterior of groups that share one centre and scale.

    Args:
        member: the model, with what is pooled.
        lanes: one a group, padded to the same rows.
        keys: (groups, 2) data of random keys, for the search of modes; the first serves the walk.
        draws: to keep, over all chains; rounded up to whole blocks.
        say: hears the name of each stage as it begins.
    """
    say("searching for the modes")
    modes = cascade.points(member.alone, lanes, keys).u
    say("searching for the population")
    # groups without data change nothing, and few numbers of groups need few programs
    empty = [lanes[0] | {"w": np.zeros_like(lanes[0]["w"])}] * (groups_for(len(lanes)) - len(lanes))
    usual = np.asarray(population.flat_of(member, jnp.asarray(population.prior_scales(member)[0])))
    modes = np.concatenate([modes, np.tile(usual, (len(empty), 1))])
    joint, packed = Joint(member, len(modes)), jax.tree.map(jnp.asarray, stack([*lanes, *empty]))
    lane, centre, wide = population.begin(joint, packed, modes)
    key = jax.random.wrap_key_data(jnp.asarray(keys[0]))
    count = -(-draws // (CHAINS * BLOCK))
    walk = _Walk(joint, lane, key, centre, wide)
    say("Hamiltonian Monte Carlo")
    for blocks in (SETTLE, *PILOTS):
        walk.reframe(walk.run(blocks, adapt=True))
    found = Posterior([], [], None, None, [], [])  # pyright: ignore
    for attempt in range(ATTEMPTS):
        name, times = LENGTHS[walk.length]
        say(f"{name} of {len(lanes)} groups")
        walk.run(TUNE, adapt=True)
        block = walk.run(times * count, adapt=False)
        found = judged(joint, block, name, len(lanes))
        if all(status.ok for status in found.status) or attempt + 1 == ATTEMPTS:
            break
        walk.reframe(block)
        if not all(_settled(health) for health in found.health):
            walk.length = min(walk.length + 1, len(LENGTHS) - 1)
    every = found.v.shape[0] // (count * CHAINS * BLOCK)
    return Posterior(found.v[::every], found.values[::every], *(getattr(found, a) for a in KEPT))


def _settled(health: Health) -> bool:
    """Whether chains agree, so that what is left to mend are steps that diverged."""
    return replace(health, divergences=0).status().ok


def groups_for(count: int) -> int:
    """The next of 4, 8, 12, 16, 24, 32, 48, 64, ... groups."""
    sizes = (4, 8, 12, *(2**k * m for k in range(3, 12) for m in (2, 3)))
    return next((size for size in sizes if size >= count), count)


KEPT = ("convergence", "population", "health", "status")


class _Walk:
    """Chains on their way."""

    def __init__(self, joint: Joint, lane: Lane, key: jax.Array, centre: np.ndarray, wide: np.ndarray):
        self.joint, self.lane, self.key, self.steps = joint, lane, key, 0
        size = joint.member.size
        eye = np.tile(np.eye(size), (joint.groups, 1, 1))
        unknown = jumps.plain(joint.groups, size)
        self.frame = Frame(centre, np.diag(wide), np.zeros((joint.groups, size)), eye, unknown)
        rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
        v = centre + 0.5 * wide * rng.standard_normal((CHAINS, len(centre)))
        self.state = blocked.begin(self.frame, v, 0.5 * rng.standard_normal((CHAINS, joint.groups, size)))
        self.length, self.leapfrogs, self.largest = 0, FEWEST, np.full(1 + joint.groups, np.inf)

    def run(self, blocks: int, adapt: bool) -> Block:
        """Blocks as one, (CHAINS, draws, ...)."""
        kept = []
        largest = np.minimum(
            self.largest, np.append(POPULATION, np.full(self.joint.groups, TURN[1] / self.leapfrogs[1]))
        )
        shared = np.asarray(self.leapfrogs), largest, np.asarray(adapt)
        for _ in range(blocks):
            key = jax.random.fold_in(self.key, self.steps)
            self.state, block = blocked.run_block(self.joint, self.lane, self.frame, self.state, key, *shared)
            kept.append(jax.tree.map(np.asarray, block))
            self.steps += 1
        return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *kept)

    def reframe(self, block: Block) -> None:
        """Whiten by the later two thirds of these draws; as many leapfrogs as bent groups need, short ones where one
        diverged."""
        first = block.v.shape[1] // 3
        v, z = block.v[:, first:], block.z[:, first:]
        flat = np.moveaxis(z.reshape(-1, *z.shape[2:]), 1, 0)
        factors = np.stack([_factor(draws) for draws in flat])
        centre = flat.mean(axis=1)
        own = np.linalg.solve(factors[:, None], (flat - centre[:, None])[..., None])[..., 0]
        wide = _factor(v.reshape(-1, v.shape[-1]))
        self.frame = Frame(v.mean(axis=(0, 1)), wide, centre, factors, jumps.fitted(own))
        steps = np.exp(np.append(self.state.both.log_step_mean, self.state.group.log_step_mean))
        diverged = block.diverging[:, first:].any(axis=(0, 1))
        if diverged.any():  # what the others have not met yet is as near
            self.largest = np.minimum(self.largest, np.where(diverged, SHORTER, SHORT) * steps)
        usual = np.minimum(steps, self.largest)
        small = np.array([usual[0], np.quantile(usual[1:], 0.1)])
        self.leapfrogs = np.clip(np.round(TURN / small).astype(int), FEWEST, MOST)
        self.state = blocked.begin(self.frame, v[:, -1], z[:, -1])


def _factor(draws: np.ndarray) -> np.ndarray:
    covariance = np.cov(draws.T)
    return np.linalg.cholesky(covariance + FIRM * np.diag(np.diag(covariance) + FIRM))


def judged(joint: Joint, block: Block, method: str, groups: int) -> Posterior:
    """The gate on chains: of mu and tau together, and of the parameters of the groups, the first ones of the joint."""
    member, pooled = joint.member, 2 * len(joint.member.pooled)
    params, free = len(member.params), list(member.free)
    drawn = block.values[..., : pooled + groups * params]
    values = np.moveaxis(drawn, -1, 0)
    varies = np.concatenate([np.arange(pooled), *(pooled + g * params + np.array(free) for g in range(groups))])
    convergence = diagnose.Convergence(*np.full((3, len(values)), np.nan))
    for kept, statistic in zip(convergence, diagnose.convergence(values[varies]), strict=True):
        kept[varies] = statistic
    ebfmi = np.min(diagnose.ebfmi(np.moveaxis(block.energy, -1, 0)), axis=-1)
    bad = block.diverging.sum(axis=(0, 1))

    def health(places: Any, part: int) -> Health:
        r_hat, bulk, tail = (statistic[places] for statistic in convergence)
        finite = bool(np.isfinite(values[places]).all())
        return Health(
            method, float(np.max(r_hat)), float(np.min(bulk)), float(np.min(tail)), int(bad[part]), float(ebfmi[part]),
            finite=finite,
        )  # fmt: skip

    whole = health(np.arange(pooled), 0)
    each = [health(pooled + g * params + np.array(free), 1 + g) for g in range(groups)]
    v, drawn = (a.reshape(-1, a.shape[-1]) for a in (block.v, drawn))
    v = np.concatenate([v[:, : pooled // 2], np.exp(v[:, pooled // 2 :])], axis=1)
    drawn = drawn[:, pooled:].reshape(len(v), groups, params)
    status = [leaning(h, whole) for h in each]
    return Posterior(v, drawn, convergence, helped(whole.status()), each, status)


def leaning(health: Health, whole: Health) -> Status:
    """A group's status: its own gate, and that of the population that it leans on."""
    if health.failures:
        return helped(health.status())
    if not whole.failures:
        return health.status()
    leant = f"Not converged: the population that every group leans on still shows {', '.join(whole.failures)}."
    return Status(False, "not_converged", leant, FIX)


def helped(status: Status) -> Status:
    """A refusal with what helps pooled fits."""
    return status if status.ok else replace(status, fix=FIX)
