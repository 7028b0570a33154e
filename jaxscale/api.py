"""The verbs. Thin: each reads its arguments, calls the room that does the work, and packs the answer."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale import __version__
from jaxscale.batch import Table, key_of, lane_of, rows_for, table_of
from jaxscale.errors import ConfigError
from jaxscale.identify import refusal
from jaxscale.infer import cascade
from jaxscale.infer.bootstrap import bootstrap
from jaxscale.law import Law, get_law
from jaxscale.model import Model
from jaxscale.noise import Noise, get_noise
from jaxscale.progress import telling
from jaxscale.readers import read_runs
from jaxscale.result import Fit
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.status import Health
from jaxscale.tree import data_tree

METHODS = (*cascade.METHODS, "point", "bootstrap")
PRIOR_DOMINATED = 0.9  # posterior sd over prior sd, above which the data have said little


def as_runs(runs: Runs | str | os.PathLike[str] | Any) -> Runs:
    """Runs as they are; a path or a DataFrame is read."""
    return runs if isinstance(runs, Runs) else read_runs(runs)


@at_the_door
def fit(
    runs: Runs | str | os.PathLike[str] | Any,
    law: str | Law = "chinchilla",
    noise: str | Noise | None = None,
    method: str = "auto",
    seed: int = 0,
    draws: int = 4000,
    priors: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Fit:
    """Fit a law to one table.

    Args:
        runs: a Runs, a path or a DataFrame.
        law: a law, its name, or the path of a Python file that defines one.
        noise: "student_t" (default for losses), "normal", "binomial" (default for counts), each with "/log" or
            "/raw" behind it; "least_squares" and "huber" are point fits.
        method: "auto" is the gated cascade; "hmc", "nuts", "importance" force one sampler; "point" is the optimum
            alone; "bootstrap" resamples runs and refits the point.
        seed: of every random draw.
        draws: posterior draws to keep, over all chains; of a bootstrap, the resamples.
        priors: parameter -> NumPyro distribution of its coordinate, or a number that fixes it.
        progress: show a line while working; by default where stderr is a terminal.

    Returns:
        A Fit. A table that cannot answer gives a Fit whose status says why, and no interval.

    Raises:
        DataError: the table lacks a column or holds a value that cannot be used.
        ConfigError, LawError: an option, a noise or a law that does not exist.
    """
    began = time.perf_counter()
    runs, law = as_runs(runs), get_law(law)
    law = law.with_priors(priors) if priors else law
    model = Model(law, get_noise(noise, law.response))
    method = _settled_method(method, model.noise)
    table = table_of(runs, law)
    with telling(progress) as say:
        made = _fit_table(model, table, method, seed, draws, say)
    about = {
        "rows": len(table),
        "method": method,
        "seed": seed,
        "draws": draws,
        "source": runs.source,
        "content_hash": runs.content_hash,
        "columns": dict(runs.columns),
        "excluded": [{"row": int(r), "reason": str(w)} for r, w in runs.excluded[["row", "reason"]].to_numpy()],
        "trials": None if table.trials is None else float(np.median(table.trials)),
        "notes": [*runs.notes, *table.notes, *made.pop("notes")],
        "priors": {p: repr(v) for p, v in (priors or {}).items()},
        "basins": made.pop("basins"),
        "stages": made.pop("stages"),
        "versions": {
            "jaxscale": __version__,
            "jax": version("jax"),
            "numpyro": version("numpyro"),
            "python": platform.python_version(),
        },
        "device": jax.devices()[0].device_kind,
        "seconds": time.perf_counter() - began,
    }
    tree = data_tree(table, runs, made.pop("draws"), made.pop("log_likelihood"), made.pop("sample_stats"), law)
    return Fit(law=law, noise=model.noise, data=tree, about=about, **made)


def _settled_method(method: str, noise: Noise) -> str:
    if method not in METHODS:
        raise ConfigError(f"no method is called {method!r}; there are {', '.join(METHODS)}")
    if not noise.bayesian and method == "auto":
        return "point"
    if not noise.bayesian and method not in ("point", "bootstrap"):
        raise ConfigError(f"noise {noise.name!r} has no posterior: use method 'point' or 'bootstrap', or another noise")
    return method


def _fit_table(
    model: Model, table: Table, method: str, seed: int, draws: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Everything of a Fit that depends on the numbers alone."""
    nothing = {"draws": None, "log_likelihood": None, "sample_stats": None, "notes": [], "basins": {}, "stages": []}
    refused = refusal(table, model.law)
    if refused is not None:
        point = dict.fromkeys(model.params, float("nan"))
        return nothing | {"status": refused, "health": Health("none"), "point": point}
    lane = lane_of(table, model.noise, rows_for(len(table)))
    key = key_of(seed, "fit")
    if method in ("point", "bootstrap"):
        say("searching for the optimum")
        best = next(cascade.points(model, [lane], [key]))
        status = cascade.point_status(best)
        made = nothing | {"status": status, "health": Health("point"), "basins": _basins(best)}
        made["point"] = _point(model, best.u, lane)
        if method == "bootstrap" and status.ok:
            made |= bootstrap(model, table, lane, best, key, draws, say)
        return made
    outcome = cascade.sample(model, [lane], [key], method=method, draws=draws, say=say)[0]
    made = nothing | {
        "status": outcome.status,
        "health": outcome.health,
        "point": _point(model, outcome.point.u, lane),
        "basins": _basins(outcome.point),
        "stages": list(outcome.stages),
    }
    if outcome.status.ok and outcome.u is not None:
        say("summing up")
        made["draws"] = cascade.parameters(model, outcome.u, lane)
        made["log_likelihood"] = cascade.log_likelihood(model, outcome.u, lane)[..., : len(table)]
        made["notes"] = _prior_dominated(model, outcome.u)
        if outcome.energy is not None:
            made["sample_stats"] = {"energy": outcome.energy, "diverging": outcome.diverging}
    return made


def _point(model: Model, u: Any, lane: Mapping[str, Any]) -> dict[str, float]:
    return {p: float(v[0, 0]) for p, v in cascade.parameters(model, u[None, None], dict(lane)).items()}


def _basins(point: Any) -> dict[str, float]:
    return {
        "share_of_starts_in_best": float(point.in_best),
        "second_basin_behind_by": float(point.second),
        "decrement": float(point.decrement),
        "objective": float(point.objective),
    }


def _prior_dominated(model: Model, u: np.ndarray) -> list[str]:
    """Compared coordinate by coordinate: the flat vector mixes the amounts."""

    def apart(u: jax.Array) -> jax.Array:
        coordinates = model.coordinates(u)
        return jnp.stack([s.bijector.back(coordinates[s.name]) for s in model.sites])

    prior = jax.vmap(model.draw_prior)(jax.random.split(jax.random.key(0), 2000))
    spread = [np.asarray(jax.vmap(apart)(v)).std(axis=0) for v in (jnp.asarray(u.reshape(-1, model.size)), prior)]
    ratio = spread[0] / spread[1]
    names = [s.param for s, r in zip(model.sites, ratio, strict=True) if r > PRIOR_DOMINATED]
    text = "These runs say little about {}: its interval is the prior's." if len(names) == 1 else (
        "These runs say little about {}: their intervals are the prior's.")  # fmt: skip
    return [text.format(", ".join(names))] if names else []
