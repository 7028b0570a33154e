"""What some observation models want to know of a row beside inputs and response.

size      logarithm of its compute over 1e20 FLOP; of laws without compute, of their first input
sd        of its measurement, on the scale of the noise
run       which run it is a checkpoint of, with its place in the run's order
annealed  1 where the learning rate had decayed, 0 before
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxscale.errors import DataError, Problem
from jaxscale.law import Law
from jaxscale.noise import Noise
from jaxscale.noise.checkpoints import LEAST_STEP
from jaxscale.runs import IDENTITY
from jaxscale.variables import Response, Variable, training_compute

if TYPE_CHECKING:
    from jaxscale.batch import Table
    from jaxscale.runs import Runs

REFERENCE = 1e20  # FLOP


def sizes(law: Law, x: Mapping[str, np.ndarray]) -> np.ndarray:
    """Logarithm of each row's size; (n,), zero for laws without an input that is carried by its logarithm."""
    compute = training_compute(law.by_column(x))
    if compute is not None:
        return np.log(compute / REFERENCE)
    logs = [np.log(v) for s, v in x.items() if law.inputs[s].axis == "log"]
    return logs[0] if logs else np.zeros(len(next(iter(x.values()))))


def read_beside(runs: Runs, law: Law, noise: Noise, x: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What the noise needs beside the inputs x and the response; name -> (n,).

    Raises:
        DataError: a column is missing or holds what it cannot.
    """
    numbers: dict[str, Variable | Response] = {}
    response = law.response
    if "sd" in noise.needs:
        meaning = f"standard deviation of the measured {response.column}"
        numbers["sd"] = Variable(f"{response.column}_sd", response.unit, meaning, response.units)
    if "annealed" in noise.needs:
        numbers["annealed"] = Variable("annealed", "", "1 after the learning rate's decay, 0 before", axis="raw")
    found = dict(runs.numbers(numbers)[0]) if numbers else {}
    if "run" in noise.needs:
        found["run"] = _codes(runs, noise)
    if "size" in noise.needs:
        found["size"] = sizes(law, x)
    return found


def _codes(runs: Runs, noise: Noise) -> np.ndarray:
    there = [c for c in IDENTITY if c in runs.table]
    repeats = [c for c in there if runs.table[c].duplicated().any()]
    column = runs.columns.get("run") or next(iter([*repeats, *there]), "run")
    if column not in runs.table:
        problem = Problem(
            f"no column tells the runs apart, which noise {noise.name!r} needs", column,
            got=f"columns {', '.join(map(str, runs.table))[:200]}", expected="a column 'run'",
            fix="map it with columns={'run': 'your column'}, or choose another noise",
        )  # fmt: skip
        raise DataError(runs.source, [problem])
    codes, _ = pd.factorize(runs.table[column].astype(object).map(str))
    return codes.astype(np.float64)


def beside_lane(table: Table, noise: Noise, fill: np.ndarray) -> dict[str, Any]:
    """Entries of a padded lane; `fill` says which row stands at each place of it."""
    found: dict[str, Any] = {}
    if "size" in noise.needs:
        found["size"] = table.beside["size"][fill]
    if "sd" in noise.needs:
        sd = table.beside["sd"] / table.y if noise.on == "log" else table.beside["sd"]
        found["sd"] = sd[fill]
    if "annealed" in noise.needs:
        found["annealed"] = table.beside["annealed"][fill]
    if "run" in noise.needs:
        found |= _trail(table, len(fill))
    return found


def _trail(table: Table, rows: int) -> dict[str, np.ndarray]:
    """Of each row: its run, whether it is the run's first, the places of the rows before and after, and the step.

    A step is that of the log input since the row before, over the table's median step. A last row has the run's first
    after it. `order` lists the places run by run, and `start` and `stop` say where in it each run is. Padding rows are
    runs of one row, and count as none.
    """
    n = len(table)
    _, run = np.unique(table.beside["run"], return_inverse=True)
    along = _along(table, run)
    order = np.lexsort((along, run))
    same = np.diff(run[order]) == 0
    before, step = np.arange(rows), np.ones(rows)
    before[order[1:][same]] = order[:-1][same]
    steps = along[order[1:][same]] - along[order[:-1][same]]
    usual = float(np.median(steps[steps > 0])) if np.any(steps > 0) else 1.0
    step[order[1:][same]] = np.maximum(steps / usual, LEAST_STEP)
    pads = np.arange(n, rows)
    codes = np.concatenate([run, np.minimum(run.max() + 1, rows - 1) + 0 * pads])
    ends = np.cumsum(np.bincount(run, minlength=rows))
    starts = np.concatenate([[0], ends[:-1]])
    after = np.arange(rows)
    after[order] = order[starts[run[order]]]
    after[order[:-1][same]] = order[1:][same]
    found = {
        "run": codes, "before": before, "after": after, "order": np.concatenate([order, pads]),
        "start": starts, "stop": ends,
    }  # fmt: skip
    return {name: places.astype(np.int32) for name, places in found.items()} | {
        "first": before == np.arange(rows), "step": step,
    }  # fmt: skip


def _along(table: Table, run: np.ndarray) -> np.ndarray:
    """The log input that varies most along a run; the rows' order where none does."""
    rows = [np.flatnonzero(run == i) for i in range(run.max() + 1)]
    logs = list(table.logs.values())
    spans = [float(np.median([np.ptp(v[at]) for at in rows])) for v in logs]
    return logs[int(np.argmax(spans))] if spans and max(spans) > 0 else np.arange(len(run), dtype=float)
