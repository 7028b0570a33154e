"""Fits: what inference found for many tables, in memory or in a folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import xarray as xr

from jaxscale.engine.shard import HEALTH, Recipe, schema
from jaxscale.engine.store import Folder, Store, write_whole
from jaxscale.errors import ConfigError, DataError, JaxscaleError, Problem
from jaxscale.forecast import COLUMNS, drawn, inputs_at, point_forecast, summarised
from jaxscale.noise import get_noise
from jaxscale.result import law_of, user_source
from jaxscale.runtime import at_the_door
from jaxscale.summary import SUMMARY

if TYPE_CHECKING:
    from jaxscale.pooled import Pooled
    from jaxscale.runs import Runs

MANIFEST = "batch.json"
STATUS = ("ok", "status", "method", "r_hat", "ess", "pareto_k")
FORMAT = 1


@dataclass(frozen=True, repr=False)
class Fits:
    """A law fitted to many tables.

    Attributes:
        recipe: law, noise, method, seed: how each was fitted.
        ids: of the fits, in the order of the tables.
        shards: key of each shard, of which the store holds one row a fit.
        store: where they are.
        tables: what they were made of, where it is at hand.
    """

    recipe: Recipe
    ids: tuple[str, ...]
    shards: tuple[str, ...]
    store: Store
    tables: Mapping[str, Any] | Runs | None = field(default=None, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def __repr__(self) -> str:
        return f"Fits({self.recipe.law.name}, {len(self)} tables, {int(self.status().ok.sum())} of them ok)"

    def status(self) -> pd.DataFrame:
        """The health table, indexed by fit: ok, status (a sentence), method, r_hat, ess, pareto_k.

        `ess` is the smaller of bulk and tail, over the parameters; of importance sampling, that of the weights.
        """
        table = self.health()
        chains = table[["ess_bulk", "ess_tail"]].min(axis=1)
        table["ess"] = chains.where(~table.method.str.endswith("importance"), table.ess_weights)
        return pd.DataFrame(table[list(STATUS)])

    def health(self) -> pd.DataFrame:
        """Everything known of each fit's health, indexed by fit: also rows, code, fix, stages, divergences."""
        columns = ["fit", "rows", "ok", "code", "sentence", "fix", *HEALTH, "stages", "prior_dominated"]
        table = self._read(columns).to_pandas().set_index("fit").reindex(list(self.ids))
        table.insert(2, "status", (table.sentence + " " + table.fix).str.strip())
        return table.drop(columns="sentence")

    def summary(self) -> pd.DataFrame:
        """Long: fit, parameter, mean, sd, q05, q50, q95, r_hat, ess_bulk, ess_tail.

        A point fit has its values in `mean` and no interval; a refused fit has NaN everywhere.
        """
        params = self.recipe.model.params
        wide = self._read(["fit", *(f"{p}.{s}" for p in params for s in SUMMARY)])
        names = wide["fit"].to_pylist()
        place = {name: i for i, name in enumerate(names)}
        order = np.array([place[name] for name in self.ids], dtype=int)
        stats = {s: np.stack([wide[f"{p}.{s}"].to_numpy() for p in params], axis=1)[order].reshape(-1) for s in SUMMARY}
        labels = {"fit": np.repeat(np.array(self.ids, object), len(params)), "parameter": list(params) * len(order)}
        return pd.DataFrame(labels | stats)

    def points(self) -> pd.DataFrame:
        """The modes, indexed by fit: each parameter, objective, decrement, in_best, second."""
        params = [f"point.{p}" for p in self.recipe.model.params]
        table = self._read(["fit", *params, "objective", "decrement", "in_best", "second"]).to_pandas()
        table.columns = [c.removeprefix("point.") for c in table.columns]
        return pd.DataFrame(table.set_index("fit").reindex(list(self.ids)))

    @at_the_door
    def predict(self, at: Mapping[str, Any] | pd.DataFrame) -> pd.DataFrame:
        """The curve and a new run of every fit at given inputs: as `Fit.predict`, with the column `fit`.

        Raises:
            DataError: an input is missing or not positive.
            ConfigError: no draws were kept.
        """
        inputs, _ = inputs_at(self.recipe.law, at)
        count = len(next(iter(inputs.values())))
        found = {}
        for name, row in self._rows(self._draw_columns()):
            found[name] = self._predict_one(inputs, row, count)
        tables = [found[name].assign(fit=name) for name in self.ids]
        blank = pd.DataFrame(columns=["fit", *COLUMNS])
        return pd.DataFrame(pd.concat(tables, ignore_index=True)[["fit", *COLUMNS]]) if tables else blank

    def pool(
        self,
        by: Mapping[str, str] | Callable[[str], str | None] | None = None,
        tables: Mapping[str, Any] | Runs | None = None,
        params: Sequence[str] | None = None,
        seed: int = 0,
    ) -> Pooled:
        """Pool these fits over a population, by weighing their draws; `fit_pooled` does the same from the runs.

        Args:
            by: which fits belong together: fit -> family, or a function of it; None leaves a fit out. All by default.
            tables: what the fits were made of; by default those that they carry, which fits from a folder do not.
            params: as in `fit_pooled`.
            seed: of every random draw.

        Returns:
            A Pooled. Fits that have too few draws where the population lies are made once more, under a prior near it;
            one for which that does not help is left out, and its status says so.

        Raises:
            ConfigError: no tables, no draws, a parameter that does not exist, or not one family of two fits or more.
        """
        from jaxscale.repool import pool_fits

        tables = self.tables if tables is None else tables
        if tables is None:
            raise ConfigError("these fits do not carry their tables; give many.pool(tables=...) those of fit_many")
        self._draw_columns()
        if self.recipe.method == "point":
            raise ConfigError("point fits have no draws to pool; fit again with method='auto'")
        return pool_fits(self, tables, by, params, seed)

    def draws(self, fit: str) -> dict[str, np.ndarray]:
        """The draws that were kept of one fit, parameter -> (draws,).

        Raises:
            ValueError: the fit has none to show; the text is its status.
            ConfigError: no fit has that name, or no draws were kept.
        """
        if fit not in self.ids:
            raise ConfigError(f"no fit is called {fit!r}")
        params = self.recipe.model.params
        columns = self._draw_columns()
        for name, row in self._rows(columns if self.recipe.method != "point" else []):
            if name == fit and row["ok"] and self.recipe.method != "point":
                return {p: np.asarray(row[f"draws.{p}"]) for p in params}
        raise ValueError(f"{fit}: no draws to show. {self.status().status[fit]}")

    @cached_property
    def data(self) -> xr.DataTree:
        """Draws and health in ArviZ layout, with a leading dimension `fit`; NaN where a fit was refused."""
        params, ids = self.recipe.model.params, list(self.ids)
        groups = {"status": xr.Dataset.from_dataframe(self.status())}
        if self._has_draws:
            size = 0
            blocks: dict[str, dict[str, np.ndarray]] = {}
            for name, row in self._rows(self._draw_columns()):
                if row["ok"]:
                    blocks[name] = {p: np.asarray(row[f"draws.{p}"]) for p in params}
                    size = len(blocks[name][params[0]])
            blank = np.full(size, np.nan)
            stacked = {p: np.stack([blocks[i][p] if i in blocks else blank for i in ids])[:, None] for p in params}
            posterior = xr.Dataset({p: (("fit", "chain", "draw"), v) for p, v in stacked.items()})
            groups["posterior"] = posterior.assign_coords(fit=ids, chain=[0], draw=np.arange(size))
        return xr.DataTree.from_dict(groups)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write manifest, status and summary (Parquet) to the folder that holds the shards, or to a new one.

        Raises:
            DataError: the folder cannot be written.
        """
        folder = Folder(path)
        if not isinstance(self.store, Folder) or self.store.path != folder.path:
            for key in self.shards:
                folder.put(key, self.store.payload(key))
        self.write_manifest(path)
        for name, table in (("status", self.health().reset_index()), ("summary", self.summary())):
            write_whole(Path(path) / f"{name}.parquet", _bytes(pa.Table.from_pandas(table, preserve_index=False)))

    def write_manifest(self, path: str | os.PathLike[str]) -> None:
        """Write what a folder holds, so that it can be read also while it is being filled."""
        recipe = self.recipe
        manifest = {
            "format": FORMAT, "law": recipe.law.name, "law_source": user_source(recipe.law),
            "noise": f"{recipe.noise.name}/{recipe.noise.on}",
            "noise_options": {k: v for k, v in asdict(recipe.noise).items() if k != "on"},
            "method": recipe.method, "seed": recipe.seed,
            "draws": recipe.draws, "keep": recipe.keep, "identity": json.loads(recipe.identity),
            "shards": list(self.shards), "ids": list(self.ids),
        }  # fmt: skip
        write_whole(Path(path) / MANIFEST, json.dumps(manifest, indent=1).encode())

    # ---- reading -----------------------------------------------------------------------------

    def _read(self, columns: list[str]) -> pa.Table:
        none = schema(self.recipe).empty_table().select(columns)
        return pa.concat_tables([none, *(self.store.read(key, columns) for key in self.shards)])

    def _rows(self, columns: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """One fit after another, a shard in memory at a time."""
        for key in self.shards:
            table = self.store.read(key, ["fit", "ok", "trials", *columns])
            for i, name in enumerate(table["fit"].to_pylist()):
                yield name, {c: _value(table[c][i]) for c in table.column_names}

    @property
    def _has_draws(self) -> bool:
        return self.recipe.keep > 0 and self.recipe.method != "point"

    def _draw_columns(self) -> list[str]:
        if self.recipe.method == "point":
            return [f"point.{p}" for p in self.recipe.model.params]
        if not self.recipe.keep:
            raise ConfigError("no draws were kept (keep=0): fit again with keep=1000 to predict")
        return [f"draws.{p}" for p in self.recipe.model.params]

    def _predict_one(self, inputs: Mapping[str, np.ndarray], row: Mapping[str, Any], count: int) -> pd.DataFrame:
        recipe, params = self.recipe, self.recipe.model.params
        if not row["ok"]:
            return pd.DataFrame(np.nan, index=range(count), columns=list(COLUMNS))
        if recipe.method == "point":
            return point_forecast(recipe.law, inputs, {p: row[f"point.{p}"] for p in params})
        draws = {p: np.asarray(row[f"draws.{p}"]) for p in params}
        trials = row["trials"] if np.isfinite(row["trials"]) else 1.0
        return summarised(*drawn(recipe.law, recipe.noise, inputs, draws, trials, recipe.seed))


def load_fits(path: str | os.PathLike[str]) -> Fits:
    """Read a folder that `fit_many(out=...)` or `jaxscale batch -o` wrote, finished or not.

    Raises:
        DataError: the folder holds no batch.
    """
    file = Path(path) / MANIFEST
    try:
        saved = json.loads(file.read_text())
        law = law_of(saved)
        noise = get_noise(saved["noise"], law.response)
        noise = type(noise)(noise.on, **saved["noise_options"])
        recipe = Recipe(law, noise, saved["method"], saved["seed"], saved["draws"], saved["keep"])
        shards, ids = list(saved["shards"]), list(saved["ids"])
    except (OSError, KeyError, ValueError, TypeError, AttributeError, JaxscaleError) as error:
        problem = Problem(
            "no batch of fits", got=f"{type(error).__name__} on {MANIFEST}", fix="give what `jaxscale batch -o` wrote"
        )
        raise DataError(str(path), [problem]) from None
    store = Folder(path)
    standing = tuple(key for key in shards if store.has(key))
    there = set(Fits(recipe, (), standing, store)._read(["fit"])["fit"].to_pylist())
    return Fits(recipe, tuple(i for i in ids if i in there), standing, store)


def _value(cell: pa.Scalar) -> Any:
    """A list as an array without a detour through Python's floats."""
    many = isinstance(cell, pa.ListScalar) and cell.is_valid
    return cell.values.to_numpy() if many else cell.as_py()


def _bytes(table: pa.Table) -> bytes:
    out = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(None), out, compression="none", use_dictionary=False)
    return out.getvalue().to_pybytes()
