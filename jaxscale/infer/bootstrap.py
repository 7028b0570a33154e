"""Nonparametric bootstrap of a point fit: runs resampled as weights, so that every resample has one shape."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane, Table
from jaxscale.infer.point import Point, refine
from jaxscale.model import Model
from jaxscale.status import Health, Status

AT_ONCE = 50
NEAR = 0.1  # Newton decrement of a resample at its optimum: a tenth of its standard error is left
REACHED = 0.95  # share of the resamples that must be there


def bootstrap(
    model: Model, table: Table, lane: Lane, point: Point, key: jax.Array, count: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Refit `count` resamples from the full table's optimum.

    Returns:
        draws: parameter -> (1, count), status and health, to be merged into a Fit's parts.
    """
    n = len(table)
    rows = len(lane["w"])
    resample = jax.jit(lambda k: jnp.bincount(jax.random.randint(k, (n,), 0, n), length=rows).astype(jnp.float64))
    found, left = [], []
    program = _program(model)
    for first in range(0, count, AT_ONCE):
        say(f"bootstrap {first} of {count}")
        keys = jax.random.split(jax.random.fold_in(key, first), AT_ONCE)
        values, decrement = program(lane, jax.vmap(resample)(keys), jnp.asarray(point.u))
        found.append(jax.tree.map(np.asarray, values))
        left.append(np.asarray(decrement))
    draws = {p: np.concatenate([f[p] for f in found])[None, :count] for p in model.params}
    reached = float(np.mean(np.concatenate(left)[:count] < NEAR))
    said = f"{count} resamples of the runs, {100 * reached:.1f} % of them at their optimum"
    if reached < REACHED:
        status = Status(
            False, "not_converged", f"Not converged: {said} ({100 * REACHED:.0f} % needed).",
            "Resamples lose what holds some parameter; a posterior, or runs that vary the inputs more, would help.",
        )  # fmt: skip
    else:
        status = Status(True, "bootstrap", f"Bootstrap: {said}. Not a posterior.")
    return {"draws": draws, "status": status, "health": Health("bootstrap")}


@functools.lru_cache(maxsize=16)
def _program(model: Model) -> Any:
    def one(lane: Lane, weight: jax.Array, u: jax.Array):
        end, _, _, decrement = refine(model, lane | {"w": weight}, u)
        return model.parameters(model.coordinates(end), lane), decrement

    return jax.jit(jax.vmap(one, in_axes=(None, 0, None)))
