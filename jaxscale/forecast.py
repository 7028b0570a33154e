"""A law's curve and new runs at given inputs, over draws of its parameters."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale.beside import sizes
from jaxscale.discrepancy import Discrepancy
from jaxscale.errors import DataError, Problem
from jaxscale.law import Law
from jaxscale.noise import Noise
from jaxscale.readers import read_runs
from jaxscale.summary import MOMENTS, moments

COLUMNS = (*MOMENTS, "new_q05", "new_q95")
MIXED = 4000  # draws of a mixture of fits
Draws = Mapping[str, np.ndarray]


def inputs_at(law: Law, at: Mapping[str, Any] | pd.DataFrame) -> tuple[dict[str, np.ndarray], Sequence[str]]:
    """A query -> the law's inputs as (points,) arrays, and what was derived.

    Raises:
        DataError: an input is missing or not positive.
    """
    frame = at if isinstance(at, pd.DataFrame) else _frame(at)
    runs = read_runs(frame, columns={str(c): str(c) for c in frame.columns})
    return runs.numbers(law.inputs)


def curves(law: Law, inputs: Mapping[str, np.ndarray], draws: Draws) -> np.ndarray:
    """The law's mean for each draw at each point; (draws, points), in the response's unit."""
    params = {p: np.asarray(draws[p]) for p in law.params}
    return np.asarray(_evaluate(law, tuple(inputs[s] for s in law.inputs), params))


def drawn(
    law: Law,
    noise: Noise,
    inputs: Mapping[str, np.ndarray],
    draws: Draws,
    trials: float,
    seed: int,
    beyond: Discrepancy | None = None,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Draws of the curve and of a new run, (draws, points) each; None where the noise has no model of a new run.

    With `beyond`, what the law may be wrong by outside the table is part of both.
    """
    curve = curves(law, inputs, draws)
    of_curve, of_run = curve, curve
    if beyond is not None and (decades := beyond.decades(law, inputs)).any():
        of_curve, of_run = (moved(law, noise, curve, by) for by in beyond.draws(decades, len(curve), seed))
    if not noise.bayesian:  # a bootstrap of a point fit
        return of_curve, None
    params = {p: jnp.asarray(draws[p])[:, None] for p in noise.priors}
    lane = {"trials": jnp.asarray(trials), "size": jnp.asarray(sizes(law, inputs))}
    return of_curve, np.asarray(noise.foretold(jax.random.key(seed), jnp.asarray(of_run), params, lane))


def summarised(curve: np.ndarray, new: np.ndarray | None) -> pd.DataFrame:
    """Of draws of the curve and of a new run, (draws, points) each, one row a point: mean, sd, q05, q50, q95 of the
    curve; new_q05, new_q95 of a new run, NaN where there are none."""
    table = pd.DataFrame(np.nan, index=range(curve.shape[1]), columns=list(COLUMNS))
    for name, values in moments(curve).items():
        table[name] = values
    if new is not None:
        table["new_q05"], table["new_q95"] = np.quantile(new, [0.05, 0.95], axis=0)
    return table


def share(weight: float, count: int, seed: int) -> np.ndarray:
    """Which of a fit's draws stand for it in a mixture; (about weight x MIXED,)."""
    return np.resize(np.random.default_rng(seed).permutation(count), max(1, round(weight * MIXED)))


def moved(law: Law, noise: Noise, curve: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Responses, moved on the scale of the noise, to where responses can be."""
    there = np.asarray(noise.unlink(noise.link(jnp.asarray(curve)) + by))
    low, high = {"positive": (0.0, np.inf), "unit": (0.0, 1.0), "count": (0.0, 1.0)}.get(
        law.response.support, (-np.inf, np.inf)
    )
    return np.where(by == 0.0, curve, np.clip(there, low, high))


def point_forecast(law: Law, inputs: Mapping[str, np.ndarray], point: Mapping[str, float]) -> pd.DataFrame:
    """As `summarised`, with the curve of one point in `mean` and no interval."""
    mean = curves(law, inputs, {p: np.array([v]) for p, v in point.items()})[0]
    return pd.DataFrame(np.nan, index=range(len(mean)), columns=list(COLUMNS)).assign(mean=mean)


def _frame(at: Mapping[str, Any]) -> pd.DataFrame:
    values = {k: np.atleast_1d(np.asarray(v)) for k, v in at.items()}
    lengths = {k: len(v) for k, v in values.items()}
    longest = max(lengths.values(), default=0)
    if wrong := {k: n for k, n in lengths.items() if n not in (1, longest)}:
        problem = Problem("arrays of different lengths", got=str(wrong), expected=f"length {longest} or scalars")
        raise DataError("query", [problem])
    return pd.DataFrame({k: np.broadcast_to(v, longest) for k, v in values.items()})


@functools.partial(jax.jit, static_argnums=0)
def _evaluate(law: Law, inputs: tuple[jax.Array, ...], params: dict[str, jax.Array]) -> jax.Array:
    return jax.vmap(lambda p: jnp.broadcast_to(law.mean(*inputs, **p), inputs[0].shape[:1]))(params)
