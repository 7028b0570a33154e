"""The cascade: point, importance sampling, HMC, longer HMC, more importance sampling, NUTS, refusal.

Each step is gated, and all of it runs over lanes, packed into programs of a fixed number of lanes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale import diagnose
from jaxscale.batch import LANES, Lane, stack
from jaxscale.infer import hmc, nuts
from jaxscale.infer.importance import Proposal, importance, importance_many, resample
from jaxscale.infer.point import CONVERGED, Point, find_point
from jaxscale.model import Model
from jaxscale.status import Health, Status

METHODS = ("auto", "importance", "hmc", "nuts")
LONGER = 4  # times the draws
Say = Callable[[str], None]


@dataclass(frozen=True)
class Schedule:
    """A run of HMC: leapfrogs of at most `largest` posterior standard deviations, after warm-up blocks.

    Leapfrogs times step is about a quarter turn of a Gaussian, which serves means and tails alike: half
    a turn gives antithetic draws, whose means look excellent while their spread hardly moves.
    """

    leapfrogs: int
    largest: float
    warm_up: int


SHORT = Schedule(leapfrogs=3, largest=0.75, warm_up=2)
LONG = Schedule(leapfrogs=7, largest=0.3, warm_up=6)


@dataclass(frozen=True)
class Outcome:
    """What inference says of one lane, in NumPy.

    Attributes:
        point: the mode.
        u: (chains, draws, size) draws; None where there are none.
        energy, diverging: (chains, draws) of HMC and NUTS; else None.
        health: the numbers of the gate.
        status: the gate's answer.
        stages: each stage tried, with what it failed on.
    """

    point: Point
    u: np.ndarray | None
    energy: np.ndarray | None
    diverging: np.ndarray | None
    health: Health
    status: Status
    stages: tuple[str, ...] = ()


@functools.lru_cache(maxsize=64)
def programs(model: Model) -> dict[str, Any]:
    """The compiled programs of a model, each mapped over lanes."""

    def chains(lane: Lane, centre, factor, proposal: Proposal, key: jax.Array) -> hmc.State:
        return hmc.begin(model, lane, centre, factor, resample(proposal, key, hmc.CHAINS))

    def parameters(u: jax.Array, lane: Lane):
        return model.parameters(model.coordinates(u), lane)

    def predictive(u: jax.Array, lane: Lane, key: jax.Array):
        return model.new_runs(u, lane, key), model.log_likelihood(u, lane)

    block = functools.partial(hmc.run_block, model)
    return {
        "point": jax.jit(jax.vmap(functools.partial(find_point, model))),
        "importance": jax.jit(jax.vmap(functools.partial(importance, model))),
        "importance_many": jax.jit(jax.vmap(functools.partial(importance_many, model))),
        "chains": jax.jit(jax.vmap(chains)),
        "block": jax.jit(jax.vmap(block, in_axes=(0, 0, 0, 0, 0, None, None, None))),
        "parameters": jax.jit(jax.vmap(parameters, in_axes=(0, None))),
        "likelihood": jax.jit(jax.vmap(model.log_likelihood, in_axes=(0, None))),
        "predictive": jax.jit(jax.vmap(predictive, in_axes=(0, None, 0))),
        "split": jax.jit(jax.vmap(jax.random.fold_in, in_axes=(0, None))),
    }


def sample(
    model: Model,
    lanes: Sequence[Lane],
    keys: Sequence[jax.Array],
    *,
    method: str = "auto",
    draws: int = 4000,
    say: Say = lambda _: None,
) -> list[Outcome]:
    """Posteriors of several lanes of one shape.

    Args:
        model: law and noise.
        lanes: one a fit, all padded to the same rows.
        keys: one random key a fit.
        method: "auto" is the cascade; "importance", "hmc" and "nuts" force one stage.
        draws: to keep of each fit, over all chains.
        say: hears the name of each stage as it begins.

    Returns:
        One Outcome a lane, in order.
    """
    done: list[Outcome] = []
    for first in range(0, len(lanes), LANES):
        done += _sample_chunk(model, lanes[first : first + LANES], keys[first : first + LANES], method, draws, say)
    return done


def points(model: Model, lanes: Sequence[Lane], keys: Sequence[jax.Array], count: int = LANES) -> Iterator[Point]:
    """Point fits of several lanes of one shape, `count` at a time."""
    for first in range(0, len(lanes), count):
        packed, key = stack(lanes[first : first + count], count), _pack(keys[first : first + count], count)
        found = jax.tree.map(np.asarray, programs(model)["point"](packed, key))
        for i in range(min(count, len(lanes) - first)):
            yield jax.tree.map(lambda a, i=i: a[i], found)


def parameters(model: Model, u: np.ndarray, lane: Lane) -> dict[str, np.ndarray]:
    """Draws (chains, draws, size) -> parameters (chains, draws)."""
    values = programs(model)["parameters"](jnp.asarray(u.reshape(-1, model.size)), lane)
    return {p: np.asarray(v).reshape(u.shape[:2]) for p, v in values.items()}


def log_likelihood(model: Model, u: np.ndarray, lane: Lane) -> np.ndarray:
    """Draws (chains, draws, size) -> log likelihood of every row (chains, draws, rows)."""
    flat = programs(model)["likelihood"](jnp.asarray(u.reshape(-1, model.size)), lane)
    return np.asarray(flat).reshape(*u.shape[:2], -1)


def predictive(model: Model, u: np.ndarray, lane: Lane, key: jax.Array) -> dict[str, np.ndarray]:
    """A new run in every row for each draw, and the log density of the row's own: (chains x draws, rows)."""
    flat = jnp.asarray(u.reshape(-1, model.size))
    new, log_density = programs(model)["predictive"](flat, lane, jax.random.split(key, len(flat)))
    return {"new": np.asarray(new), "log_density": np.asarray(log_density)}


