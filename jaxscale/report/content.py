"""What a fit has to show: its runs as laws and people see them, its frontier, its odd ones out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxscale.decide.plan import frontier, plan
from jaxscale.errors import DataError, PlanError
from jaxscale.held import runs_of
from jaxscale.result import Fit
from jaxscale.trust.doctor import OUTLYING
from jaxscale.variables import DERIVED, FLOPS, FLOPS_PER_PARAM_TOKEN, PARAMS, TOKENS

THIN = 400  # draws behind a drawn curve
DERIVATIONS = frozenset(rule[2] for rules in DERIVED.values() for rule in rules)
REACH = 10.0  # times the largest run's compute: the target where none is given


@dataclass(frozen=True)
class Seen:
    """The runs of a fit.

    Attributes:
        x: symbol -> (n,) inputs of the law.
        y: (n,) response; of counts, the share.
        sizes: N, D and C, each (n,); None where the law is not about models and tokens.
        label: how to name each run.
        residual: (n,) observed minus law, relative on a log scale; None where there is no law to compare with.
        odd: (n,) whether the residual is beyond the doctor's limit.
    """

    x: dict[str, np.ndarray]
    y: np.ndarray
    sizes: dict[str, np.ndarray] | None
    label: list[str]
    residual: np.ndarray | None
    odd: np.ndarray


def seen(fit: Fit) -> Seen:
    """The runs of a fit, as figures and tables need them."""
    constant = fit.data["constant_data"].to_dataset()
    x = {s: np.asarray(constant[s].to_numpy(), dtype=np.float64) for s in fit.law.inputs}
    y = np.asarray(fit.data["observed_data"][fit.law.response.column].to_numpy(), dtype=np.float64)
    y = y / constant["trials"].to_numpy() if "trials" in constant else y
    residual, odd = None, np.zeros(len(y), dtype=bool)
    if fit.status.ok:
        centre = np.median(curves(fit, x), axis=0)
        on_log = fit.noise.on == "log" and "trials" not in constant
        residual = np.log(y / centre) if on_log else y - centre
        spread = 1.4826 * np.median(np.abs(residual - np.median(residual)))
        odd = np.abs(residual) > OUTLYING * max(spread, 1e-12)
    return Seen(x, y, _sizes(x, fit), [str(v) for v in constant["label"].to_numpy()], residual, odd)


def curves(fit: Fit, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Some posterior curves, or the one of a point fit; (curves, points)."""
    if not fit.has_draws:
        return fit.curves(inputs, {p: np.array([v]) for p, v in fit.point.items()})
    draws = fit.draws()
    step = max(1, len(next(iter(draws.values()))) // THIN)
    return fit.curves(inputs, {p: v[::step] for p, v in draws.items()})


def sizes_matter(fit: Fit) -> bool:
    """Whether the law is of models, tokens and compute, so that a best size is to be had."""
    return fit.law.decides == "N, D"


def default_budget(fit: Fit) -> float:
    """Ten times the largest run's compute, in FLOP."""
    found = seen(fit).sizes
    assert found is not None
    return float(REACH * found["C"].max())


def frontier_of(fit: Fit, budgets: Sequence[float] | np.ndarray) -> pd.DataFrame:
    """Best size, tokens and loss along training budgets; no row where the fit has no answer.

    Returns:
        The columns of `jaxscale.decide.plan.frontier`, and M (tokens per parameter). A point fit has q50 alone.
    """
    try:
        plan(fit, float(np.max(budgets)))  # says no where the best size is not determined
        found = frontier(fit, [float(b) for b in budgets])
    except PlanError:
        return pd.DataFrame()
    for here, there in (("q05", "q95"), ("q50", "q50"), ("q95", "q05")):  # on a budget D falls as N grows
        found[f"M_{here}"] = found[f"D_{here}"] / found[f"N_{there}"]
    return found if fit.has_draws else found.filter(regex="budget|q50")


def _sizes(x: dict[str, np.ndarray], fit: Fit) -> dict[str, np.ndarray] | None:
    if not sizes_matter(fit):
        return None
    if {"C", "M"} <= set(x):
        n = np.sqrt(x["C"] / (FLOPS_PER_PARAM_TOKEN * x["M"]))
        return {"N": n, "D": n * x["M"], "C": x["C"]}
    try:
        found, _ = runs_of(fit).numbers({"N": PARAMS, "D": TOKENS, "C": FLOPS})
    except DataError:
        return None
    return found
