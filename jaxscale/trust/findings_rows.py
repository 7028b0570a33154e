"""What rows are: checkpoints of one run, warm-up, repeats with other seeds, a sweep of settings, copies."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from jaxscale.trust.finding import Case, Finding, note, warning
from jaxscale.words import human, plain

NARROWER = 1.2  # times too narrow that intervals of checkpoints are, from which it is said
LATE = 0.5  # of a run's peak learning rate: a row above it was measured in mid-schedule
RISEN = 0.9  # of the peak: below it, and before it, a run warms up
SETTINGS = 3  # of one knob at one point, from which rows are a sweep
AT_EDGE = 0.25  # share of the points whose best setting is the last one tried
SIZES = 1.0  # decades over which one learning rate suits few models
MISFIT, SURE = 1.5, 0.01  # residual sd over seed sd, and the chance of as much by luck
LAST = ("is_last", "is_final", "final", "last")
RATES = ("lr", "learning_rate", "peak_lr", "max_lr")
KNOBS = (*RATES, "batch_size", "batch_size_tokens", "batch_size_seqs")


def found(case: Case) -> list[Finding]:
    """All that needs no fit."""
    return [*_checkpoints(case), *_schedule(case), *_copies(case), *_sweep(case), *_repeats(case)]


def _checkpoints(case: Case) -> list[Finding]:
    if case.trails is None:
        return []
    rows, runs = len(case.table), len(np.unique(case.trails))
    times = float(np.sqrt(rows / runs))
    if times < NARROWER:
        return []
    text = (
        f"{rows} rows are checkpoints of {runs} runs, and rows of one run err together: taken as so many runs they "
        f"make intervals up to {times:.1f} times too narrow."
    )
    return [warning("checkpoints", text, f"Fit with --noise checkpoints, or keep the final rows: {_final(case)}.")]


def _final(case: Case) -> str:
    """How to keep the last row of each run."""
    flag = next((c for c in LAST if c in case.runs.table), None)
    return f'--where "{flag} == 1"' if flag else f'table.groupby("{case.run_column}").tail(1)'


def _schedule(case: Case) -> list[Finding]:
    """Rows before the learning rate has risen, and rows before it has fallen."""
    annealed = case.numeric("annealed")
    if annealed is not None and (early := int((annealed == 0).sum())):
        return [_mid_schedule(case, early, "the column annealed says", "--noise checkpoints:annealed=true")]
    rate, along = case.numeric("lr", "learning_rate"), case.known.get("tokens")
    if case.trails is None or rate is None or along is None:
        return []
    warming, late = np.zeros(len(rate), bool), np.zeros(len(rate), bool)
    for run in np.unique(case.trails):
        rows = np.flatnonzero((case.trails == run) & np.isfinite(rate))
        if not len(rows) or rate[rows].min() > LATE * rate[rows].max():
            continue
        share = rate[rows] / rate[rows].max()
        after = along[rows] >= along[rows][np.argmax(share)]
        warming[rows], late[rows] = ~after & (share < RISEN), after & (share > LATE)
    found = [_warm_up(case, warming)] if warming.any() else []
    why = f"their learning rate is above {100 * LATE:.0f} % of their run's peak"
    return [*found, _mid_schedule(case, int(late.sum()), why, _final(case))] if late.any() else found


def _mid_schedule(case: Case, early: int, why: str, fix: str) -> Finding:
    return warning(
        "mid_schedule",
        f"{early} of {len(case.table)} rows were measured before the learning rate had decayed ({why}): a run "
        "planned to end there has a lower loss, so the law comes out too high.",
        f"Keep finished runs: {fix}.",
    )


def _warm_up(case: Case, warming: np.ndarray) -> Finding:
    steps, tokens = case.numeric("step"), case.known.get("tokens")
    query = f"step <= {steps[warming].max():.0f}" if steps is not None else None
    if query is None and tokens is not None:
        query = f"{case.column_of('tokens') or 'tokens'} <= {plain(tokens[warming].max(), digits=4)}"
    return warning(
        "warm_up",
        f"{int(warming.sum())} of {len(case.table)} rows were measured while the learning rate still rose, where "
        "losses follow the warm-up and not the law.",
        f'Take them out: --exclude "{query}" --reason "warm-up".' if query else "Take them out with --exclude.",
    )


def _copies(case: Case) -> list[Finding]:
    """Rows that repeat inputs and loss to the digit."""
    copied = pd.DataFrame({"point": case.point, "y": case.table.y}).duplicated()
    if not copied.any():
        return []
    first = int(np.flatnonzero(copied)[0])
    return [
        warning(
            "copies",
            f"{int(copied.sum())} of {len(case.table)} rows repeat the inputs and the {case.law.response.column} of "
            f"another to the digit, the first of them {case.runs.label(first)}: each counts twice, and no seed does "
            "that.",
            f"Keep one of each: table.drop_duplicates({sorted(case.used)}).",
        )
    ]


def _sweep(case: Case) -> list[Finding]:
    """Many settings at one point: only the best of them is what a law of size and data describes."""
    rate = next((c for c in RATES if c in case.runs.table and c not in case.used), None)
    knobs = {c: v for c in KNOBS if c in case.recipes and (v := case.numeric(c)) is not None}
    points = [rows for p in np.unique(case.point) if len(rows := np.flatnonzero(case.point == p)) >= SETTINGS]
    knobs = {c: v for c, v in knobs.items() if any(len(np.unique(v[rows])) >= SETTINGS for rows in points)}
    loss_like = case.law.response.better == "lower" and (case.table.y > 0).all()
    if not knobs or not loss_like or case.trails is not None:
        return _one_rate(case, rate)
    points = [rows for rows in points if any(len(np.unique(v[rows])) >= SETTINGS for v in knobs.values())]
    y, loss = case.table.y, case.column_of(case.law.response.column)
    worse = float(np.median([np.median(y[rows]) / y[rows].min() - 1.0 for rows in points]))
    best = f"table.loc[table.groupby({sorted(case.used - {loss})})['{loss}'].idxmin()]"
    count = sum(len(rows) for rows in points)
    text = (
        f"{count} rows are a sweep of {', '.join(knobs)} at {len(points)} points: the usual setting is "
        f"{100 * worse:.1f} % above the best one, and a law through all of them describes no tuned run."
    )
    fix = f"Keep the best of each point, {best}, or fit what the best would reach: --noise frontier."
    return [warning("sweep", text, fix), *_edges(case, points, knobs)]


def _edges(case: Case, points: list[np.ndarray], knobs: Mapping[str, np.ndarray]) -> list[Finding]:
    """Points whose best setting is the first or last of those tried."""
    for knob, values in knobs.items():
        swept = [rows for rows in points if len(np.unique(values[rows])) >= SETTINGS]
        best = [int(rows[np.argmin(case.table.y[rows])]) for rows in swept]
        ends = [(values[rows].min(), values[rows].max()) for rows in swept]
        edge = [(i, high) for i, (low, high) in zip(best, ends, strict=True) if values[i] in (low, high)]
        if len(edge) <= AT_EDGE * len(swept):
            continue
        cost = np.zeros(len(values)) if case.compute is None else case.compute
        i, high = min(edge, key=lambda e: cost[e[0]])
        beyond = values[i] * (2.0 if values[i] == high else 0.5)
        text = (
            f"At {len(edge)} of {len(swept)} points the best {knob} is the lowest or the highest that was tried: the "
            "best loss was not reached there, and N* leans to where tuning was better."
        )
        fix = f"Go on beyond the edge: {case.run(_at(case, i))} with {knob} {plain(beyond, digits=2)}."
        return [warning("tuning_edge", text, fix)]
    return []


def _one_rate(case: Case, rate: str | None) -> list[Finding]:
    values, n = None if rate is None else case.numeric(rate), case.known.get("params")
    if values is None or n is None or len(np.unique(values)) != 1 or np.ptp(np.log10(n)) < SIZES:
        return []
    return [
        note(
            "one_lr",
            f"{rate} is {plain(float(values[0]), digits=2)} for every size from {human(n.min(), digits=2)} to "
            f"{human(n.max(), digits=2)}: the best one usually falls with size, so one end may be under-tuned.",
            f"Try half of it on the largest: {case.run(_at(case, int(np.argmax(n))))}.",
        )
    ]


def _repeats(case: Case) -> list[Finding]:
    """Whether the scatter of seeds can be known at all."""
    if case.trails is not None or seed_scatter(case) is not None or case.compute is None:
        return []
    cheapest = int(np.argmin(case.compute))
    share = float(case.compute[cheapest] / case.compute.sum())
    return [
        note(
            "no_repeats",
            "No run was repeated with another seed, so the scatter of seeds cannot be told from what the law misses.",
            f"Repeat a small one: {case.run(_at(case, cheapest))} is {_percent(share)} of what this table cost.",
        )
    ]


def _percent(share: float) -> str:
    return "less than 0.1 %" if share < 1e-3 else f"{plain(100 * share, digits=2)} %"


def _at(case: Case, row: int) -> Mapping[str, float]:
    return {c: float(v[row]) for c, v in case.known.items()}


def seed_scatter(case: Case) -> tuple[float, int] | None:
    """Standard deviation of the log response over runs of one point and one recipe, and its degrees of freedom."""
    if case.trails is not None or (case.table.y <= 0).any() or case.table.trials is not None:
        return None
    keys = [case.point, *(np.unique(case.text(c), return_inverse=True)[1] for c in case.recipes)]
    alike = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)[1].ravel()
    rows = np.unique(np.stack([alike, np.log(case.table.y)], axis=1), axis=0)  # a copy is no repeat
    which, y = rows[:, 0].astype(int), rows[:, 1]
    count = np.bincount(which)
    free = int(len(y) - np.sum(count > 0))
    if not free:
        return None
    left = y - (np.bincount(which, y) / count)[which]
    return float(np.sqrt(np.sum(left**2) / free)), free


def lack_of_fit(case: Case, scale: float) -> list[Finding]:
    """What the law misses, against what seeds explain; scale is the robust sd of the log residuals."""
    seeds = seed_scatter(case)
    if seeds is None or not 0 < seeds[0] < scale / MISFIT:
        return []
    sd, free = seeds
    if stats.f.sf((scale / sd) ** 2, len(case.table) - len(case.law.free), free) > SURE:
        return []
    return [
        warning(
            "lack_of_fit",
            f"Repeats of one run differ by {plain(100 * sd, digits=2)} %, and the runs lie "
            f"{plain(100 * scale, digits=2)} % from the law: most of the scatter "
            "is what the law or the recipe leaves out, which more seeds do not lessen (unless the "
            "repeats shared their seed).",
            f"Let the backtest judge other laws (`jaxscale backtest TABLE --law {case.law.name} --law OTHER`), and "
            "look for a setting that differs between runs.",
        )
    ]
