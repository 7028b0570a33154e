"""Stages of the cascade by themselves, again and again on the same tables: bias apart from noise, and what gates do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from compare import Estimate, estimate_of_chains, estimate_of_weighted, transformed
from judge import Judged, judged
from reference import Reference, prepared

import jaxscale as js
from jaxscale import diagnose
from jaxscale.batch import keys_of, stack
from jaxscale.infer import cascade, hmc
from jaxscale.infer.importance import Proposal
from jaxscale.infer.programs import chunks, programs, take
from jaxscale.runtime import at_the_door
from jaxscale.status import Health

SEED = 1  # fit_many's fits have 0
FIRST = "importance of 1000"  # the cascade's first stage, whose answer stands only until HMC's


@at_the_door
def forced(tables: Mapping[str, js.Runs], references: Mapping[str, Reference], repeats: int) -> list[Judged]:
    """Four programs of the cascade on every table that has a reference, `repeats` times each, whatever the gate says.

    All go on from the moments of the first, as in the cascade. Importance sampling is judged by its smoothed weights,
    not by draws resampled from them.
    """
    if not references:
        return []
    made = {table: prepared(tables[table]) for table in references}
    model = next(iter(made.values()))[0]
    names = [(table, f"{table}##{i}") for table in references for i in range(repeats)]
    keys, lanes = keys_of(SEED, [name for _, name in names]), [made[table][2] for table, _ in names]
    run, packed = programs(model), stack(lanes)
    drawn = cascade.sample(model, lanes, keys, method="hmc")
    found = []
    for at, (table, _) in enumerate(names):
        by_param = np.moveaxis(transformed(model.params, drawn.values[at]), -1, 0)
        estimate = estimate_of_chains(by_param.reshape(len(by_param), hmc.CHAINS, -1))
        weights = drawn.health[at].pareto_k, float("nan")
        found.append(judged(table, "HMC", drawn.status[at].ok, weights, estimate, references[table]))
    first: Proposal = drawn.proposal

    def judge(at: int, stage: str, proposal: Proposal) -> None:
        table = names[at][0]
        health, estimate = _weighed(model.params, proposal)
        weights = health.pareto_k, health.ess_weights
        found.append(judged(table, stage, not health.failures, weights, estimate, references[table]))

    for at in range(len(names)):
        judge(at, FIRST, take(first, at))
    for stage, program, salt in (("importance", run.importance_many, 7), ("collapsed importance", run.collapsed, 8)):
        for some, padded in chunks(packed, np.arange(len(names))):
            begin, split = take(first, padded), run.split(keys[padded], np.asarray(salt))
            more = jax.tree.map(np.asarray, program(take(packed, padded), begin.centre, begin.factor, split))
            for place, at in enumerate(some):
                judge(at, stage, take(more, place))
    return [fit for fit in found if np.isfinite(fit.gap.z).all()]


def _weighed(params: Sequence[str], proposal: Proposal) -> tuple[Health, Estimate]:
    log_weight, pareto_k = diagnose.psis(proposal.log_weight)
    effective = float(diagnose.importance_ess(proposal.log_weight))
    health = Health("importance", pareto_k=float(pareto_k), ess_weights=effective)
    return health, estimate_of_weighted(transformed(params, proposal.values), np.exp(log_weight))
