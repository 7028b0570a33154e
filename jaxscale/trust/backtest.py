"""What the forecast would have been: fit the smaller runs, predict the larger ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
import pandas as pd
from scipy.special import logsumexp

from jaxscale.api import as_runs
from jaxscale.batch import Lane, Table, key_of, keys_of, lane_of, rows_for, table_of
from jaxscale.discrepancy import Discrepancy, sized
from jaxscale.errors import ConfigError
from jaxscale.forecast import moved
from jaxscale.identify import refusal
from jaxscale.infer import cascade
from jaxscale.infer.programs import programs
from jaxscale.law import Law, get_law
from jaxscale.model import Model
from jaxscale.noise import Noise, get_noise
from jaxscale.progress import telling
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.summary import QUANTILES
from jaxscale.trust.conformal import misses, stretch
from jaxscale.trust.early import tokens_of
from jaxscale.variables import training_compute

ORIGINS = 3  # with the whole table, as many lanes as one compiled program has
DRAWS = 4000
LEVELS = 200
SCORES = ("log_rmse", "crps", "coverage90", "elpd")
CHECKED = ("stretch90", "conformal90")  # by conformal prediction from earlier folds


def backtest(
    runs: Runs | Any,
    laws: Sequence[str | Law] = ("chinchilla",),
    hold_out: float = 0.2,
    noise: str | Noise | None = None,
    seed: int = 0,
    progress: bool | None = None,
    discrepancy: bool = True,
) -> pd.DataFrame:
    """Hold out the largest runs, forecast them, score.

    Fold 0 holds out the top `hold_out` of the runs by compute (by the law's first input where there is no
    compute); folds 1 and 2 step back in time by as much, each forecasting the next share.

    Args:
        runs: a Runs, a path or a DataFrame.
        laws: laws or names.
        hold_out: share of the runs.
        noise: as in `fit`.
        seed: of every random draw.
        progress: show a line while working; by default where stderr is a terminal.
        discrepancy: forecast as `fit.predict` does by default, with what the law may be wrong by beyond the runs that
            each fold is fitted to, by the record that those have; without it the law is believed.

    Returns:
        A row per law and fold: law, fold, n_train, n_test, log_rmse (of the median), crps (on the scale of the
        noise), coverage90 (share of held-out runs inside the 90 % interval of a new run), elpd (summed), stretch90
        (times as wide as intervals had to be for 90 % of the forecasts of earlier folds, see conformal.py),
        conformal90 (share inside intervals stretched so), status. Scores are NaN where the fit was refused, stretches
        also where fewer than nine runs had been forecast before. A fold's draws may be rougher than what an interval
        is printed from; its status says so.
    """
    found = [forecasts(runs, law, hold_out, noise, seed, progress, discrepancy)[0] for law in laws]
    return pd.concat(found, ignore_index=True)


@at_the_door
def forecasts(
    runs: Runs | Any,
    law: str | Law = "chinchilla",
    hold_out: float = 0.2,
    noise: str | Noise | None = None,
    seed: int = 0,
    progress: bool | None = None,
    discrepancy: bool = True,
    min_tokens: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The scores of one law, and every forecast beside what was observed.

    Runs of fewer tokens than `min_tokens` are forecast where they are held out, but never fitted.

    Returns:
        (scores, points); points has law, fold, label, row, order (what runs are sorted by), observed, and q05, q50,
        q95 of a new run, log_density (of what was observed, in the response's unit) and inside.
    """
    if not 0.0 < hold_out < 0.5:
        raise ConfigError(f"hold_out is a share of the runs between 0 and 0.5; got {hold_out!r}")
    runs, law = as_runs(runs), get_law(law)
    model = Model(law, get_noise(noise, law.response))
    if not model.noise.bayesian:
        raise ConfigError(
            f"noise {model.noise.name!r} has no predictive distribution to score; use student_t or normal"
        )
    table = table_of(runs, law, model.noise)
    order = _order(table, law)
    folds = _folds(order, hold_out)
    if min_tokens and (tokens := tokens_of(runs, law)) is not None:
        folds = [(train[tokens[train] >= min_tokens], test) for train, test in folds]
        folds = [(train, test) for train, test in folds if len(train)]
    scores, points = [], []
    with telling(progress) as say:
        say(f"backtesting {law.name}")
        for fold, (train, test, status, u) in enumerate(_posteriors(model, table, folds, seed, say)):
            row: dict[str, Any] = {"law": law.name, "fold": fold, "n_train": len(train), "n_test": len(test)}
            row |= dict.fromkeys((*SCORES, *CHECKED), np.nan) | {"status": str(status)}
            if status.ok:
                beyond = sized(model, table.take(train), seed, of=len(table)) if discrepancy else None
                forecast = _forecast(model, table, train, test, u, seed, beyond)
                row |= _scores(forecast, table.take(test), model.noise)
                quantiles = {k: np.quantile(forecast["new"], q, axis=0) for k, q in QUANTILES.items()}
                share = table.y if table.trials is None else table.y / table.trials
                shown = pd.DataFrame(
                    {"law": law.name, "fold": fold, "label": [runs.label(i) for i in test],
                     "row": test, "order": order[test],
                     "observed": share[test], **quantiles}
                )  # fmt: skip
                shown["log_density"] = logsumexp(forecast["log_density"], axis=0) - np.log(len(u))
                shown["inside"] = (shown["q05"] <= shown["observed"]) & (shown["observed"] <= shown["q95"])
                points.append(shown)
            scores.append(row)
    _check(scores, points, model.noise.on == "log" and table.trials is None)
    columns = ["law", "fold", "n_train", "n_test", *SCORES, *CHECKED, "status"]
    empty = pd.DataFrame(
        columns=["law", "fold", "label", "row", "order", "observed", *QUANTILES, "log_density", "inside"]
    )
    return pd.DataFrame(scores, columns=columns), pd.concat(points, ignore_index=True) if points else empty