def nothing(model: Model, status: Status) -> Outcome:
    """The outcome of a lane that was refused before anything was tried."""
    blank = np.full(model.size, np.nan)
    point = Point(blank, np.nan, np.full((model.size, model.size), np.nan), np.inf, 0.0, np.inf)
    return Outcome(point, None, None, None, Health("none"), status)


def _pack(keys: Sequence[jax.Array], count: int) -> jax.Array:
    return jnp.stack([*keys, *[keys[0]] * (count - len(keys))])


def _sample_chunk(
    model: Model, lanes: Sequence[Lane], keys: Sequence[jax.Array], method: str, draws: int, say: Say
) -> list[Outcome]:
    run = programs(model)
    packed, key = stack(lanes, LANES), _pack(keys, LANES)
    say("searching for the mode")
    point = run["point"](packed, run["split"](key, 0))
    say("importance sampling")
    proposal = run["importance"](packed, point, run["split"](key, 1))
    outcomes = [_from_weights(_lane(point, i), _lane(proposal, i), keys[i], draws) for i in range(len(lanes))]
    if method == "importance":
        return outcomes
    if method in ("auto", "hmc"):
        say("Hamiltonian Monte Carlo")
        centre, factor = proposal.centre, proposal.factor
        state = run["chains"](packed, centre, factor, proposal, run["split"](key, 2))
        blocks = _run_blocks(run, packed, centre, factor, state, run["split"](key, 3), SHORT, draws)
        outcomes = [_from_chains(o, "HMC", *(b[i] for b in blocks)) for i, o in enumerate(outcomes)]
    if method == "auto" and not all(o.status.ok for o in outcomes):
        say("longer Hamiltonian Monte Carlo on what has not converged")
        centre, factor, start = _whiten_by_draws(blocks[0], centre, factor)
        state = jax.vmap(functools.partial(hmc.begin, model))(packed, centre, factor, start)
        blocks = _run_blocks(run, packed, centre, factor, state, run["split"](key, 4), LONG, LONGER * draws)
        outcomes = [
            o if o.status.ok else _thinned(_from_chains(o, "longer HMC", *(b[i] for b in blocks)))
            for i, o in enumerate(outcomes)
        ]
    if method == "auto" and not all(o.status.ok for o in outcomes):
        say("more importance sampling on what has not converged")
        many = run["importance_many"](packed, proposal.centre, proposal.factor, run["split"](key, 7))
        outcomes = [
            o if o.status.ok else _from_weights(o.point, _lane(many, i), keys[i], draws, before=o)
            for i, o in enumerate(outcomes)
        ]
    for i, outcome in enumerate(outcomes):
        if method == "nuts":
            say("NUTS")
            outcomes[i] = _nuts(model, lanes[i], _lane(proposal, i), outcome, keys[i], draws)
        elif method == "auto" and not outcome.status.ok:
            say("NUTS on what has not converged")
            outcomes[i] = _thinned(_nuts(model, lanes[i], _lane(proposal, i), outcome, keys[i], LONGER * draws))
    return outcomes


def _lane(tree: Any, i: int) -> Any:
    """One lane of arrays with a lane axis, in NumPy."""
    return jax.tree.map(lambda a: np.asarray(a[i]), tree)


def _from_weights(
    point: Point, proposal: Proposal, key: jax.Array, draws: int, before: Outcome | None = None
) -> Outcome:
    """Importance sampling's answer, resampled to plain draws of one chain."""
    log_weight, pareto_k = diagnose.psis(proposal.log_weight)
    health = Health(
        "importance",
        pareto_k=float(pareto_k),
        ess_weights=float(diagnose.importance_ess(proposal.log_weight)),
        finite=bool(np.isfinite(point.u).all()),
    )
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))  # NumPy, as this is outside any program
    weight = np.nan_to_num(np.exp(log_weight))
    usable = weight.sum() > 0
    chosen = rng.choice(len(weight), size=draws, p=weight / weight.sum() if usable else None)
    return Outcome(point, proposal.u[chosen][None], None, None, health, health.status(), _stages(before))


