"""Runs -> Batch: padded arrays of one shape with a lane axis, one lane a fit.

A lane is a dict of arrays, and the engine's functions are written for one lane and mapped over many:

    x        {symbol: (rows,)}  logarithms of the inputs; raw inputs as they are, vectors (rows, length)
    y        (rows,)            the response on the scale of its noise (counts: successes)
    w        (rows,)            weight of each row; 0 pads, a bootstrap repeats
    centre   {symbol: ()}       logarithm of the inputs' geometric means; 0 for raw inputs
    scale    ()                 the response's scale
    trials   (rows,)            of counts only

and what the noise needs beside them, see beside.py.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.beside import beside_lane, read_beside
from jaxscale.law import Law
from jaxscale.noise import Noise

if TYPE_CHECKING:
    from jaxscale.runs import Runs

ROWS = (16, 32, 48, 64, *(2**k * m for k in range(4, 12) for m in (5, 6, 7, 8)))  # at most a quarter is padding
LANES = 8  # of chains on a CPU core at once
CACHED = 1024  # rows of such lanes together: their temporaries stay in the cache and start no threads of XLA

Lane = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """One table as a law sees it: inputs and response in the law's units, not padded.

    Attributes:
        x: symbol -> (n,) inputs, of a vector (n, length).
        axes: symbol -> "log" or "raw"; "log" where it is not said.
        y: (n,) response in its own unit.
        trials: (n,) or None.
        scale: what priors on amounts are relative to.
        notes: what was derived from other columns.
        beside: what the noise needs beside inputs and response, name -> (n,).
    """

    x: Mapping[str, np.ndarray]
    y: np.ndarray
    trials: np.ndarray | None
    scale: float
    notes: tuple[str, ...]
    axes: Mapping[str, str] = field(default_factory=dict)
    beside: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def logs(self) -> dict[str, np.ndarray]:
        """Logarithms of the inputs that are carried by them."""
        return {s: np.log(v) for s, v in self.x.items() if self.axes.get(s, "log") == "log"}

    @property
    def digest(self) -> bytes:
        """Hash of every number in it."""
        digest = hashlib.sha256(repr((sorted(self.x), self.scale)).encode())
        more = (self.beside[k] for k in sorted(self.beside))
        for values in (*(self.x[s] for s in sorted(self.x)), self.y, self.trials, *more):
            digest.update(b"\x1d" if values is None else (np.asarray(values, np.float64) + 0.0).tobytes())
        return digest.digest()

    def take(self, rows: np.ndarray) -> Table:
        """Some of the rows, with the same scale."""
        trials = None if self.trials is None else self.trials[rows]
        x = {k: v[rows] for k, v in self.x.items()}
        beside = {k: v[rows] for k, v in self.beside.items()}
        return replace(self, x=x, y=self.y[rows], trials=trials, beside=beside)


def table_of(runs: Runs, law: Law, noise: Noise | None = None) -> Table:
    """The columns that a law and a noise need, checked; those of the law alone where no noise is given.

    Raises:
        DataError: a column is missing or a value cannot be used; all problems at once.
    """
    return _whole(runs, law, noise)


def tables_of(runs: Runs, law: Law, noise: Noise | None = None) -> dict[str, Table]:
    """One table a group, the columns read once for all.

    Raises:
        DataError: as `table_of`, with the problems of all groups.
    """
    whole = _whole(runs, law, noise)
    return {name: replace(whole.take(at), scale=_scale(whole.y[at], law)) for name, at in runs.places().items()}


def _whole(runs: Runs, law: Law, noise: Noise | None) -> Table:
    values, notes = runs.numbers({**law.inputs, law.response.column: law.response})
    x, axes = {s: values[s] for s in law.inputs}, {s: v.axis for s, v in law.inputs.items()}
    beside = {} if noise is None else read_beside(runs, law, noise, x)
    y = values[law.response.column]
    return Table(x, y, values.get("trials"), _scale(y, law), tuple(notes), axes, beside)


def _scale(y: np.ndarray, law: Law) -> float:
    fixed = law.response.scale
    return fixed if fixed is not None else float(np.median(np.abs(y))) or 1.0


def lane_of(table: Table, noise: Noise, rows: int, weights: np.ndarray | None = None) -> Lane:
    """One padded lane. Pads repeat the first row with weight 0, so that every value in it is usable."""
    n = len(table)
    fill = np.concatenate([np.arange(n), np.zeros(rows - n, dtype=int)])
    w = np.where(np.arange(rows) < n, 1.0 if weights is None else np.resize(weights, rows), 0.0)
    logs = table.logs
    x = {**table.x, **logs}
    on_log = noise.on == "log" and table.trials is None
    lane: Lane = {
        "x": {s: x[s][fill] for s in table.x},
        "y": (np.log(table.y) if on_log else table.y)[fill],
        "w": w,
        "centre": {s: np.asarray(x[s].mean() if s in logs else 0.0) for s in table.x},
        "scale": np.asarray(table.scale, dtype=np.float64),
    }
    if table.trials is not None:
        lane["trials"] = table.trials[fill]
    if "size" in table.beside:
        lane["centre"]["size"] = np.asarray(table.beside["size"].mean())
    return lane | beside_lane(table, noise, fill)


def rows_for(n: int) -> int:
    """The smallest shape bucket that holds n rows."""
    return next((size for size in ROWS if size >= n), -(-n // ROWS[-1]) * ROWS[-1])


def stack(lanes: Sequence[Lane]) -> Lane:
    """Lanes of one shape as one, with a leading lane axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *lanes)


def keys_of(seed: int, names: Sequence[str]) -> np.ndarray:
    """(names, 2) uint32, the data of random keys: each depends on the seed and the fit's name, never on its place."""
    digests = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") for name in names]
    padded = np.zeros(1 << (len(names) - 1).bit_length(), np.uint32)  # few lengths, for each compiles a program
    padded[: len(names)] = digests
    return np.asarray(_folded(np.uint32(seed), padded))[: len(names)]


def key_of(seed: int, name: str) -> jax.Array:
    """The key of one fit."""
    return jax.random.wrap_key_data(jnp.asarray(keys_of(seed, [name])[0]))


@jax.jit
def _folded(seed: jax.Array, digests: jax.Array) -> jax.Array:
    return jax.random.key_data(jax.vmap(jax.random.fold_in, in_axes=(None, 0))(jax.random.key(seed), digests))


def lanes_at_once(rows: int, most: int = 1) -> int:
    """Lanes of a compiled program on one device; fixed by the device, so that no fit's digits depend on its neighbours.

    On a CPU at `most` so many: one where a program has work enough in a lane (thousands of draws, or searches that
    end at different times), more of the few chains of HMC, and fewer where rows are many. An accelerator takes as many
    as half its memory holds: some 12 KiB a row and 1 MiB of draws a lane.
    """
    device = jax.local_devices()[0]
    if device.platform == "cpu":
        return max(1, min(most, CACHED // rows))
    memory = (device.memory_stats() or {}).get("bytes_limit", 2**34)
    return min(2**16, max(2**6, 2 ** int(np.log2(memory / 2 / (12 * 2**10 * rows + 2**20)))))
