"""The reference: long NUTS on the same padded lane, with keys and starts of its own, kept in a cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from compare import Estimate, estimate_of_chains, transformed

import jaxscale as js
from jaxscale import diagnose
from jaxscale.batch import Lane, Table, keys_of, lane_of, rows_for, table_of
from jaxscale.infer import cascade, nuts
from jaxscale.infer.importance import Proposal, importance, resample
from jaxscale.infer.point import Point
from jaxscale.infer.programs import take
from jaxscale.law import get_law
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runtime import at_the_door

SEED = 715_225_739  # of keys that no fit of ours has
LENGTHS = 20_000, 80_000  # draws of each of the four chains; the second where the first is too short
LEAST_ESS, MOST_R_HAT = 4000, 1.01
LAW = "chinchilla"


@dataclass(frozen=True)
class Reference:
    """What long NUTS says of one table.

    Attributes:
        estimate: means and spreads of the transformed parameters, with their Monte Carlo errors.
        draws: (draws, params) transformed, over all chains.
        r_hat, ess: the worst over the parameters; `ess` of the bulk.
        divergences: steps that diverged, over all chains.
        each: draws of a chain.
    """

    estimate: Estimate
    draws: np.ndarray
    r_hat: float
    ess: float
    divergences: int
    each: int

    @property
    def good(self) -> bool:
        """Whether it is long enough to judge by."""
        return self.r_hat < MOST_R_HAT and self.ess > LEAST_ESS


def references(tables: Mapping[str, js.Runs], folder: Path) -> Iterator[tuple[str, Reference]]:
    """One table after another; those in the cache are read."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, runs in tables.items():
        file = folder / f"{_address(runs)}.npz"
        if not file.exists():
            found = _sampled(runs)
            unfinished = file.with_suffix(".part.npz")
            np.savez(unfinished, values=found[0], diverging=found[1])
            unfinished.replace(file)
        with np.load(file) as kept:
            yield name, _judged(kept["values"].astype(float), int(kept["diverging"]))


@at_the_door
def _address(runs: js.Runs) -> str:
    """Of the posterior itself, by its density at three points, and of the settings; not of the package's version."""
    model, table, lane = prepared(runs)
    points = [{s.name: jnp.asarray(value) for s in model.sites} for value in (0.05, 0.3, 2.0)]
    density = [f"{float(model.log_joint(point, lane)):.8g}" for point in points]
    settings = json.dumps([model.params, density, SEED, LENGTHS, nuts.CHAINS, LEAST_ESS])
    return hashlib.sha256(settings.encode() + table.digest).hexdigest()[:32]


def prepared(runs: js.Runs) -> tuple[Model, Table, Lane]:
    """Model, table and padded lane, as fit_many makes them."""
    law = get_law(LAW)
    model, table = Model(law, get_noise(None, law.response)), table_of(runs, law)
    return model, table, lane_of(table, model.noise, rows_for(len(table)))


@at_the_door
def _sampled(runs: js.Runs) -> tuple[np.ndarray, int]:
    """Transformed draws (chains, draws, params), in single precision, and how many diverged."""
    model, table, lane = prepared(runs)
    key = keys_of(SEED, [table.digest.hex()])
    point = take(cascade.points(model, [lane], key), 0)
    first, second, third = jax.random.split(key[0], 3)
    proposal = _proposal(model)(lane, Point(*map(jnp.asarray, point)), first)
    start = resample(proposal, second, nuts.CHAINS)
    values, diverging = np.empty(0), 0
    for each in LENGTHS:
        found = next(nuts.walks(model, lane, proposal.centre, proposal.factor, start, third, each))
        values, diverging = transformed(model.params, np.asarray(found.values)), int(found.diverging.sum())
        if _judged(values, diverging).good:
            break
    return values.astype(np.float32), diverging


@cache
def _proposal(model: Model) -> Callable[..., Proposal]:
    return jax.jit(partial(importance, model))


def _judged(values: np.ndarray, diverging: int) -> Reference:
    by_param = np.moveaxis(values, -1, 0)
    convergence = diagnose.convergence(by_param)
    return Reference(
        estimate_of_chains(by_param),
        values.reshape(-1, values.shape[-1]),
        float(convergence.r_hat.max()),
        float(convergence.ess_bulk.min()),
        diverging,
        values.shape[1],
    )
