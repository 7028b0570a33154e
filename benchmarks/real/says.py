"""What the fits of a table say, in a few sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

import jaxscale as js

UNTOLD = 0.05  # of the curve's lowest loss: a floor whose 5 % end is below this cannot be told from zero
RISING = 0.3  # rank correlation of size and error
NOISY = 0.1
PUBLISHED = {  # README of the table: log-log least squares on the shares, -b
    "Pythia 12B": 0.371, "Pythia 6.9B": 0.351, "Pythia 2.8B": 0.339, "Pythia 1B": 0.313, "Pythia 410M": 0.287,
    "Pythia 160M": 0.282, "Pythia 70M": 0.192,
}  # fmt: skip
Curves = Mapping[str, js.Runs]


def power_law(fits: js.Fits, curves: Curves) -> list[str]:
    """The exponent, the floor, the scatter, and what became of curves that rise or stay level."""
    median, low = quantile(fits, "q50"), quantile(fits, "q05")
    lowest = pd.Series({name: lowest_loss(curves[name]) for name in median.index})
    near_zero = float((low.gamma < UNTOLD * lowest).mean())
    said = [
        f"Exponent {spread(-median.beta_g)}; floor {spread(median.gamma)}.",
        f"{priors(fits, {'gamma': 'the floor', 'beta_g': 'the exponent', 'nu': 'nu'})} In {near_zero:.0%} the floor "
        f"cannot be told from zero (its 5 % end is below {UNTOLD:.0%} of the lowest error).",
        f"Scatter sigma {spread(median.sigma)}; above {NOISY} in {(median.sigma > NOISY).mean():.0%}.",
    ]
    rising = [name for name, runs in curves.items() if rises(runs)]
    level = [name for name, runs in curves.items() if is_level(runs)]
    if rising:
        said.append(
            f"{len(rising)} curves rise (rank correlation of size and error above {RISING}), which the law cannot "
            f"follow. {passed(fits, rising)} of them passed: the gate judges draws, not the law."
        )
    if level:
        said.append(f"{len(level)} curves have one error at every size; {passed(fits, level)} of them passed.")
    return said


def rectified(fits: js.Fits, curves: Curves) -> list[str]:
    """The exponent and the floor, for each corpus."""
    median, low = quantile(fits, "q50"), quantile(fits, "q05")
    lowest = pd.Series({name: lowest_loss(curves[name]) for name in median.index})
    corpus = pd.Series(median.index, index=median.index).str.partition("|")[0]
    untold = low.E - UNTOLD * lowest < 0
    said = [
        f"{name.upper()}: beta {spread(median.beta[corpus == name])}; E {spread(median.E[corpus == name])}; in "
        f"{(untold & (corpus == name)).sum()} E cannot be told from zero."
        for name in sorted(set(corpus))
    ]
    names = {"E": "E", "B": "B", "Dl": "Dl", "beta": "beta"}
    return [*said, f"{priors(fits, names)} Scatter sigma {spread(median.sigma)}."]


def coverage(fits: js.Fits, curves: Curves) -> list[str]:
    """The exponent, beside that of the shares; and curves without a solved problem."""
    median = quantile(fits, "q50")
    summary = fits.summary().set_index(["fit", "parameter"])
    beside = []
    for model, theirs in PUBLISHED.items():
        name = f"original|{model}"
        if name in median.index:
            row = summary.loc[(name, "b")]
            beside.append(f"{model} {-row.q50:.3f} ({-row.q95:.3f} to {-row.q05:.3f}; {theirs:.3f})")
    blank = [name for name, runs in curves.items() if not runs.table.solved.to_numpy().any()]
    some = median.b[~median.index.isin(blank)]
    said = [f"-b {spread(-some)} where anything was solved. {priors(fits, {'b': 'b'})}"]
    if beside:
        said.append(f"-b with its 90 % interval, in brackets also the straight line's: {', '.join(beside)}.")
    if blank:
        weak = sum(len(names) > 0 for names in fits.health().prior_dominated[blank])
        said.append(
            f"In {len(blank)} curves no block was solved. {passed(fits, blank)} of them passed, {weak} of them with a "
            "note that an interval is the prior's."
        )
    return said


def two_inputs(fits: js.Fits, curves: Curves) -> list[str]:
    """Exponents of size and samples, for each upstream data set."""
    median = quantile(fits, "q50")
    upstream = pd.Series(median.index, index=median.index).str.partition("|")[2]
    said = [
        f"{name}: exponent of GMAC a sample {spread(rows.alpha)}, of samples seen {spread(rows.beta)}."
        for name, rows in median.groupby(upstream)
    ]
    names = {"E": "the floor", "alpha": "alpha", "beta": "beta"}
    return [*said, f"{priors(fits, names)} Scatter sigma {spread(median.sigma)}."]


def quantile(fits: js.Fits, which: str) -> pd.DataFrame:
    """One statistic of every fit that passed, fits by parameters."""
    wide = fits.summary().pivot(index="fit", columns="parameter", values=which)
    ok = fits.health().ok
    return wide.loc[[name for name in fits if ok[name]]]


def priors(fits: js.Fits, names: Mapping[str, str]) -> str:
    """In how many fits a parameter's interval is the prior's."""
    health = fits.health()
    weak = health.prior_dominated[health.ok]
    shares = [f"{text} in {weak.map(lambda p, n=name: n in p).mean():.0%}" for name, text in names.items()]
    return f"The prior's interval: {', '.join(shares)} of the fitted curves."


def spread(values: pd.Series) -> str:
    """Median, and the middle 80 % of curves."""
    if not len(values):
        return "none"
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return f"{middle:.3g} (80 % of curves {low:.2g} to {high:.2g})"


def lowest_loss(runs: js.Runs) -> float:
    """The smallest response of a curve."""
    return float(runs.table[runs.columns["loss"]].to_numpy().min())


def passed(fits: js.Fits, names: Sequence[str]) -> int:
    """How many of these passed the gate."""
    ok = fits.health().ok
    return sum(bool(ok[name]) for name in names)


def is_level(runs: js.Runs) -> bool:
    """Whether the error is the same at every size."""
    return len(np.unique(runs.table[runs.columns["loss"]].to_numpy())) == 1


def rises(runs: js.Runs) -> bool:
    """Whether the error grows with the size."""
    size, error = runs.table[runs.columns["m"]], runs.table[runs.columns["loss"]]
    return not is_level(runs) and float(np.asarray(spearmanr(size, error))[0]) > RISING
