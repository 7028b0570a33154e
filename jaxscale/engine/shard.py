"""A shard: some tables and the recipe for their fits. Computing one is a pure function from it to bytes.

The bytes are a Parquet file of one row a fit, so that a status or a summary is read without the draws.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jaxscale import __version__
from jaxscale.batch import Table, keys_of, lane_of, rows_for
from jaxscale.diagnose import Convergence
from jaxscale.identify import refusal
from jaxscale.infer import cascade
from jaxscale.infer.point import Point
from jaxscale.infer.posteriors import Posteriors, point_status
from jaxscale.infer.programs import take
from jaxscale.law import Law
from jaxscale.model import Model
from jaxscale.noise import Noise
from jaxscale.priors import Prior
from jaxscale.runtime import at_the_door
from jaxscale.status import Health, Status
from jaxscale.summary import MOMENTS, moments

FORMAT = 1
HEALTH = ("method", "r_hat", "ess_bulk", "ess_tail", "divergences", "ebfmi", "pareto_k", "ess_weights")
POINT = ("objective", "decrement", "in_best", "second")
CONVERGENCE = Convergence._fields


@dataclass(frozen=True)
class Recipe:
    """How every table of a batch is fitted.

    Attributes:
        law, noise: the model.
        method: as in `fit`, without the bootstrap.
        seed: of every random draw; a fit's key follows from it and the fit's id.
        draws: of each posterior, on which its summary rests.
        keep: draws of each fit that are kept for predictions; 0 keeps none.
    """

    law: Law
    noise: Noise
    method: str = "auto"
    seed: int = 0
    draws: int = 4000
    keep: int = 1000

    def __reduce__(self):
        # without what is cached: compiled programs do not travel
        return Recipe, (self.law, self.noise, self.method, self.seed, self.draws, self.keep)

    @cached_property
    def model(self) -> Model:
        """Law and noise; one object, so that compiled programs are shared."""
        return Model(self.law, self.noise)

    @cached_property
    def identity(self) -> str:
        """Everything but the tables that a result's digits depend on, as JSON."""
        priors = {p: _described(prior) for p, prior in self.law.priors.items()}
        parts = {
            "format": FORMAT, "law": self.law.name, "law_source": self.law.source_hash, "priors": priors,
            "noise": [self.noise.name, asdict(self.noise)], "method": self.method, "seed": self.seed,
            "draws": self.draws, "keep": self.keep, "jaxscale": __version__,
            "versions": _versions(),
            "device": jax.devices()[0].device_kind,
        }  # fmt: skip
        return json.dumps(parts, sort_keys=True)


@cache
def _versions() -> dict[str, str]:
    """Of the packages that a result's digits depend on; looking them up costs more than a point fit."""
    return {p: version(p) for p in ("jax", "jaxlib", "numpyro", "numpy")}


@dataclass(frozen=True)
class Shard:
    """Some tables of a batch, by id; a Status stands where a table could not be read."""

    recipe: Recipe
    tables: Mapping[str, Table | Status] = field(repr=False)

    @cached_property
    def key(self) -> str:
        """Content address: a hash of recipe and tables."""
        digest = hashlib.sha256(self.recipe.identity.encode())
        for name, table in self.tables.items():
            digest.update(f"\x1d{name}\x1d".encode("utf-8", "surrogatepass"))
            digest.update(str(table).encode() if isinstance(table, Status) else table.digest)
        return digest.hexdigest()[:32]


def cut(recipe: Recipe, tables: Mapping[str, Table | Status], size: int) -> list[Shard]:
    """Tables -> shards of about `size`, by the leading bits of each id's hash.

    A table that is added or changed touches its own shard alone (all of them only where their number has
    to double), and the order of the tables plays no part.
    """
    bits = max(0, round(np.log2(max(1, len(tables)) / size)))
    hashed = sorted((hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest(), name) for name in tables)
    groups: dict[int, dict[str, Table | Status]] = {}
    for digest, name in hashed:
        groups.setdefault(int.from_bytes(digest[:4], "big") >> (32 - bits), {})[name] = tables[name]
    return [Shard(recipe, group) for group in groups.values()]


_RECIPES: dict[str, Recipe] = {}


@at_the_door
def compute(shard: Shard) -> bytes:
    """Fit every table of a shard; a Parquet file of one row a fit, in the shard's order."""
    # one recipe a process: shards that come from another process share compiled programs too
    recipe = _RECIPES.setdefault(shard.recipe.identity, shard.recipe)
    model = recipe.model
    blank = dict.fromkeys(_numbers(model), np.nan)
    rows: dict[str, dict[str, Any]] = {}
    buckets: dict[int, dict[str, Table]] = {}
    for name, table in shard.tables.items():
        refused = table if isinstance(table, Status) else refusal(table, recipe.law)
        rows[name] = blank | _said(name, table, refused or Status(False, "", ""), Health("none"))
        if isinstance(table, Table) and refused is None:
            buckets.setdefault(rows_for(len(table)), {})[name] = table
    for size, tables in sorted(buckets.items()):
        lanes = [lane_of(table, model.noise, size) for table in tables.values()]
        keys = keys_of(recipe.seed, list(tables))
        if recipe.method == "point":
            found = _of_points(model, cascade.points(model, lanes, keys))
        else:
            found = _of_posteriors(recipe, cascade.sample(model, lanes, keys, method=recipe.method, draws=recipe.draws))
        for (name, table), row in zip(tables.items(), found, strict=True):
            status, health, stages, notes = row.pop("said")
            rows[name] |= _said(name, table, status, health, stages, notes) | row
    return _parquet(list(rows.values()), schema(recipe))


