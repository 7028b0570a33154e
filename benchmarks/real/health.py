"""One table measured: every curve fitted, how each passed or why not, and what it cost."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from tables import Curves, Real, missing

import jaxscale as js
from jaxscale.batch import LANES, rows_for

STAGES = ("HMC", "importance", "collapsed importance", "longer HMC", "NUTS")
COMPILED = "/jax/core/compile/backend_compile_duration"
_COMPILING: list[float] = []


def listen() -> None:
    """Note how long each compilation takes, in whatever thread."""

    def note(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED:
            _COMPILING.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(note)


def measure(table: Real, most: int | None) -> dict[str, Any]:
    """The record of one table; why it was skipped, where its folder is not there.

    Args:
        table: to fit.
        most: curves at most, spread evenly over the table; None for all.
    """
    record: dict[str, Any] = {"name": table.name, "law": table.law, "about": table.about}
    if reason := missing(table):
        return record | {"skipped": reason}
    curves = thinned(table.curves(), most)
    record["warm_up"] = _warm_up(table, curves)
    tell(f"{table.name}: warm-up {record['warm_up']}")
    fits, record["cost"] = _timed(lambda: fit(table, curves))
    record |= _health(fits, curves)
    record["says"] = table.says(fits, curves)
    tell(f"{table.name}: {record['fitted']} of {record['curves']} fitted, {record['cost']}")
    return record


def fit(table: Real, curves: Curves) -> js.Fits:
    """Every curve, with the defaults; no draws are kept."""
    return js.fit_many(curves, law=table.law, keep=0, progress=False)


def thinned(curves: Curves, most: int | None) -> Curves:
    """At most so many curves, from the first to the last."""
    if most is None or len(curves) <= most:
        return curves
    names = list(curves)
    return {names[i]: curves[names[i]] for i in np.linspace(0, len(names) - 1, most).astype(int)}


def _warm_up(table: Real, curves: Curves) -> dict[str, Any]:
    """Compile what one chunk of lanes of each shape needs: a chunk costs as much with one curve as when it is full."""
    buckets: dict[int, list[str]] = {}
    for name, runs in curves.items():
        buckets.setdefault(rows_for(len(runs)), []).append(name)
    few = {name: curves[name] for names in buckets.values() for name in list(thinned(_of(curves, names), LANES))}
    _, cost = _timed(lambda: fit(table, few))
    return cost | {"buckets": sorted(buckets), "curves": len(few)}


def _of(curves: Curves, names: list[str]) -> Curves:
    return {name: curves[name] for name in names}


def _timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What was made, and CPU and wall seconds, those that threads spent compiling, and the machine's load."""
    _COMPILING.clear()
    cpu, wall = time.process_time(), time.perf_counter()
    made = work()
    return made, {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - wall,
        "compiled": len(_COMPILING),
        "compiling_s": sum(_COMPILING),
        "load": os.getloadavg()[0],
    }


def _health(fits: js.Fits, curves: Curves) -> dict[str, Any]:
    """Counts by stage and by reason, and which curves did not pass."""
    health = fits.health()
    rows = [len(runs) for runs in curves.values()]
    passed = Counter(health.method[health.ok])
    refused = health[~health.ok]
    stray = set(passed) - set(STAGES)
    assert not stray, f"stages that the health table has no column for: {stray}"
    return {
        "curves": len(curves),
        "rows": {"least": min(rows), "median": float(np.median(rows)), "most": max(rows)},
        "fitted": int(health.ok.sum()),
        "stages": {stage: passed[stage] for stage in STAGES},
        "refused": dict(sorted(Counter(refused.code).items())),
        "refused_curves": {str(code): sorted(part.index) for code, part in refused.groupby("code")},
        "failed_on": failures([str(text) for text in refused.status[refused.code == "not_converged"]]),
    }


def failures(sentences: list[str]) -> dict[str, int]:
    """How often each number of the gate failed."""
    kinds = ("R-hat", "effective draws", "divergent", "E-BFMI", "Pareto", "not finite")
    return {kind: count for kind in kinds if (count := sum(kind in text for text in sentences))}


def tell(text: str) -> None:
    """A line for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
