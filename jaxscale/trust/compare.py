"""Which law: leave-one-out, the record of forecasts, and the average of laws weighed by that record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.api import as_runs, fit
from jaxscale.diagnose import psis_loo
from jaxscale.errors import ConfigError
from jaxscale.forecast import COLUMNS, drawn, inputs_at, summarised
from jaxscale.law import Law, get_law
from jaxscale.noise import Noise
from jaxscale.progress import telling
from jaxscale.result import Fit
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.trust.backtest import SCORES, forecasts

LAWS = ("chinchilla", "coupled", "kaplan_nd")
UNRELIABLE = 0.7  # Pareto k of a row
COUNTS = (2.0, 1.0, 0.5)  # rows that a fold counts as, by its number: errors share a sign, and late folds are nearest
WITHIN = 2.0  # rows that the fit within the data counts as
DRAWS = 4000
COMPARED = ("status", "elpd_loo", "elpd_loo_se", "k_high", *SCORES[:3], "weight")


@dataclass(frozen=True, repr=False)
class Average:
    """Several laws fitted to one table, weighed by their record.

    Attributes:
        fits: law -> its Fit.
        comparison: of `compare`.
        seed: of every random draw.
    """

    fits: Mapping[str, Fit]
    comparison: pd.DataFrame
    seed: int

    def __repr__(self) -> str:
        said = ", ".join(f"{law} {weight:.2f}" for law, weight in self.weights.items())
        return f"Average({said or 'no law passed'})"

    @property
    def weights(self) -> dict[str, float]:
        """Law -> weight, of those that have one."""
        found = self.comparison["weight"].to_dict()
        return {str(law): float(weight) for law, weight in found.items() if weight > 0}

    @at_the_door
    def predict(self, at: Mapping[str, Any] | pd.DataFrame, discrepancy: bool = True) -> pd.DataFrame:
        """As `Fit.predict`, of the mixture of the laws' distributions; NaN where no law has a weight.

        The spread between laws is part of the intervals.

        Raises:
            DataError: an input is missing or not positive.
        """
        curves, runs = [], []
        for law, weight in self.weights.items():
            one = self.fits[law]
            inputs, _ = one.inputs_at(at)
            trials, beyond = float(one.about.get("trials") or 1.0), one.discrepancy if discrepancy else None
            curve, new = drawn(one.law, one.noise, inputs, one.draws(), trials, self.seed, beyond)
            assert new is not None
            kept = np.random.default_rng(self.seed).permutation(len(curve))
            kept = np.resize(kept, max(1, round(weight * DRAWS)))
            curves.append(curve[kept])
            runs.append(new[kept])
        if not curves:
            inputs, _ = inputs_at(next(iter(self.fits.values())).law, at)
            return pd.DataFrame(np.nan, index=range(len(next(iter(inputs.values())))), columns=list(COLUMNS))
        return summarised(np.concatenate(curves), np.concatenate(runs))


def compare(
    runs: Runs | Any,
    laws: Sequence[str | Law] = LAWS,
    noise: str | Noise | None = None,
    hold_out: float = 0.2,
    seed: int = 0,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Compare laws on one table, by how they fit it and by how they would have forecast it.

    Args:
        runs: a Runs, a path or a DataFrame.
        laws: laws or names, of one response.
        noise, hold_out, seed, progress: as in `backtest`.

    Returns:
        Indexed by law: status; elpd_loo (expected log density of a new row by Pareto-smoothed leave-one-out, summed
        over rows), elpd_loo_se, k_high (rows whose Pareto k says that it is unreliable); of the backtest's first fold,
        which holds out the largest runs, log_rmse, crps and coverage90; weight, in the average of the laws. NaN where
        a fit was refused, with weight 0.

    Raises:
        ConfigError: no law, one that is named twice, or laws of different responses.
    """
    return average(runs, laws, noise, hold_out, seed, progress).comparison


@at_the_door
def average(
    runs: Runs | Any,
    laws: Sequence[str | Law] = LAWS,
    noise: str | Noise | None = None,
    hold_out: float = 0.2,
    seed: int = 0,
    progress: bool | None = None,
) -> Average:
    """Fit several laws and weigh them by their record (`weights`).

    Folds count as few runs each, so that weights leave the even ones only as far as the record goes.

    Args, raises: as `compare`.
    """
    chosen = _settled(laws)
    runs = as_runs(runs)
    fits, scores, points = {}, [], []
    with telling(progress) as say:
        for law in chosen:
            say(f"fitting {law.name}")
            fits[law.name] = fit(runs, law, noise=noise, seed=seed, progress=False)
            say(f"backtesting {law.name}")
            record, held_out = forecasts(runs, law, hold_out, noise, seed, progress=False)
            scores.append(record)
            points.append(held_out)
    loo = {name: _loo(one) for name, one in fits.items()}
    within = {name: loo[name]["elpd_loo"] / one.about["rows"] for name, one in fits.items() if one.has_draws}
    weight = weights(pd.concat(points, ignore_index=True), within)
    rows = {}
    for (name, one), record in zip(fits.items(), scores, strict=True):
        first = record.iloc[0][list(SCORES[:3])].to_dict() if len(record) else {}
        rows[name] = {"status": str(one.status), **loo[name], **first, "weight": weight.get(name, 0.0)}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(COMPARED)).rename_axis("law")
    return Average(fits, table, seed)


def weights(points: pd.DataFrame, loo: Mapping[str, float]) -> dict[str, float]:
    """Weights of laws: exp of the log densities per row that they gave to held-out runs, each fold counting as COUNTS
    rows, and to rows left out one by one, which count as WITHIN.

    Args:
        points: of `backtest.forecasts`, of all laws: law, fold, row, log_density. Rows that some laws hold out in a
            fold and others do not are left out; a law without a forecast in a fold has the least that another gave it.
        loo: law -> mean log density of a row left out, of those that may have a weight.
    """
    laws = list(loo)
    total = WITHIN * np.array([loo[law] for law in laws])
    for number, fold in points[points["law"].isin(laws)].groupby("fold"):
        log_p = fold.pivot_table(index="row", columns="law", values="log_density").reindex(columns=laws)
        there = log_p.columns[log_p.notna().any().to_numpy(bool)]
        found = log_p.dropna(axis=0, subset=there.tolist()).mean().to_numpy(float)
        if np.isfinite(found).any():
            total = total + COUNTS[int(str(number))] * np.where(np.isfinite(found), found, np.nanmin(found))
    weight = np.exp(total - total.max(initial=-np.inf))
    return dict(zip(laws, (weight / weight.sum()).tolist(), strict=True))


def _loo(one: Fit) -> dict[str, float]:
    if "log_likelihood" not in one.data or not one.has_draws:
        return dict.fromkeys(("elpd_loo", "elpd_loo_se", "k_high"), np.nan)
    found = psis_loo(next(iter(one.data["log_likelihood"].to_dataset().data_vars.values())).to_numpy())
    high = int(np.sum(found.pareto_k > UNRELIABLE))
    return {"elpd_loo": float(found.elpd), "elpd_loo_se": float(found.se), "k_high": high}


def _settled(laws: Sequence[str | Law]) -> list[Law]:
    chosen = [get_law(law) for law in ([laws] if isinstance(laws, str) else laws)]
    names = [law.name for law in chosen]
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"compare wants different laws; got {', '.join(names) or 'none'}")
    responses = {law.response.column for law in chosen}
    if len(responses) > 1:
        said = ", ".join(f"{law.name} of {law.response.column}" for law in chosen)
        raise ConfigError(f"laws of different responses cannot be compared: {said}")
    return chosen
