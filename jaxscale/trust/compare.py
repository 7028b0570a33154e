"""Which law, and from which runs: leave-one-out, the record of forecasts, and the average weighed by that record.

A law of a few powers bends towards runs of few tokens, which follow the warm-up. So each law is fitted to all runs and
to those above each of a few cuts, and all these fits are weighed alike, by how they forecast the same larger runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale.api import as_runs, fit_part
from jaxscale.diagnose import Loo, psis_loo
from jaxscale.errors import ConfigError
from jaxscale.law import Law, get_law
from jaxscale.noise import Noise
from jaxscale.progress import telling
from jaxscale.result import Fit
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door, each
from jaxscale.trust.average import Average, Part
from jaxscale.trust.backtest import DRAWS, SCORES, forecasts
from jaxscale.trust.early import SPARE, below, tokens_of
from jaxscale.words import human

LAWS = ("chinchilla", "coupled", "kaplan_nd")
UNRELIABLE = 0.7  # Pareto k of a row
COUNTS = (2.0, 1.0, 0.5)  # rows that a fold counts as, by its number: errors share a sign, and late folds are nearest
CUTS = (0.2, 0.4, 0.7)  # of the runs: a few, since each is a fit and a backtest more of every law
WITHIN = 2.0  # rows that the fit within the data counts as
LEAST = 0.01  # weight: a fit of less has none
COMPARED = ("status", "elpd_loo", "elpd_loo_se", "k_high", *SCORES[:3], "weight", "weight_cut")


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
        which holds out the largest runs, log_rmse, crps and coverage90; all of these by fits to all runs, NaN where
        that was refused. weight, in the average, and weight_cut, the part of it that is on fits of the law to runs of
        more tokens; 0 where no fit passed.

    Raises:
        ConfigError: no law, one that is named twice, or laws of different responses.
    """
    return average(runs, laws, noise, hold_out, seed, progress).comparison


class _Study(NamedTuple):
    """One law on the runs of at least so many tokens.

    Attributes:
        record, points: of `backtest.forecasts`; a row a fold, and a row a run held out.
    """

    name: str
    least: float
    fit: Fit
    record: pd.DataFrame
    points: pd.DataFrame

    @property
    def first_fold(self) -> dict[str, float]:
        """Scores of the fold that holds out the largest runs; empty without one."""
        return self.record.iloc[0][list(SCORES[:3])].to_dict() if len(self.record) else {}


@at_the_door
def average(
    runs: Runs | Any,
    laws: Sequence[str | Law] = LAWS,
    noise: str | Noise | None = None,
    hold_out: float = 0.2,
    seed: int = 0,
    progress: bool | None = None,
    cuts: Sequence[float] = CUTS,
) -> Average:
    """Fit several laws, to all runs and to those of more tokens, and weigh the fits by their record (`weights`).

    Folds count as few runs each, so that weights leave the even ones only as far as the record goes.

    Args:
        runs, laws, noise, hold_out, seed, progress: as in `compare`.
        cuts: shares of the runs, those of the fewest tokens, without which each law is fitted too; empty for fits to
            all runs alone. Laws without an input of tokens are fitted once.

    Raises: as `compare`.
    """
    chosen = _settled(laws)
    runs = as_runs(runs)
    with telling(progress) as say:

        def study(job: tuple[Law, float]) -> _Study:
            law, least = job
            name = _named(law, least)
            say(f"fitting {name}")
            part = below(runs, least, "") if least else runs
            one = fit_part(
                part, len(runs), law, noise, method="auto", seed=seed, draws=DRAWS, priors=None, progress=False
            )
            say(f"backtesting {name}")
            record, points = forecasts(runs, law, hold_out, noise, seed, progress=False, min_tokens=least)
            return _Study(name, least, one, record, points.assign(law=name))

        studies = each(study, [(law, least) for law in chosen for least in (0.0, *_cuts(runs, law, cuts))])
    points = pd.concat([s.points for s in studies], ignore_index=True)
    found = weights(points, _within({s.name: s.fit for s in studies}))
    found = {name: weight for name, weight in found.items() if weight >= LEAST}
    all_ = sum(found.values()) or 1.0
    parts = tuple(Part(s.fit, s.least, found.get(s.name, 0.0) / all_) for s in studies)
    rows = {s.name: {"status": str(s.fit.status), **_loo(s.fit), **s.first_fold} for s in studies if not s.least}
    for part in parts:
        row = rows[part.fit.law.name]
        row["weight"] = row.get("weight", 0.0) + part.weight
        row["weight_cut"] = row.get("weight_cut", 0.0) + (part.weight if part.least else 0.0)
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(COMPARED)).rename_axis("law")
    return Average(parts, table, seed)


def _named(law: Law, least: float) -> str:
    return law.name if least == 0 else f"{law.name} of {human(least, digits=2)} tokens and more"


def _cuts(runs: Runs, law: Law, shares: Sequence[float]) -> list[float]:
    """Tokens below which a share of the runs lies, where the others can still be fitted; ascending."""
    tokens = tokens_of(runs, law)
    if tokens is None:
        return []
    cuts = np.unique([np.quantile(tokens, share) for share in shares])
    enough = len(law.free) + SPARE
    return [float(cut) for cut in cuts if enough <= np.sum(tokens >= cut) < len(tokens)]


def _within(fits: Mapping[str, Fit]) -> dict[str, float]:
    """Mean log density of a row left out, over the rows that all fits have; of those that may have a weight."""
    known = {name: _pointwise(one) for name, one in fits.items() if one.has_draws}
    shared = set.intersection(*(set(one) for one in known.values())) if known else set()
    return {name: float(np.mean([one[row] for row in shared])) if shared else 0.0 for name, one in known.items()}


def _psis(one: Fit) -> Loo | None:
    if "log_likelihood" not in one.data or not one.has_draws:
        return None
    return psis_loo(next(iter(one.data["log_likelihood"].to_dataset().data_vars.values())).to_numpy())


def _pointwise(one: Fit) -> dict[int, float]:
    """Row of the source -> log density of that row left out."""
    found, rows = _psis(one), one.data["constant_data"]["row"].to_numpy()
    return {} if found is None else dict(zip(rows.tolist(), found.elpd_i.tolist(), strict=True))


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
    found = _psis(one)
    if found is None:
        return dict.fromkeys(("elpd_loo", "elpd_loo_se", "k_high"), np.nan)
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
