"""Our fits of many tables: what each stage of the cascade took, what it cost, and the moments of what it gave."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from compare import NAMES, Estimate, estimate_of_chains, estimate_of_weights, transformed
from tables import TRUTH

import jaxscale as js
from jaxscale.infer import hmc, nuts

DRAWS = 4000  # the default of fit_many; all of them are kept
CHAINS = {"HMC": hmc.CHAINS, "longer HMC": hmc.CHAINS, "NUTS": nuts.CHAINS}
COVERED = ("E", "alpha", "beta")
STAGES = ("HMC", "importance", "collapsed importance", "longer HMC", "NUTS")  # in the order of the cascade


@dataclass(frozen=True)
class Ours:
    """One call of fit_many.

    Attributes:
        health: indexed by fit, as `Fits.health` gives it, with ok as bool.
        estimates: of the fits that are called ok.
        covers: fits that are ok x COVERED, whether the 90 % interval holds the truth.
        cpu: seconds of the call.
    """

    health: pd.DataFrame
    estimates: Mapping[str, Estimate]
    covers: pd.DataFrame
    cpu: float


def fitted(tables: Mapping[str, js.Runs], seed: int = 0) -> Ours:
    """Fit all tables in one call; fits of one table under several ids have keys of their own."""
    clock = time.process_time()
    fits = js.fit_many(tables, seed=seed, draws=DRAWS, keep=DRAWS)
    cpu = time.process_time() - clock
    health = fits.health().astype({"ok": bool})
    params = fits.recipe.model.params
    posterior = fits.data["posterior"].to_dataset()
    draws = transformed(params, np.stack([posterior[p].to_numpy()[:, 0] for p in params], axis=-1))
    at = {str(name): i for i, name in enumerate(posterior["fit"].to_numpy())}
    passed = health[health.ok]
    estimates = {
        name: estimate(draws[at[name]].T, method, effective)
        for name, method, effective in zip(passed.index, passed.method, passed.ess_weights, strict=True)
    }
    summary = fits.summary().set_index(["parameter", "fit"])
    covers = {p: summary.loc[p].q05.lt(TRUTH[p]) & summary.loc[p].q95.gt(TRUTH[p]) for p in COVERED}
    return Ours(health, estimates, pd.DataFrame(covers).loc[passed.index], cpu)


def estimate(draws: np.ndarray, method: str, effective: float) -> Estimate:
    """Of the draws (params, draws) of one fit, whose chains follow each other."""
    assert len(draws) == len(NAMES)
    if method in CHAINS:
        return estimate_of_chains(draws.reshape(len(draws), CHAINS[method], -1))
    return estimate_of_weights(draws, effective)


def shares(ours: Ours) -> dict[str, float]:
    """Of the tables: those that each stage answered, and those that were refused."""
    ok = ours.health[ours.health.ok]
    found = {stage: float(np.sum(ok.method == stage)) / len(ours.health) for stage in STAGES}
    return found | {"refused": 1.0 - len(ok) / len(ours.health)}


def chosen(ours: Ours, count: int, most: int) -> list[str]:
    """Ids to refer: the first of each stage in turn, at most `most` of one."""
    ok = ours.health[ours.health.ok]
    queues = {stage: list(ok.index[ok.method == stage])[:most] for stage in STAGES}
    turns = [names[i] for i in range(most) for names in queues.values() if i < len(names)]
    return sorted(turns[:count], key=list(ours.health.index).index)
