"""How firmly the answer stands: a second one, what only the prior says, intervals too narrow, one run that decides."""

from __future__ import annotations

import numpy as np

from jaxscale.infer import cascade
from jaxscale.trust.finding import Finding, note, split, warning
from jaxscale.trust.influence import Influence
from jaxscale.trust.mode import Mode
from jaxscale.words import human, plain

# Nats of log density: a second optimum behind by CLOSE has some 5 % of the best one's weight; one behind by less than
# RIDGE is the same flat valley, where searches stopped elsewhere.
CLOSE, RIDGE = 3.0, 0.05
# Losses of one run under other seeds differ by 0.1 to 1 % (see noise/base.py); a third of the least is implausible.
LEAST_SCATTER, SEEDS = 3e-4, 1e-3
RESTS = 1.0  # posterior standard deviations that a single run moves an answer, as DFBETAS of 1 in regression
MOVES = 0.3  # and the least change of log N* worth a sentence
HINT, TRIED = 0.5, 3  # as RESTS, by one step from the mode: what is then held to fits, and of how many runs


def found(mode: Mode, budget: float | None) -> list[Finding]:
    """All of them."""
    largest = 1.0 if mode.case.compute is None else float(mode.case.compute.max())
    moved = mode.influence(budget or largest)
    findings = [*_second_basin(mode), *_unidentified(mode), *_too_narrow(mode, moved)]
    return [*findings, *_rests_on_one(mode, moved, budget or largest), *_outside(mode, moved)]


def _second_basin(mode: Mode) -> list[Finding]:
    behind, share = float(mode.point.second[0]), float(mode.point.in_best[0])
    if not RIDGE < behind < CLOSE:
        return []
    text = (
        f"A second set of parameters fits nearly as well (log density lower by {behind:.1f}; {100 * share:.0f} % of "
        "the searches ended in the best one): a point fit is one of two answers."
    )
    fix = "Use the posterior, which weighs both; more runs tell them apart, and so may --noise normal."
    return [note("second_basin", text, fix)]


def _unidentified(mode: Mode) -> list[Finding]:
    """Parameters of which the runs say next to nothing, by the curvature at the mode: the prior will answer."""
    case = mode.case
    weak = [p for p in cascade.left_to_prior(mode.model, mode.point)[0] if p in case.law.params]
    if not weak:
        return []
    ends = {
        v.column: float(case.known[v.column].max()) * 4.0 for s, v in case.law.inputs.items() if s in case.table.logs
    }
    wider = f" (such as {case.run(ends)})" if ends else ""
    text = (
        f"These runs say next to nothing about {', '.join(weak)}: the posterior will be as wide as the prior, and "
        "a published value of these would be as good."
    )
    fix = (
        f"Vary {', '.join(v.column for v in case.law.inputs.values())} more widely{wider}, or fix {weak[0]} at a value "
        f"that you trust: --prior {weak[0]}=VALUE."
    )
    return [warning("prior_dominated", text, fix)]


def _too_narrow(mode: Mode, moved: Influence) -> list[Finding]:
    """Losses that scatter less than losses do."""
    if not mode.relative or mode.case.law.response.column != "loss" or mode.scale >= LEAST_SCATTER:
        return []
    name = next((p for p in mode.case.law.free if p not in mode.case.law.linear), mode.case.law.free[0])
    times = (SEEDS / max(mode.scale, 1e-9)) ** 2
    text = (
        f"The law explains these losses to {plain(100 * mode.scale, digits=2)} %, where seeds of one run differ by "
        "0.1 % or more: they are smoothed, interpolated or computed, and an interval of "
        f"±{plain(1.64 * moved.spreads[name], digits=1)} for {name} is implausibly "
        f"narrow, as if there were {plain(times, digits=2)} times as many runs."
    )
    fix = "Use measured final losses, one a run; or give their real scatter in a column loss_sd: --noise known_sd."
    return [warning("too_narrow", text, fix)]


def _rests_on_one(mode: Mode, moved: Influence, compute: float) -> list[Finding]:
    """An answer that one run decides: found by a step from the mode, then held to a fit without it."""
    case, size = mode.case, moved.target == "N*"
    suspects = np.argsort(-np.abs(moved.moves))[:TRIED]
    if abs(moved.moves[suspects[0]]) <= HINT * moved.sd:
        return []
    answers = mode.without(suspects, compute, moved.target)
    worst = int(np.argmax(np.abs(answers - moved.at)))
    i, after = int(suspects[worst]), float(answers[worst])
    move = after - moved.at
    if abs(move) <= max(RESTS * moved.sd, MOVES if size else 0.0):
        return []
    label = case.runs.label(i)
    if size:
        text = f"N* at {plain(compute, digits=2)} FLOP rests on {label}: without it {human(np.exp(after))} in place of "
        text += human(np.exp(moved.at))
    else:
        text = f"The forecast for {case.runs.label(mode.largest)} rests on {label}: without it it moves by "
        text += mode.amount(move)
    text += (
        f", {abs(move) / moved.sd:.1f} posterior standard deviations. A slip in that row would be one in the answer."
    )
    again = {c: float(v[i]) for c, v in case.known.items()}
    return [warning("rests_on_one", text, f"Repeat it with another seed: {case.run(again)}; or add neighbours of it.")]


def _outside(mode: Mode, moved: Influence) -> list[Finding]:
    """A best ratio of tokens to parameters that no run tried, at the compute of the largest run."""
    case = mode.case
    if moved.target != "N*" or case.compute is None or not {"params", "tokens"} <= set(case.known):
        return []
    ratios = case.known["tokens"] / case.known["params"]
    largest = float(case.compute.max())
    best = float(largest / 6.0 * np.exp(-2.0 * mode.influence(largest).at))
    if ratios.min() <= best <= ratios.max():
        return []
    text = (
        f"The best split at the compute of the largest run is {plain(best, digits=2)} tokens per parameter, and runs "
        f"have {plain(ratios.min(), digits=2)} to {plain(ratios.max(), digits=2)}: N* is extrapolated."
    )
    return [warning("optimum_outside", text, f"Add {case.run(split(0.1 * largest, best))}, on the other side.")]
