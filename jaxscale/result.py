"""Fit: what inference found for one table, as an ArviZ DataTree with the law beside it."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from jaxscale.discrepancy import Discrepancy, kept_discrepancy
from jaxscale.errors import DataError, Problem
from jaxscale.forecast import COLUMNS, curves, drawn, inputs_at, moved, point_forecast, summarised
from jaxscale.law import Law, get_law, list_laws
from jaxscale.model import Model
from jaxscale.noise import Noise, get_noise
from jaxscale.residuals import residuals
from jaxscale.runtime import at_the_door
from jaxscale.status import Health, Status
from jaxscale.summary import SUMMARY, moments

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1  # of saved fits


@dataclass(frozen=True)
class Fit:
    """A law fitted to one table.

    Attributes:
        law: the law.
        noise: the observation model, its scale settled.
        data: xarray.DataTree in ArviZ layout: posterior, sample_stats, log_likelihood, observed_data,
            constant_data. A fit that failed its gate has no posterior group.
        status: whether intervals may be believed, as a sentence.
        health: the numbers behind the status.
        point: parameter -> value at the mode of the posterior (or the minimum of the loss).
        about: seed, method, versions, source of the table, exclusions, basins: everything to repeat it.
    """

    law: Law
    noise: Noise
    data: xr.DataTree
    status: Status
    health: Health
    point: Mapping[str, float]
    about: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Fit({self.law.name}, {self.about['rows']} runs: {self.status})"

    @property
    def params(self) -> tuple[str, ...]:
        """Names of the law's and the noise's parameters."""
        return Model(self.law, self.noise).params

    @property
    def has_draws(self) -> bool:
        """Whether there are draws that may be shown."""
        return self.status.ok and "posterior" in self.data

    def draws(self) -> dict[str, np.ndarray]:
        """Parameter -> (draws,) over all chains.

        Raises:
            ValueError: the fit has no draws to show; the text is its status.
        """
        if not self.has_draws:
            raise ValueError(f"This fit has no draws to show. {self.status}")
        group = self.data["posterior"].to_dataset()
        return {p: group[p].to_numpy().reshape(-1) for p in self.params}

    def summary(self) -> pd.DataFrame:
        """Indexed by parameter: mean, sd, q05, q50, q95, r_hat, ess_bulk, ess_tail.

        A point fit has its values in `mean` and no interval; a refused fit has NaN everywhere.
        """
        rows = {p: dict.fromkeys(SUMMARY, np.nan) for p in self.params}
        if self.has_draws:
            stats = self.data["posterior"].attrs
            for p, values in self.draws().items():
                rows[p] |= moments(values) | json.loads(stats["diagnostics"]).get(p, {})
        elif self.status.ok:
            rows = {p: rows[p] | {"mean": self.point[p]} for p in self.params}
        return pd.DataFrame.from_dict(rows, orient="index", columns=list(SUMMARY)).rename_axis("parameter")

    @at_the_door
    def predict(self, at: Mapping[str, Any] | pd.DataFrame, discrepancy: bool = True) -> pd.DataFrame:
        """The curve and a new run at given inputs.

        Args:
            at: law inputs (N, D, C, ... or canonical names) -> scalars or equally long arrays. A missing C
                is 6 N D, a missing D is C / 6 N.
            discrepancy: beyond the data, allow for the law's own error, where the table has a record to size it by
                (`self.discrepancy`). Without it both intervals believe the law.

        Returns:
            One row a point: mean, sd, q05, q50, q95 of the curve; new_q05, new_q95 of a new run. A point fit has only
            `mean`, a refused fit only NaN.

        Raises:
            DataError: an input is missing or not positive.
        """
        inputs, _ = self.inputs_at(at)
        if not self.status.ok:
            return pd.DataFrame(np.nan, index=range(len(next(iter(inputs.values())))), columns=list(COLUMNS))
        if not self.has_draws:
            return point_forecast(self.law, inputs, self.point)
        trials = float(self.about.get("trials") or 1.0)
        beyond = self.discrepancy if discrepancy else None
        return summarised(*drawn(self.law, self.noise, inputs, self.draws(), trials, self.about["seed"], beyond))

    @at_the_door
    def with_error(self, inputs: Mapping[str, np.ndarray], values: np.ndarray) -> np.ndarray:
        """Values of the law with its own error beyond the data, the same of each draw as in `predict`.

        Args:
            inputs: by symbol, in the law's units: (points,), for values (draws, points); or (draws,), each draw's own,
                for values (draws,).
            values: of the law; what is not finite stays.
        """
        beyond = self.discrepancy
        if beyond is None:
            return values
        decades, seed = beyond.decades(self.law, inputs), int(self.about["seed"])
        own = np.ndim(values) == 1
        by = beyond.own_draws(decades, seed) if own else beyond.draws(decades, len(values), seed)[0]
        with np.errstate(invalid="ignore"):
            return np.where(np.isfinite(values), moved(self.law, self.noise, values, by), values)

    @property
    def discrepancy(self) -> Discrepancy | None:
        """What the law may be wrong by beyond the data; None where the table has no record of it."""
        return kept_discrepancy(self.about.get("discrepancy"))

    def inputs_at(self, at: Mapping[str, Any] | pd.DataFrame) -> tuple[dict[str, np.ndarray], Sequence[str]]:
        """A query -> the law's inputs as (points,) arrays, and what was derived."""
        return inputs_at(self.law, at)

    @at_the_door
    def curves(self, inputs: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray]) -> np.ndarray:
        """The law's mean for each draw at each point; (draws, points), in the response's unit."""
        return curves(self.law, inputs, draws)

    @at_the_door
    def residuals(self) -> pd.DataFrame:
        """One row a run: label, row, observed, fitted, residual, suspicion.

        `fitted` is the median of the curve, `residual` observed less fitted on the scale of the noise (relative on
        the log scale), `suspicion` the probability of being an outlier or under-tuned; NaN where the noise knows
        none.
        """
        return residuals(self)

    # ---- keeping it --------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to one netCDF file, whole or not at all."""
        path = Path(path)
        tree = self.data.copy()
        tree.attrs["jaxscale"] = json.dumps(
            {
                "format": FORMAT,
                "law": self.law.name,
                "law_hash": self.about.get("law_hash", self.law.source_hash),
                "law_source": user_source(self.law),
                "noise": f"{self.noise.name}/{self.noise.on}",
                "noise_options": {k: v for k, v in asdict(self.noise).items() if k != "on"},
                "status": asdict(self.status),
                "health": asdict(self.health),
                "point": dict(self.point),
                "about": dict(self.about),
            }
        )
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            tree.to_netcdf(name, engine="h5netcdf")
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)  # a temporary file is private, a saved fit is not
            os.replace(name, path)
        finally:
            Path(name).unlink(missing_ok=True)

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write one self-contained HTML page with figures."""
        from jaxscale.report import html

        html.write(self, path)


def load_fit(path: str | os.PathLike[str]) -> Fit:
    """Read a saved fit.

    Raises:
        DataError: the file is not there, or not a saved fit.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(str(path), [Problem("no such file", fix="give the path that `jaxscale fit -o` wrote")])
    try:
        tree = xr.load_datatree(path, engine="h5netcdf")
        saved = json.loads(tree.attrs.pop("jaxscale"))
    except (OSError, KeyError, ValueError) as error:
        problem = Problem(
            "not a saved fit", got=f"{type(error).__name__}", fix="write one with fit.save or `jaxscale fit -o`"
        )
        raise DataError(str(path), [problem]) from None
    law = law_of(saved)
    noise = get_noise(saved["noise"], law.response)
    noise = type(noise)(noise.on, **saved["noise_options"])
    about = saved["about"] | {"law_hash": saved["law_hash"]}  # of then
    if law.source_hash != saved["law_hash"]:
        about["notes"] = [*about["notes"], f"The source of law {law.name!r} has changed since this fit was made."]
    return Fit(law, noise, tree, Status(**saved["status"]), Health(**saved["health"]), saved["point"], about)


def law_of(saved: Mapping[str, Any]) -> Law:
    """The registered law, or the user's own from the source that the fit carries."""
    if not saved["law_source"]:
        return get_law(saved["law"])
    for law in list_laws():  # in the session that has read the user's file, a second copy would be another law
        if law.name == saved["law"] and user_source(law) == saved["law_source"]:
            return law
    folder = Path(tempfile.mkdtemp(prefix="jaxscale_law_"))
    file = folder / f"{saved['law']}.py"
    file.write_text(saved["law_source"])
    return get_law(str(file))


def user_source(law: Law) -> str:
    """Text of the file of a user's own law, which a saved fit carries; empty for the package's."""
    file = Path(law.file)
    ours = Path(__file__).parent
    return "" if ours in file.parents or not file.is_file() else file.read_text()
