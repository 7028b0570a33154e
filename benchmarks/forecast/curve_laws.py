"""jaxscale's laws on many learning curves: one batch a law, and their average weighed by a forecast within the data.

Each law is fitted to the training points of every curve, and once more to those below half of the largest x, from where
it forecasts the rest as it later does the held-out points: a factor of two ahead. What it gives to them in log density
weighs it (`COUNTS` points' worth, since errors of one curve share a sign). `RECORD` adds what those forecasts of the
other curves were wrong by, which is more than noise and parameters say, to the average's intervals.

Points of one training run are not independent, and more of them than MOST add little: MOST are kept, evenly in log x.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import logsumexp
from scipy.stats import t as student

import jaxscale as js
from jaxscale.forecast import drawn, inputs_at

MOST = 32
DRAWS, KEPT = 2000, 500
COUNTS = 2.0
TAILS = 5.0
AHEAD = 2.0  # of the forecast within the data
AVERAGE, RECORD = "jaxscale average", "jaxscale average, with the record"


@dataclass(frozen=True)
class Variant:
    """A law and how much of a curve it is fitted to: x from `last` times below the largest, or all."""

    law: str
    column: str
    last: float = np.inf


VARIANTS = {
    "jaxscale hestness": Variant("hestness", "examples"),
    "jaxscale hestness, last decade": Variant("hestness", "examples", 10.0),
    "jaxscale bnsl": Variant("bnsl", "x"),
}
Points = tuple[np.ndarray, np.ndarray]  # x and y, (points,) each
Drawn = tuple[np.ndarray, np.ndarray]  # of the curve and of a new run, (draws, points) each


def forecasts(train: dict[str, Points], test: dict[str, Points], folder: Path | None = None) -> dict[str, dict]:
    """Method -> curve -> table with q50, new_q05, new_q95 at the test points; a refused fit is missing.

    Args:
        train, test: curve -> points, by rising x.
        folder: where finished fits are kept, so that a rerun goes on.
    """
    early = {c: (x[x <= x[-1] / AHEAD], y[x <= x[-1] / AHEAD]) for c, (x, y) in train.items()}
    late = {c: (x[x > x[-1] / AHEAD], y[x > x[-1] / AHEAD]) for c, (x, y) in train.items()}
    found: dict[str, dict] = {}
    final: dict[str, dict[str, Drawn]] = {}
    within: dict[str, dict[str, Drawn]] = {}
    for name, variant in VARIANTS.items():
        keep = folder / variant.law if folder else None
        final[name] = _fitted(variant, train, test, keep and keep.with_name(f"{keep.name}-{variant.last:g}-all"))
        within[name] = _fitted(variant, early, late, keep and keep.with_name(f"{keep.name}-{variant.last:g}-early"))
        found[name] = {c: _summed_up(*d) for c, d in final[name].items()}
    mixed = {c: _mixed(c, final, within, late) for c in train if any(c in f for f in final.values())}
    found[AVERAGE] = {c: _summed_up(*d) for c, d in mixed.items()}
    rate = _record(within, late, early)
    found[RECORD] = {}
    for i, (c, (curve, new)) in enumerate(mixed.items()):
        others = np.array([v for other, v in rate.items() if other != c])
        rng = np.random.default_rng([7, i])
        far = np.log10(test[c][0] / train[c][0][-1])
        by = rng.choice(others, (len(new), 1)) * rng.choice([-1.0, 1.0], (len(new), 1)) * far[None]
        found[RECORD][c] = _summed_up(curve, new * np.exp(by))
    return found


def _fitted(variant: Variant, train: dict[str, Points], at: dict[str, Points], folder: Path | None) -> dict[str, Drawn]:
    """Curve -> draws, of the fits that passed."""
    tables = {c: _table(variant, *points) for c, points in train.items()}
    many = js.fit_many(tables, variant.law, draws=DRAWS, keep=KEPT, out=folder, progress=False)
    law, noise = many.recipe.law, many.recipe.noise
    good: dict[object, bool] = {c: bool(ok) for c, ok in many.status()["ok"].items()}
    found = {}
    for c, (x, _) in at.items():
        if good[c] and len(x):
            inputs, _ = inputs_at(law, {variant.column: x})
            curve, new = drawn(law, noise, inputs, many.draws(c), 1.0, 0)
            assert new is not None
            found[c] = curve, new
    return found


def _table(variant: Variant, x: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    recent = x >= x[-1] / variant.last
    x, y = x[recent], y[recent]
    if len(x) > MOST:
        log_x = np.log(x)
        wanted = np.linspace(log_x[0], log_x[-1], MOST)
        kept = np.unique(np.abs(log_x[None] - wanted[:, None]).argmin(axis=1))
        x, y = x[kept], y[kept]
    return pd.DataFrame({variant.column: x, "loss": y})


def _mixed(curve: str, final: dict, within: dict, late: dict[str, Points]) -> Drawn:
    """Draws of each law by its weight."""
    names = [n for n in final if curve in final[n]]
    record = np.array([_log_density(within[n].get(curve), late[curve][1]) for n in names])
    least = float(np.nanmin(record)) if np.isfinite(record).any() else 0.0
    record = np.where(np.isfinite(record), record, least)
    weight = np.exp(COUNTS * record - float(np.asarray(logsumexp(COUNTS * record))))
    parts: list[list[np.ndarray]] = [[], []]
    for name, share in zip(names, weight, strict=True):
        kept = np.resize(np.random.default_rng(1).permutation(KEPT), round(share * 2 * KEPT))
        for part, draws in zip(parts, final[name][curve], strict=True):
            part.append(draws[kept % len(draws)])
    return np.concatenate(parts[0]), np.concatenate(parts[1])


def _log_density(draws: Drawn | None, y: np.ndarray) -> float:
    """Mean over points of the log density that a t near the draws of a new run gives to log y."""
    if draws is None or not len(y):
        return np.nan
    new = np.log(np.maximum(draws[1], 1e-12))
    low, middle, high = np.quantile(new, [0.16, 0.5, 0.84], axis=0)
    scale = np.maximum(0.5 * (high - low), 1e-5)
    return float(np.mean(student.logpdf((np.log(y) - middle) / scale, TAILS) - np.log(scale)))


def _record(within: dict, late: dict[str, Points], early: dict[str, Points]) -> dict[str, float]:
    """Curve -> size of the median's error in the forecast within the data, a decade ahead, averaged over laws."""
    found: dict[str, float] = {}
    for c, (x, y) in late.items():
        far = np.log10(x / early[c][0][-1]) if len(early[c][0]) else np.array([])
        errors = [np.mean(np.log(np.median(w[c][0], axis=0) / y)) / np.mean(far) for w in within.values() if c in w]
        if errors:
            found[c] = float(abs(np.mean(errors)))
    return found


def _summed_up(curve: np.ndarray, new: np.ndarray) -> pd.DataFrame:
    low, high = np.quantile(new, [0.05, 0.95], axis=0)
    return pd.DataFrame({"q50": np.median(curve, axis=0), "new_q05": low, "new_q95": high})
