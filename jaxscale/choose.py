"""Which observation model: those that could describe the rows, compared by leave-one-out cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxscale.diagnose import psis_loo
from jaxscale.law import Law
from jaxscale.noise import NOISES, get_noise
from jaxscale.runs import IDENTITY, Runs

SCATTERS = ("student_t", "normal", "outliers", "frontier", "heteroscedastic")
CHECKPOINTS = 3.0  # rows a run, on average, from which rows are taken for checkpoints
CLEARLY = 2.0  # standard errors of the difference,
LEAST_GAIN = 4.0  # and nats, below which the standard error itself is not to be trusted
UNRELIABLE = 0.7  # Pareto k of a row


def candidates(runs: Runs, law: Law) -> tuple[list[str], str]:
    """Noises that could describe these rows, the usual one first; and why only these, where there is a reason."""
    response = law.response
    if response.support == "count":
        return ["binomial", "beta_binomial"], ""
    if response.support == "ordinal":
        return ["ordered"], "The response is a grade."
    column = runs.columns.get("run") or next((c for c in IDENTITY if c in runs.table), "")
    if column in list(runs.table):
        count = len(set(runs.table[column].astype(object).map(str)))
        if len(runs) >= CHECKPOINTS * count:
            why = f"The {len(runs)} rows are checkpoints of {count} runs, so they are not independent."
            return ["checkpoints:annealed=true" if "annealed" in runs.table else "checkpoints"], why
    measured = ["known_sd"] if f"{response.column}_sd" in runs.table or "sd" in runs.columns else []
    scores = ["beta"] if response.support == "unit" else []
    return [*SCATTERS, *measured, *scores], ""


def choose(runs: Runs, law: Law, fit_with: Callable[[str], Any]) -> tuple[str, list[str]]:
    """The noise to use, and what is said of the choice.

    The usual noise stays unless another's expected log predictive density is higher by CLEARLY standard errors of the
    difference and by LEAST_GAIN; of several, the highest.

    Args:
        runs, law: what is fitted.
        fit_with: noise -> (points, ) log likelihood (chain, draw, row) of a fit that passed its gate, or None.
    """
    names, why = candidates(runs, law)
    if len(names) == 1:
        return names[0], [f"Noise {names[0]!r}: {why} It holds that {_says(names[0], law)}."]
    likelihoods = {name: fit_with(name) for name in names}
    found = {name: psis_loo(v) for name, v in likelihoods.items() if v is not None}
    refused = [name for name, v in likelihoods.items() if v is None]
    if not found:
        return names[0], ["No noise could be compared: none of the fits passed its gate."]
    usual = next(iter(found))
    gain = {name: _difference(found[name].elpd_i, found[usual].elpd_i) for name in found}
    clear = [name for name, (more, se) in gain.items() if more > max(CLEARLY * se, LEAST_GAIN) and name != usual]
    best = max(clear, key=lambda name: gain[name][0], default=usual)
    others = [f"{name} {more:+.1f} ± {se:.1f}" for name, (more, se) in gain.items() if name != usual]
    said = f"Noise {best!r} chosen by leave-one-out: it holds that {_says(best, law)}."
    said += f" Log predictive density against {usual}: {', '.join(others)}."
    if best == usual:
        said += f" None is better by {CLEARLY:.0f} standard errors and {LEAST_GAIN:.0f} nats."
    return best, [said, *_cautions(found[best].pareto_k, best, refused)]


def _cautions(pareto_k: np.ndarray, best: str, refused: Sequence[str]) -> list[str]:
    weak = int(np.sum(pareto_k > UNRELIABLE))
    said = [f"The comparison leans on {weak} rows with Pareto k above {UNRELIABLE} under {best}."] if weak else []
    return said + ([f"Not compared, since not converged: {', '.join(refused)}."] if refused else [])


def _difference(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    rows = a - b
    return float(rows.sum()), float(np.sqrt(len(rows)) * rows.std(ddof=1))


def _says(name: str, law: Law) -> str:
    noise = get_noise(name, law.response)
    return NOISES[noise.name].says
