"""The cascade: point, importance sampling, HMC; then what has not passed goes on alone, in ever dearer stages.

Each stage is gated, and all of it runs over lanes: those that a stage leaves are gathered into full
programs for the next one, so nobody waits for the slowest.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import LANES, Lane, stack
from jaxscale.infer import hmc, mixture, nuts
from jaxscale.infer.importance import Proposal, resample
from jaxscale.infer.point import CONVERGED, Point
from jaxscale.infer.posteriors import Posteriors
from jaxscale.infer.programs import Programs, chunks, programs, take
from jaxscale.model import Model

METHODS = ("auto", "importance", "hmc", "nuts")
LONGER = 4  # times the draws
LAPLACE, FLAT = 500, 1e-3  # draws about a mode; least curvature, in inverse squares of the flat vector's unit
HOPEFUL = 0.03  # distance of R-hat from 1 that a LONGER run is foretold, up to which chains walk on
WEIGHTY = 0.5  # Pareto k, up to which more draws are tried
MIXED = 1  # lanes at once: a mixture has work enough in one
JUMPING = 4  # rounds of chains that jump
PRIOR_DOMINATED = 0.9  # posterior sd over prior sd, above which the data have said little
Say = Callable[[str], None]


@dataclass(frozen=True)
class Schedule:
    """A run of HMC: leapfrogs of at most `largest` posterior standard deviations, after warm-up blocks.

    On a CPU `lanes` at once: many are a little cheaper, but to pad a few costs as much as those do.
    Leapfrogs times step is about a quarter turn of a Gaussian, which serves means and tails alike: half
    a turn gives antithetic draws, whose means look excellent while their spread hardly moves.
    """

    leapfrogs: int
    largest: float
    warm_up: int
    lanes: int


SHORT = Schedule(leapfrogs=3, largest=0.75, warm_up=2, lanes=LANES)
LONG = Schedule(leapfrogs=7, largest=0.3, warm_up=6, lanes=2)


@dataclass(frozen=True)
class _Job:
    """Lanes on their way, packed, with what the stages share."""

    run: Programs
    lanes: Lane
    keys: np.ndarray
    found: Posteriors
    draws: int

    def keys_at(self, places: np.ndarray, salt: int) -> jax.Array:
        """Keys of some lanes for one purpose."""
        return self.run.split(self.keys[places], salt)


def sample(
    model: Model,
    lanes: Sequence[Lane],
    keys: np.ndarray,
    *,
    method: str = "auto",
    draws: int = 4000,
    say: Say = lambda _: None,
) -> Posteriors:
    """Posteriors of several lanes of one shape.

    Args:
        model: law and noise.
        lanes: one a fit, all padded to the same rows.
        keys: (lanes, 2) data of random keys.
        method: "auto" is the cascade; "importance", "hmc" and "nuts" force one stage; "quick" is the cascade with a
            mixture in place of NUTS, whose draws are kept where they are good enough to score a forecast.
        draws: to keep of each fit, over all chains; rounded up to whole blocks of HMC.
        say: hears the name of each stage as it begins.
    """
    run, packed = programs(model), stack(lanes)
    everyone = np.arange(len(lanes))
    block = hmc.CHAINS * hmc.BLOCK
    draws = -(-draws // block) * block
    say("searching for the mode")
    point = points(model, lanes, keys)
    say("importance sampling")
    parts = []
    for some, padded in chunks(packed, everyone):
        proposal = run.importance(take(packed, padded), take(point, padded), run.split(keys[padded], 1))
        parts.append(_real(proposal, len(some)))
    proposal = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    job = _Job(run, packed, keys, Posteriors.empty(model, packed, point, proposal, draws), draws)
    for says, stage, wants in _stages(model, method):
        if len(places := wants(job.found)):
            say(f"{says} ({len(places)} of {len(lanes)})" if len(lanes) > 1 else says)
            stage(job, places)
    return job.found


def points(model: Model, lanes: Sequence[Lane], keys: np.ndarray) -> Point:
    """Point fits of several lanes of one shape; every array has a leading lane axis."""
    run, packed = programs(model), stack(lanes)
    found = []
    for some, padded in chunks(packed, np.arange(len(lanes))):
        point = run.point(take(packed, padded), run.split(keys[padded], 0))
        found.append(_real(point, len(some)))
    point = jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)
    left = np.flatnonzero(~(point.decrement < CONVERGED) & np.isfinite(point.u).all(axis=-1))
    for some, padded in chunks(packed, left):
        finished = run.finish(take(packed, padded), take(point, padded))
        for kept, new in zip(point, finished, strict=True):
            kept[some] = np.asarray(new)[: len(some)]
    return point


def prior_dominated(found: Posteriors) -> list[tuple[str, ...]]:
    """Of each lane, the parameters whose posterior is about as wide as their prior, coordinate by coordinate."""
    model, spread = found.model, np.empty(found.point.u.shape)
    for some, padded in chunks(found.lanes, np.arange(len(spread))):
        spread[some] = np.asarray(programs(model).spread(found.u[padded]))[: len(some)]
    wide = spread / _prior_spread(model) > PRIOR_DOMINATED
    return [tuple(s.param for s, w in zip(model.sites, lane, strict=True) if w) for lane in wide]


def left_to_prior(model: Model, point: Point) -> list[tuple[str, ...]]:
    """As `prior_dominated`, foretold by the curvature at the mode of each lane."""
    found = []
    for u, hessian in zip(point.u, point.hessian, strict=True):
        curvature, axes = np.linalg.eigh(np.where(np.isfinite(hessian), hessian, 0.0))
        steps = axes / np.sqrt(np.maximum(curvature, FLAT))
        around = u + np.random.default_rng(0).standard_normal((LAPLACE, len(u))) @ steps.T
        spread = np.asarray(jax.vmap(model.apart)(jnp.asarray(around))).std(axis=0)
        wide = spread / _prior_spread(model) > PRIOR_DOMINATED
        found.append(tuple(s.param for s, w in zip(model.sites, wide, strict=True) if w))
    return found


@functools.lru_cache(maxsize=64)
def _prior_spread(model: Model) -> np.ndarray:
    draws = jax.vmap(model.draw_prior)(jax.random.split(jax.random.key(0), 2000))
    return np.asarray(jax.vmap(model.apart)(draws)).std(axis=0)


def _stages(model: Model, method: str) -> list[tuple[str, Callable[[_Job, np.ndarray], None], Callable]]:
    """(what is said, the stage, which lanes it takes), in order."""
    everyone = lambda found: np.arange(len(found.status))  # noqa: E731
    failed = lambda found: found.failed  # noqa: E731
    weighty = lambda found: np.array([i for i in found.failed if found.health[i].pareto_k < WEIGHTY], int)  # noqa: E731
    weigh = ("importance sampling", _importance, everyone)
    short = ("Hamiltonian Monte Carlo", _short, everyone)
    many = ("more importance sampling on what has not converged", _many, weighty)
    bent = ("collapsed importance sampling on what has not converged", _collapsed, failed)
    long = ("longer Hamiltonian Monte Carlo on what has not converged", _long, failed)
    mixed = ("importance sampling by a mixture on what has not converged", _mixed, failed)
    jumping = ("Hamiltonian Monte Carlo with jumps on what has not converged", _jumping, failed)
    last = ("NUTS on what has not converged", _nuts, failed)
    most = [weigh, short, many, *([bent] if model.linear and model.noise.apart else []), long]
    if method in ("auto", "quick"):
        return [*most, *([jumping, last] if method == "auto" else [mixed])]
    return [weigh, *{"importance": [], "hmc": [short], "nuts": [("NUTS", _nuts, everyone)]}[method]]


def _importance(job: _Job, places: np.ndarray) -> None:
    job.found.weigh(places, "importance", take(job.found.proposal, places), job.keys[places])


def _many(job: _Job, places: np.ndarray) -> None:
    _weigh_more(job, places, "importance", job.run.importance_many, 7)


def _collapsed(job: _Job, places: np.ndarray) -> None:
    _weigh_more(job, places, "collapsed importance", job.run.collapsed, 8)


def _weigh_more(job: _Job, places: np.ndarray, method: str, program: Callable[..., Proposal], salt: int) -> None:
    for some, padded in chunks(job.lanes, places):
        proposal = take(job.found.proposal, padded)
        more = program(take(job.lanes, padded), proposal.centre, proposal.factor, job.keys_at(padded, salt))
        job.found.weigh(some, method, _real(more, len(some)), job.keys[some])


def _short(job: _Job, places: np.ndarray) -> None:
    for some, padded in chunks(job.lanes, places, SHORT.lanes):
        proposal = take(job.found.proposal, padded)
        start = job.run.resample(proposal, job.keys_at(padded, 2))
        _walk_on(job, some, "HMC", _chains(job, padded, proposal.centre, proposal.factor, start, 3, SHORT), 1)


def _long(job: _Job, places: np.ndarray) -> None:
    for some, padded in chunks(job.lanes, places, LONG.lanes):
        proposal = take(job.found.proposal, padded)
        centre, factor, start = _whitened_by_draws(job.found.u[padded], proposal)
        _walk_on(job, some, "longer HMC", _chains(job, padded, centre, factor, start, 4, LONG), LONGER)


def _mixed(job: _Job, places: np.ndarray) -> None:
    for some, padded in chunks(job.lanes, _walked(job, places), MIXED):
        _learn_mixture(job, some, padded, rough=True)


def _jumping(job: _Job, places: np.ndarray) -> None:
    """Rounds of chains, each twice as long as the one before, whose draws teach it to jump."""
    blocks = job.draws // (hmc.CHAINS * hmc.BLOCK)
    for some, padded in chunks(job.lanes, _walked(job, places), MIXED):
        lanes, keys, step = jax.tree.map(jnp.asarray, take(job.lanes, padded)), job.keys_at(padded, 11), 0
        u = jnp.asarray(_ends(job.found.u[padded]))
        kinds = _learn_mixture(job, some, padded)
        for round_ in range(JUMPING):
            going = np.array([i for i, place in enumerate(some) if not job.found.status[place].ok], int)
            if not len(going):
                break
            archive, kept = jnp.asarray(job.found.u[padded]), []
            kinds = job.run.fitted(archive, job.run.fold(keys, step)) if round_ else kinds
            longer = blocks * 2 ** (round_ + 1)
            for i in range(-(longer // 4), longer):
                step += 1
                u, block = job.run.moves(lanes, kinds, archive, u, job.run.fold(keys, step))
                if i >= 0:
                    kept.append(_real(block, len(some)))
            together = [np.concatenate(parts, axis=2)[going] for parts in zip(*kept, strict=True)]
            job.found.walk(some[going], "HMC with jumps", *together)


def _learn_mixture(job: _Job, some: np.ndarray, padded: np.ndarray, rough: bool = False) -> mixture.Kinds:
    """A mixture of each lane, by its weights judged."""
    lanes, keys = take(job.lanes, padded), job.keys_at(padded, 9)
    kinds, proposal = job.run.mixture(lanes, job.found.u[padded], keys)
    job.found.weigh(some, "mixture importance", _real(proposal, len(some)), job.keys[some], rough=rough)
    return kinds


def _walked(job: _Job, places: np.ndarray) -> np.ndarray:
    """Those that have draws to learn from."""
    return np.array([i for i in places if np.isfinite(job.found.u[i]).all()], int)


def _nuts(job: _Job, places: np.ndarray) -> None:
    """One lane at a time, whitened and started by importance sampling."""
    for place in places:
        lane, proposal = jax.tree.map(jnp.asarray, take((job.lanes, job.found.proposal), place))
        key = jax.random.wrap_key_data(jnp.asarray(job.keys[place]))
        start = resample(proposal, jax.random.fold_in(key, 5), nuts.CHAINS)
        shared = job.run.model, lane, proposal.centre, proposal.factor, start
        for i, target in enumerate(nuts.TARGETS):
            more = nuts.walks(*shared, jax.random.fold_in(key, 6 + 10 * i), job.draws // nuts.CHAINS, target)
            alone = (jax.tree.map(lambda a: a[None], walk) for walk in more)
            _walk_on(job, np.array([place]), "NUTS", alone, LONGER)
            if not job.found.health[place].divergences:
                break


def _walk_on(job: _Job, some: np.ndarray, method: str, more: Iterator[Any], rounds: int) -> None:
    """Walk up to so many rounds: each lane until it has passed its gate, or cannot any more."""
    kept, going = [], np.arange(len(some))
    for done, walk in enumerate(itertools.islice(more, rounds), 1):
        kept.append(_real(walk, len(some)))
        together = [np.concatenate(parts, axis=2)[going] for parts in zip(*kept, strict=True)]
        job.found.walk(some[going], method, *together)
        going = np.array([i for i in going if _may_pass(job.found, some[i], done / LONGER)], int)
        if not len(going):
            break


def _may_pass(found: Posteriors, lane: int, done: float) -> bool:
    """Whether more draws could help; R-hat's distance from 1 falls as they grow."""
    health = found.health[lane]
    return not found.status[lane].ok and not health.divergences and (health.r_hat - 1.0) * done < HOPEFUL