def _of_points(model: Model, points: Point) -> list[dict[str, Any]]:
    rows = []
    for i in range(len(points.u)):
        point = take(points, i)
        status = point_status(point)
        row = _point_columns(model, point) | {"said": (status, Health("point"), (), ())}
        if status.ok:
            row |= {f"{p}.mean": v for p, v in zip(model.params, point.values, strict=True)}
        rows.append(row)
    return rows


def _of_posteriors(recipe: Recipe, found: Posteriors) -> list[dict[str, Any]]:
    model, rows = recipe.model, []
    weak = cascade.prior_dominated(found)
    every = max(1, found.values.shape[1] // recipe.keep) if recipe.keep else 1
    for i, status in enumerate(found.status):
        notes = weak[i] if status.ok else ()
        row = _point_columns(model, take(found.point, i)) | {"said": (status, found.health[i], found.stages[i], notes)}
        if status.ok:
            stats = moments(found.values[i]) | take(found.convergence, i)._asdict()
            row |= {f"{p}.{stat}": values[j] for stat, values in stats.items() for j, p in enumerate(model.params)}
            if recipe.keep:
                kept = found.values[i, ::every][: recipe.keep]
                row |= {f"draws.{p}": kept[:, j] for j, p in enumerate(model.params)}
        rows.append(row)
    return rows


def _point_columns(model: Model, point: Point) -> dict[str, Any]:
    return {f"point.{p}": v for p, v in zip(model.params, point.values, strict=True)} | {
        name: getattr(point, name) for name in POINT
    }


def _said(
    name: str, table: Table | Status, status: Status, health: Health, stages: Sequence[str] = (), notes: Sequence = ()
) -> dict[str, Any]:
    count, trials = (len(table), table.trials) if isinstance(table, Table) else (0, None)
    return {
        "fit": name, "rows": count, "ok": status.ok, "code": status.code,
        "sentence": status.sentence, "fix": status.fix, "stages": list(stages), "prior_dominated": list(notes),
        "trials": np.nan if trials is None else float(np.median(trials)),
        **{h: getattr(health, h) for h in HEALTH},
    }  # fmt: skip


def _numbers(model: Model) -> list[str]:
    stats = [f"{p}.{s}" for p in model.params for s in (*MOMENTS, *CONVERGENCE)]
    return [*POINT, *(f"point.{p}" for p in model.params), *stats]


def schema(recipe: Recipe) -> pa.Schema:
    """Columns of a shard's file."""
    text, number, words = pa.string(), pa.float64(), pa.list_(pa.string())
    fields: list[tuple[str, pa.DataType]] = [
        ("fit", text), ("rows", pa.int64()), ("ok", pa.bool_()), ("code", text), ("sentence", text), ("fix", text),
        ("stages", words), ("prior_dominated", words), ("trials", number), ("method", text),
        *((h, pa.int64() if h == "divergences" else number) for h in HEALTH[1:]),
        *((c, number) for c in _numbers(recipe.model)),
    ]  # fmt: skip
    if recipe.keep and recipe.method != "point":
        fields += [(f"draws.{p}", pa.list_(number)) for p in recipe.model.params]
    return pa.schema(fields)


def _parquet(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    columns = [pa.array([row.get(f.name) for row in rows], f.type) for f in schema]
    out = io.BytesIO()
    # draws are noise: compressing them costs time and saves nothing
    pq.write_table(pa.table(columns, schema=schema), out, compression="none", use_dictionary=False)
    return out.getvalue()


def _described(prior: Prior | float) -> Any:
    """A prior in words that are the same in every process."""
    if not isinstance(prior, Prior):
        return prior
    rest = [prior.scaled, sorted(prior.powers.items()), prior.beside, prior.root, prior.sign, prior.above, prior.below]
    return [_distribution(prior.dist), prior.bijector, *rest]


def _distribution(distribution: Any) -> list[Any]:
    """Name and arguments; NumPyro's own listing of them has another order in every process."""
    names = sorted(distribution.arg_constraints)
    arguments = [[name, np.asarray(getattr(distribution, name)).tolist()] for name in names]
    found: list[Any] = [type(distribution).__name__, arguments]
    if hasattr(distribution, "base_dist"):
        found.append(_distribution(distribution.base_dist))
    for transform in getattr(distribution, "transforms", ()):
        inside = {
            k: np.asarray(v).tolist() for k, v in vars(transform).items() if np.isscalar(v) or hasattr(v, "shape")
        }
        found.append([type(transform).__name__, sorted(inside.items())])
    return found
