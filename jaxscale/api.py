"""The verbs. Thin: each reads its arguments, calls the room that does the work, and packs the answer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxscale.batch import Table, key_of, keys_of, lane_of, rows_for, table_of
from jaxscale.choose import choose
from jaxscale.discrepancy import sized
from jaxscale.engine.cluster import run_on_ray
from jaxscale.engine.local import run_local
from jaxscale.engine.shard import Recipe, cut
from jaxscale.engine.store import Folder, Memory
from jaxscale.engine.tables import read_tables
from jaxscale.errors import ConfigError
from jaxscale.fits import Fits, load_fits
from jaxscale.identify import refusal
from jaxscale.infer import cascade
from jaxscale.infer.bootstrap import bootstrap
from jaxscale.infer.posteriors import point_status
from jaxscale.infer.programs import programs, take
from jaxscale.law import Law, get_law
from jaxscale.model import Model
from jaxscale.noise import Noise, get_noise
from jaxscale.priors import kept_prior
from jaxscale.progress import counting, telling
from jaxscale.readers import read_runs
from jaxscale.residuals import clipping, remarks
from jaxscale.result import Fit, load_fit
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door, versions
from jaxscale.status import Health
from jaxscale.tree import data_tree

EXECUTORS = {"local": run_local, "ray": run_on_ray}
SHARD = 256
COMPARED = 4000  # draws of each noise that is compared
METHODS = (*cascade.METHODS, "point", "bootstrap")


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
        noise: "student_t" (default for losses), "normal", "outliers", "frontier", "heteroscedastic", "known_sd",
            "checkpoints", "binomial" (default for counts), "beta_binomial" or "beta", each with "/log" or "/raw"
            behind it; "least_squares" and "huber" are point fits. "auto" compares those that could describe the
            rows by leave-one-out and says in the notes what it chose and why. See docs/noise.md.
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
    return fit_part(as_runs(runs), 0, law, noise, method, seed, draws, priors, progress)


def fit_part(
    runs: Runs,
    of: int,
    law: str | Law,
    noise: str | Noise | None,
    method: str,
    seed: int,
    draws: int,
    priors: Mapping[str, Any] | None,
    progress: bool | None,
) -> Fit:
    """As `fit`, in the compiled programs of a table of at least `of` runs, of which these are a part."""
    began = time.perf_counter()
    law = get_law(law)
    law = law.with_priors(priors) if priors else law
    with telling(progress) as say:
        noise, said = _settled_noise(noise, runs, law, method, seed, say)
        model = Model(law, get_noise(noise, law.response))
        method = _settled_method(method, model.noise)
        table = table_of(runs, law, model.noise)
        made = _fit_table(model, table, method, seed, draws, say, of)
        beyond = sized(model, table, seed, say, of) if made["draws"] is not None and model.noise.bayesian else None
    about = {
        "rows": len(table),
        "method": method,
        "seed": seed,
        "draws": draws,
        "source": runs.source,
        "content_hash": runs.content_hash,
        "table_hash": table.digest.hex(),  # of what the law saw of it
        "law_hash": law.source_hash,
        "columns": dict(runs.columns),
        "excluded": [{"row": int(r), "reason": str(w)} for r, w in runs.excluded[["row", "reason"]].to_numpy()],
        "trials": None if table.trials is None else float(np.median(table.trials)),
        "notes": [*runs.notes, *table.notes, *said, *made.pop("notes")],
        "priors": {p: repr(v) for p, v in (priors or {}).items()},
        "prior_values": {p: kept_prior(v) for p, v in (priors or {}).items()},
        "basins": made.pop("basins"),
        "stages": made.pop("stages"),
        "versions": versions(),
        "device": jax.devices()[0].device_kind,
        "seconds": time.perf_counter() - began,
        "discrepancy": beyond.kept() if beyond is not None else None,
    }
    groups = (made.pop(k) for k in ("draws", "convergence", "log_likelihood", "sample_stats"))
    tree = data_tree(table, runs, law, *groups)
    found = Fit(law=law, noise=model.noise, data=tree, about=about, **made)
    if found.has_draws and model.noise.bayesian:
        about["notes"] += remarks(found)
    about["notes"] += clipping(found)
    return found


@at_the_door
def fit_many(
    tables: Mapping[str, Any] | Runs,
    law: str | Law = "chinchilla",
    noise: str | Noise | None = None,
    method: str = "auto",
    seed: int = 0,
    draws: int = 4000,
    priors: Mapping[str, Any] | None = None,
    keep: int = 1000,
    out: str | os.PathLike[str] | None = None,
    executor: str = "local",
    workers: int | None = None,
    shard_size: int = SHARD,
    progress: bool | None = None,
) -> Fits:
    """Fit a law to many tables at once, each by itself.

    A fit's digits depend on its table, its id, the seed and the kind of device: not on the order of the
    tables, on its neighbours, on the number of workers or on what was resumed.

    Args:
        tables: id -> Runs, path or DataFrame; or one Runs with a group column.
        law, noise, method, seed, draws, priors: as in `fit`; there is no bootstrap.
        keep: draws of each fit that are kept for `predict`, evenly thinned; 0 keeps none.
        out: a folder that finished shards are written to; a rerun skips those that stand. In memory without it.
        executor: "local", or "ray" for a Ray cluster.
        workers: shards computed at once; by default one a core, two on an accelerator.
        shard_size: tables of a shard, about.
        progress: show a line while working; by default where stderr is a terminal.

    Returns:
        A Fits. A table that cannot be read or cannot answer has a status that says why, and NaN.

    Raises:
        ConfigError, LawError: an option, a noise or a law that does not exist.
        DataError: nothing can be read, or `out` cannot be written.
    """
    law = get_law(law)
    law = law.with_priors(priors) if priors else law
    if noise == "auto":
        raise ConfigError("fit_many takes one noise for all tables; find it by fit(one_table, noise='auto')")
    settled = get_noise(noise, law.response)
    method = _settled_method(method, settled)
    if method == "bootstrap":
        raise ConfigError("fit_many has no bootstrap; fit each table by itself, or take a posterior")
    if executor not in EXECUTORS:
        raise ConfigError(f"no executor is called {executor!r}; there are {', '.join(EXECUTORS)}")
    recipe = Recipe(law, settled, method, seed, draws, keep)
    with counting(progress) as count:
        shards = cut(recipe, read_tables(tables, law, settled), shard_size)
        store = Memory() if out is None else Folder(out)
        fits = Fits(recipe, tuple(tables if isinstance(tables, Mapping) else tables.places()),
                    tuple(s.key for s in shards), store, tables)  # fmt: skip
        if out is not None:
            fits.write_manifest(out)
        left = [shard for shard in shards if not store.has(shard.key)]
        count.begin(len(fits), len(fits) - sum(len(s.tables) for s in left))
        for shard, payload in EXECUTORS[executor](left, workers):
            store.put(shard.key, payload)
            count.add(store.read(shard.key, ["ok", "method"]).to_pydict())
    if out is not None:
        fits.save(out)
    return fits


def load(path: str | os.PathLike[str]) -> Fit | Fits:
    """Read a saved fit (a file) or a batch of them (a folder).

    Raises:
        DataError: there is none.
    """
    return load_fits(path) if os.path.isdir(path) else load_fit(path)


def _settled_noise(
    noise: str | Noise | None, runs: Runs, law: Law, method: str, seed: int, say: Callable[[str], None]
) -> tuple[str | Noise | None, list[str]]:
    """The noise, and what is said of its choice where it is "auto"."""
    if noise != "auto":
        return noise, []
    if method in ("point", "bootstrap"):
        raise ConfigError(f"noise 'auto' compares posteriors, which method {method!r} has none of; name a noise")

    def likelihood(name: str) -> np.ndarray | None:
        say(f"trying noise {name}")
        model = Model(law, get_noise(name, law.response))
        made = _fit_table(model, table_of(runs, law, model.noise), "auto", seed, COMPARED, say)
        return made["log_likelihood"]

    return choose(runs, law, likelihood)


def _settled_method(method: str, noise: Noise) -> str:
    if method not in METHODS:
        raise ConfigError(f"no method is called {method!r}; there are {', '.join(METHODS)}")
    if not noise.bayesian and method == "auto":
        return "point"
    if not noise.bayesian and method not in ("point", "bootstrap"):
        raise ConfigError(f"noise {noise.name!r} has no posterior: use method 'point' or 'bootstrap', or another noise")
    return method


def _fit_table(
    model: Model, table: Table, method: str, seed: int, draws: int, say: Callable[[str], None], of: int = 0
) -> dict[str, Any]:
    """Everything of a Fit that depends on the numbers alone."""
    nothing = {"draws": None, "log_likelihood": None, "sample_stats": None, "notes": [], "basins": {}, "stages": []}
    nothing["convergence"] = None
    refused = refusal(table, model.law)
    if refused is not None:
        point = dict.fromkeys(model.params, float("nan"))
        return nothing | {"status": refused, "health": Health("none"), "point": point}
    lane = lane_of(table, model.noise, rows_for(max(len(table), of)))
    keys = keys_of(seed, ["fit"])
    if method in ("point", "bootstrap"):
        say("searching for the optimum")
        best = take(cascade.points(model, [lane], keys), 0)
        status = point_status(best)
        made = nothing | {"status": status, "health": Health("point"), "basins": _basins(best)}
        made["point"] = _by_name(model, best.values)
        if method == "bootstrap" and status.ok:
            made |= bootstrap(model, table, lane, best, key_of(seed, "fit"), draws, say)
        return made
    found = cascade.sample(model, [lane], keys, method=method, draws=draws, say=say)
    best = take(found.point, 0)
    made = nothing | {
        "status": found.status[0],
        "health": found.health[0],
        "point": _by_name(model, best.values),
        "basins": _basins(best),
        "stages": list(found.stages[0]),
    }
    if found.status[0].ok:
        say("summing up")
        shape = (found.chains[0], -1)
        made["draws"] = _by_name(model, np.moveaxis(found.values[0].reshape(*shape, len(model.params)), -1, 0))
        likelihood = np.asarray(programs(model).likelihood(found.u[0], lane))
        made["log_likelihood"] = likelihood[:, : len(table)].reshape(*shape, len(table))
        made["convergence"] = {p: take(found.convergence, (0, i)) for i, p in enumerate(model.params)}
        if names := cascade.prior_dominated(found)[0]:
            made["notes"] = [_little_said(names)]
        medians = {p: np.median(v) for p, v in made["draws"].items()}
        if (count := model.noise.effective(medians, lane)) is not None:
            held = len(np.unique(table.beside["run"]))
            made["notes"] = [*made["notes"], _effective_said(len(table), held, float(count))]
        if found.chains[0] > 1:
            stats = {"energy": found.energy[0], "diverging": found.diverging[0]}
            made["sample_stats"] = {k: v.reshape(shape) for k, v in stats.items()}
    return made


def _by_name(model: Model, values: np.ndarray) -> dict[str, Any]:
    """(params, ...) -> parameter -> float or array."""
    return {p: v if np.ndim(v) else float(v) for p, v in zip(model.params, values, strict=True)}


def _basins(point: Any) -> dict[str, float]:
    return {
        "share_of_starts_in_best": float(point.in_best),
        "second_basin_behind_by": float(point.second),
        "decrement": float(point.decrement),
        "objective": float(point.objective),
    }


def _effective_said(rows: int, held: int, count: float) -> str:
    return (
        f"The {rows} rows are checkpoints of {held} runs, and fix the level of the law as well as {count:.1f} "
        "independent rows would."
    )


def _little_said(names: Sequence[str]) -> str:
    text = "These runs say little about {}: its interval is the prior's." if len(names) == 1 else (
        "These runs say little about {}: their intervals are the prior's.")  # fmt: skip
    return text.format(", ".join(names))