def _stages(before: Outcome | None) -> tuple[str, ...]:
    """What was tried before, with what each stage failed on."""
    if before is None:
        return ()
    return (*before.stages, f"{before.health.method}: {', '.join(before.health.failures) or 'passed'}")


def _run_blocks(run, packed, centre, factor, state, key, schedule: Schedule, draws: int) -> list[np.ndarray]:
    """Warm up, then sample; (lanes, chains, draws, ...) of draws, energy and divergence."""
    count = -(-draws // (hmc.CHAINS * hmc.BLOCK))
    leapfrogs, largest = jnp.asarray(schedule.leapfrogs), jnp.asarray(schedule.largest)
    kept = []
    for i in range(schedule.warm_up + count):
        adapt = jnp.asarray(i < schedule.warm_up)
        state, block = run["block"](packed, centre, factor, state, run["split"](key, i), leapfrogs, largest, adapt)
        if i >= schedule.warm_up:
            kept.append(block)
    return [np.concatenate([np.asarray(getattr(b, f)) for b in kept], axis=2) for f in ("u", "energy", "diverging")]


def _whiten_by_draws(u: np.ndarray, centre: jax.Array, factor: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Moments of what HMC has drawn so far, where they are usable; and its last draws, to go on from."""
    pooled = u.reshape(u.shape[0], -1, u.shape[-1])
    centres, factors = np.array(centre), np.array(factor)
    for i, draws in enumerate(pooled):
        covariance = np.cov(draws.T).reshape(draws.shape[1], -1)
        if np.isfinite(covariance).all() and np.linalg.eigvalsh(covariance)[0] > 1e-14:
            centres[i], factors[i] = draws.mean(axis=0), np.linalg.cholesky(covariance)
    return jnp.asarray(centres), jnp.asarray(factors), jnp.asarray(u[:, :, -1])


def _from_chains(before: Outcome, method: str, u: np.ndarray, energy: np.ndarray, diverging: np.ndarray) -> Outcome:
    """The gate of chains, after what the stage before said."""
    by_coordinate = np.moveaxis(u, -1, 0)
    finite = bool(np.isfinite(u).all())
    health = Health(
        method,
        r_hat=float(np.max(diagnose.rhat(by_coordinate))),
        ess_bulk=float(np.min(diagnose.ess_bulk(by_coordinate))),
        ess_tail=float(np.min(diagnose.ess_tail(by_coordinate))),
        divergences=int(diverging.sum()),
        ebfmi=float(np.min(diagnose.ebfmi(energy))),
        pareto_k=before.health.pareto_k,
        finite=finite,
    )
    return replace(
        before, u=u, energy=energy, diverging=diverging, health=health, status=health.status(), stages=_stages(before)
    )


def _thinned(outcome: Outcome) -> Outcome:
    """Every LONGER-th draw: the gate has seen them all, the fit keeps as many as any other."""
    assert outcome.u is not None
    assert outcome.energy is not None
    assert outcome.diverging is not None
    every = slice(None, None, LONGER)
    return replace(
        outcome, u=outcome.u[:, every], energy=outcome.energy[:, every], diverging=outcome.diverging[:, every]
    )


def _nuts(model: Model, lane: Lane, proposal: Proposal, outcome: Outcome, key: jax.Array, draws: int) -> Outcome:
    """NUTS on one lane, whitened and started by importance sampling."""
    lane, proposal = jax.tree.map(jnp.asarray, (lane, proposal))
    start = resample(proposal, jax.random.fold_in(key, 5), nuts.CHAINS)
    each = -(-draws // nuts.CHAINS)
    found = nuts.run_nuts(model, lane, proposal.centre, proposal.factor, start, jax.random.fold_in(key, 6), each)
    return _from_chains(outcome, "NUTS", found["u"], found["energy"], found["diverging"])


def point_status(point: Point) -> Status:
    """The gate of a point fit: the optimum was reached, and it is said how many starts agree."""
    starts = f"{100 * point.in_best:.0f} % of the starts agree"
    if not (np.isfinite(point.u).all() and point.decrement < CONVERGED):
        return Status(
            False, "not_converged",
            f"The search did not reach an optimum (Newton decrement {point.decrement:.2g}; {starts}).",
            "Some parameter is probably not determined by these runs.",
        )  # fmt: skip
    return Status(True, "point", f"Point fit: the optimum was reached, {starts}. A point has no interval.")
