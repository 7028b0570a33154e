"""What some observation models want to know of a row beside inputs and response.

size      logarithm of its compute over 1e20 FLOP; of laws without compute, of their first input
sd        of its measurement, on the scale of the noise
run       which run it is a checkpoint of; a lane has the rows' order run by run
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
    """The rows run by run: `order` lists their places and `place` leads back; the others are in that order.

    Of each row: whether it is its run's first; the step of the log input since the row before, over the table's median
    step; and where its run starts and stops. Padding rows are the last, runs of one row.
    """
    n = len(table)
    _, run = np.unique(table.beside["run"], return_inverse=True)
    along = _along(table, run)
    order = np.lexsort((along, run))
    same = np.diff(run[order]) == 0
    steps = np.diff(along[order])[same]
    usual = float(np.median(steps[steps > 0])) if np.any(steps > 0) else 1.0
    first, step = np.ones(rows, bool), np.ones(rows)
    first[1:n], step[1:n][same] = ~same, np.maximum(steps / usual, LEAST_STEP)
    order = np.concatenate([order, np.arange(n, rows)])
    bounds, of = np.append(np.flatnonzero(first), rows), np.cumsum(first) - 1
    places = {"order": order, "place": np.argsort(order), "start": bounds[of], "stop": bounds[of + 1]}
    return {name: p.astype(np.int32) for name, p in places.items()} | {"first": first, "step": step}


def _along(table: Table, run: np.ndarray) -> np.ndarray:
    """The log input that varies most along a run; the rows' order where none does."""
    rows = [np.flatnonzero(run == i) for i in range(run.max() + 1)]
    logs = list(table.logs.values())
    spans = [float(np.median([np.ptp(v[at]) for at in rows])) for v in logs]
    return logs[int(np.argmax(spans))] if spans and max(spans) > 0 else np.arange(len(run), dtype=float)