def _chains(
    job: _Job, padded: np.ndarray, centre: Any, factor: Any, start: Any, salt: int, schedule: Schedule
) -> Iterator[hmc.Block]:
    """Warm up, then sample one chunk for as long as is asked; arrays (lanes, chains, draws, ...)."""
    lanes, keys = take(job.lanes, padded), job.keys_at(padded, salt)
    lanes, centre, factor = jax.tree.map(jnp.asarray, (lanes, centre, factor))
    shared = np.asarray(schedule.leapfrogs), np.asarray(schedule.largest)
    state, kept = job.run.begin(centre, factor, start), []
    for i in itertools.count():
        adapt = np.asarray(i < schedule.warm_up)
        state, block = job.run.block(lanes, centre, factor, state, job.run.fold(keys, i), *shared, adapt)
        if not adapt:
            kept.append(block)
        if len(kept) == job.draws // (hmc.CHAINS * hmc.BLOCK):
            yield jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=2), *kept)
            kept = []


def _whitened_by_draws(u: np.ndarray, proposal: Proposal) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moments of the draws so far, where they are usable, and draws to start from; of one chunk."""
    centres, factors = np.array(proposal.centre), np.array(proposal.factor)
    for i, draws in enumerate(u):
        covariance = np.cov(draws.T).reshape(draws.shape[1], -1)
        if np.isfinite(covariance).all() and np.linalg.eigvalsh(covariance)[0] > 1e-14:
            centres[i], factors[i] = draws.mean(axis=0), np.linalg.cholesky(covariance)
    return centres, factors, _ends(u)


def _ends(u: np.ndarray) -> np.ndarray:
    """The last of each chain's draws (lanes, draws, size), or as many of those that are of no chain."""
    each = u.shape[1] // hmc.CHAINS
    return u[:, each - 1 :: each]


def _real(tree: Any, count: int) -> Any:
    """Without the padding lanes, in NumPy."""
    return jax.tree.map(lambda a: np.asarray(a)[:count], tree)
