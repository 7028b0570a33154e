"""Runs -> Batch: padded arrays of one shape with a lane axis, one lane a fit.

A lane is a dict of arrays, and the engine's functions are written for one lane and mapped over many:

    x        {symbol: (rows,)}  logarithms of the inputs
    y        (rows,)            the response on the scale of its noise (counts: successes)
    w        (rows,)            weight of each row; 0 pads, a bootstrap repeats
    centre   {symbol: ()}       logarithm of the inputs' geometric means
    scale    ()                 the response's scale
    trials   (rows,)            of counts only
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from jaxscale.law import Law
from jaxscale.noise import Noise

if TYPE_CHECKING:
    from jaxscale.runs import Runs

ROWS = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
LANES = 4  # of a compiled program for few fits: a fit and the folds of its backtest share one program

Lane = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """One table as a law sees it: inputs and response in the law's units, not padded.

    Attributes:
        x: symbol -> (n,) inputs.
        y: (n,) response in its own unit.
        trials: (n,) or None.
        scale: what priors on amounts are relative to.
        notes: what was derived from other columns.
    """

    x: Mapping[str, np.ndarray]
    y: np.ndarray
    trials: np.ndarray | None
    scale: float
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> Table:
        """Some of the rows, with the same scale."""
        trials = None if self.trials is None else self.trials[rows]
        return Table({k: v[rows] for k, v in self.x.items()}, self.y[rows], trials, self.scale, self.notes)


def table_of(runs: Runs, law: Law) -> Table:
    """The columns a law needs, checked.

    Raises:
        DataError: a column is missing or a value cannot be used; all problems at once.
    """
    response = law.response
    values, notes = runs.numbers({**law.inputs, response.column: response})
    y = values[response.column]
    scale = response.scale if response.scale is not None else float(np.median(np.abs(y))) or 1.0
    return Table({s: values[s] for s in law.inputs}, y, values.get("trials"), scale, tuple(notes))


def lane_of(table: Table, noise: Noise, rows: int, weights: np.ndarray | None = None) -> Lane:
    """One padded lane. Pads repeat the first row with weight 0, so that every value in it is usable."""
    n = len(table)
    fill = np.concatenate([np.arange(n), np.zeros(rows - n, dtype=int)])
    w = np.where(np.arange(rows) < n, 1.0 if weights is None else np.resize(weights, rows), 0.0)
    log_x = {s: np.log(v)[fill] for s, v in table.x.items()}
    on_log = noise.on == "log" and table.trials is None
    lane: Lane = {
        "x": log_x,
        "y": (np.log(table.y) if on_log else table.y)[fill],
        "w": w,
        "centre": {s: np.asarray(np.log(v).mean()) for s, v in table.x.items()},
        "scale": np.asarray(table.scale, dtype=np.float64),
    }
    if table.trials is not None:
        lane["trials"] = table.trials[fill]
    return lane


def rows_for(n: int) -> int:
    """The smallest shape bucket that holds n rows."""
    return next((size for size in ROWS if size >= n), -(-n // ROWS[-1]) * ROWS[-1])


def stack(lanes: Sequence[Lane], count: int) -> Lane:
    """A batch of `count` lanes; the first one is repeated where there are fewer."""
    padded = [*lanes, *[lanes[0]] * (count - len(lanes))]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *padded)


def key_of(seed: int, name: str) -> jax.Array:
    """A fit's own random key: it depends on the seed and the fit's name, never on its place."""
    digest = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")
    return jax.random.fold_in(jax.random.key(seed), digest)