def _check(scores: list[dict[str, Any]], points: list[pd.DataFrame], on_log: bool) -> None:
    """Add to each fold's scores what the folds before it, which forecast smaller runs, say of its intervals."""
    by_fold = {int(shown["fold"].iloc[0]): misses(shown, on_log) for shown in points}
    for row in scores:
        past = [found for fold, found in by_fold.items() if fold > row["fold"]]
        if past and row["fold"] in by_fold:
            row["stretch90"] = stretch(np.concatenate(past))
            inside = float(np.mean(by_fold[row["fold"]] <= row["stretch90"]))
            row["conformal90"] = inside if np.isfinite(row["stretch90"]) else np.nan


def _order(table: Table, law: Law) -> np.ndarray:
    """Compute where the law's inputs give it, else the first input."""
    compute = training_compute(law.by_column(table.x))
    return next(iter(table.x.values())) if compute is None else compute


def _folds(order: np.ndarray, hold_out: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, test) positions, the largest runs held out first."""
    ranked = np.argsort(order, kind="stable")
    size = max(1, round(hold_out * len(order)))
    ends = [len(order) - size * i for i in range(ORIGINS)]
    return [(ranked[: end - size], ranked[end - size : end]) for end in ends if end - size >= 2]


def _posteriors(model: Model, table: Table, folds: list, seed: int, say: Any) -> list[tuple]:
    """(train, test, status, draws) of each fold; all folds are lanes of one program."""
    refused = [refusal(table.take(train), model.law) for train, _ in folds]
    open_ = [i for i, status in enumerate(refused) if status is None]
    if not open_:
        return [(*fold, status, None) for fold, status in zip(folds, refused, strict=True)]
    lanes = [_train_lane(model, table, folds[i][0]) for i in open_]
    keys = keys_of(seed, [f"backtest {i}" for i in open_])
    found = cascade.sample(model, lanes, keys, method="quick", draws=DRAWS, say=say)
    by_fold = {i: (health.record(), u) for i, health, u in zip(open_, found.health, found.u, strict=True)}
    return [(*fold, *by_fold.get(i, (refused[i], None))) for i, fold in enumerate(folds)]


def _train_lane(model: Model, table: Table, train: np.ndarray) -> Lane:
    """As long as the whole table's lane, so that fit and backtest share a program."""
    return lane_of(table.take(train), model.noise, rows_for(len(table)))


def _forecast(
    model: Model,
    table: Table,
    train: np.ndarray,
    test: np.ndarray,
    u: np.ndarray,
    seed: int,
    beyond: Discrepancy | None,
) -> dict[str, np.ndarray]:
    """Draws of a new run at each held-out run, and the log density of what was observed."""
    fitted = _train_lane(model, table, train)
    lane = lane_of(table.take(test), model.noise, rows_for(len(table)))
    lane |= {"centre": fitted["centre"], "scale": fitted["scale"]}  # parameters mean what they meant in training
    by = np.zeros((len(u), len(lane["w"])))
    if beyond is not None:
        held_out = table.take(test)
        by[:, : len(test)] = beyond.draws(beyond.decades(model.law, held_out.x), len(u), seed)[1]
    new = programs(model).new_runs(u, lane, jax.random.split(key_of(seed, "new runs"), len(u)))
    drawn = {"new": moved(model.law, model.noise, np.asarray(new), by), "log_density": _log_density(model, u, lane, by)}
    return {k: np.asarray(v)[:, : len(test)] for k, v in drawn.items()}


def _log_density(model: Model, u: np.ndarray, lane: Lane, by: np.ndarray) -> np.ndarray:
    """Of what was observed, (draws, rows), where the law is off by `by`; counts know of no such error."""
    if "trials" in lane:
        return np.asarray(programs(model).likelihood(u, lane))
    off = np.asarray(programs(model).likelihood_of(u, lane, lane["y"][None] - by))
    return off - by if model.noise.on == "log" else off


def _scores(forecast: dict[str, np.ndarray], test: Table, noise: Noise) -> dict[str, float]:
    new, log_density = forecast["new"], forecast["log_density"]
    y = test.y if test.trials is None else test.y / test.trials
    on_log = noise.on == "log" and test.trials is None
    scaled, observed = (np.log(np.maximum(new, 1e-300)), np.log(y)) if on_log else (new, y)
    low, high = np.quantile(new, [QUANTILES["q05"], QUANTILES["q95"]], axis=0)
    median = np.median(new, axis=0)
    usable = (median > 0) & (y > 0)
    return {
        "log_rmse": float(np.sqrt(np.mean(np.log(median[usable] / y[usable]) ** 2))) if usable.all() else np.nan,
        "crps": float(np.mean(_crps(scaled, observed))),
        "coverage90": float(np.mean((low <= y) & (y <= high))),
        "elpd": float(np.sum(logsumexp(log_density, axis=0) - np.log(len(log_density)))),
    }


def _crps(draws: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Continuous ranked probability score as twice the mean quantile loss; draws (S, points).

    On a grid of levels, because with fewer than two degrees of freedom the extreme draws have no mean.
    """
    levels = (np.arange(LEVELS) + 0.5) / LEVELS
    short = observed[None, :] - np.quantile(draws, levels, axis=0)
    return 2.0 * np.mean(np.where(short >= 0, levels[:, None], levels[:, None] - 1.0) * short, axis=0)
