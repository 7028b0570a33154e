"""Ladders with a known truth: six runs are bought, the law is fitted again, and a large budget is spent by the plan.

The score is the loss of the size that is then recommended, above the best there is for that budget.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from methods import ORDERS, in_order

import jaxscale as js
from jaxscale.decide.design import Search
from jaxscale.decide.goals import Spread
from jaxscale.decide.members import Member, Source
from jaxscale.decide.offers import candidates_of
from jaxscale.decide.suggest import new_run_variance
from jaxscale.runtime import float64

TRUTHS = ("besiroglu2024", "hoffmann2022", "muennighoff2023")
METHODS = ("none", *ORDERS, "d_optimal", "v_optimal", "ours_forecast", "ours_budget")
BUDGET, RUNS, FIRST, SD = 1e23, 6, 14, 0.01
LAW = js.get_law("chinchilla")
POOL = pd.DataFrame(
    [(n, d) for n in np.geomspace(5e7, 4e9, 15) for d in np.geomspace(1e9, 8e10, 15)], columns=["N", "D"]
).assign(cost=lambda t: 6.0 * t.N * t.D)


@dataclass(frozen=True)
class Volume:
    """Log volume of the posterior of all parameters: D-optimality as a goal of the package's search."""

    draws: np.ndarray

    def value(self, chosen: Sequence[int], steps: np.ndarray) -> float:
        """What a batch leaves; a large constant keeps it above zero, as a goal should be."""
        return 1e3 + float(np.linalg.slogdet(np.cov(self.draws.T) - steps.T @ steps)[1])

    def with_each(self, chosen: Sequence[int], steps: np.ndarray, each: np.ndarray) -> np.ndarray:
        """With one more run, by the determinant of a rank-one change."""
        left = np.cov(self.draws.T) - steps.T @ steps
        told = np.einsum("tc,tc->c", each, np.linalg.solve(left, each))
        return self.value(chosen, steps) + np.log(np.maximum(1.0 - told, 1e-12))


def study(seeds: int) -> list[dict]:
    """A record a truth, seed and method. First runs are fitted one by one, what came of each choice in one batch."""
    records, tables = [], {}
    for preset, truth in ((p, dict(LAW.published[p])) for p in TRUTHS):
        for seed in range(seeds):
            runs, fit, spend = first(truth, seed)
            for method in METHODS:
                rows = choose(method, fit, spend, seed)
                spent = float(POOL["cost"].to_numpy()[rows].sum())
                assert spent <= spend * (1 + 1e-9)
                records.append({"truth": preset, "seed": seed, "method": method, "runs": len(rows),
                                "spent": spent / spend})  # fmt: skip
                tables[str(len(records) - 1)] = js.read_runs(pd.concat([runs.table, *bought(truth, rows, seed)]))
            print("simulated", preset, seed, file=sys.stderr, flush=True)
    fits = js.fit_many(tables, LAW, workers=1, progress=False)
    draws, ok = fits.data["posterior"], fits.status()["ok"]
    for i, record in enumerate(records):
        record["regret"] = float("nan")
        if bool(ok.to_numpy()[i]):
            mine = Member(LAW, {p: draws[p].to_numpy()[i, 0] for p in LAW.params})
            record["regret"] = regret(Source((mine,), {}, True), dict(LAW.published[record["truth"]]))
    return records


def first(truth: dict[str, float], seed: int) -> tuple[js.Runs, js.Fit, float]:
    """The runs that are there already, their fit, and what may be spent on more."""
    rng = np.random.default_rng(seed)
    inputs = {"N": 10 ** rng.uniform(7.7, 9.0, FIRST), "D": 10 ** rng.uniform(9.0, 10.6, FIRST)}
    runs = js.simulate(LAW, truth, inputs, sd=SD, seed=seed)
    return runs, js.fit(runs, LAW, progress=False), 3.0 * float(np.sum(6.0 * inputs["N"] * inputs["D"]))


def bought(truth: dict[str, float], rows: list[int], seed: int) -> list[pd.DataFrame]:
    """What the runs that were bought show."""
    there = {s: POOL[s].to_numpy()[rows] for s in "ND"}
    return [js.simulate(LAW, truth, there, sd=SD, seed=seed + 10_000).table] if rows else []


def choose(method: str, fit: js.Fit, spend: float, seed: int) -> list[int]:
    """Rows of the pool."""
    cost = POOL["cost"].to_numpy()
    if method == "none" or not fit.has_draws:
        return []
    if method in ORDERS:
        left: list[int] = []
        for row in in_order(ORDERS[method](cost, seed), cost, spend, []):
            left = [*left, row][:RUNS]
        return left
    best = js.plan(fit, BUDGET).recommended
    there = {"N": best["N"], "D": best["D"]}
    if method in ("d_optimal", "v_optimal"):
        offer = candidates_of(fit, POOL, spend)
        draws = {p: v[::2] for p, v in fit.draws().items()}
        with float64():
            curves, noise = np.log(fit.curves(offer.inputs, draws)), new_run_variance(fit, offer.inputs, draws)
            far = np.log(fit.curves({s: np.array([v]) for s, v in there.items()}, draws))
        goal = Volume(np.log(np.column_stack([draws[p] for p in fit.law.params])))
        search = Search(curves, noise, offer.cost, goal if method == "d_optimal" else Spread(far), spend, RUNS)
        return [int(offer.label[c]) for c in search.best().chosen]
    target = there if method == "ours_forecast" else {"budget": BUDGET}
    found = js.suggest(fit, POOL, target=target, spend=spend, runs=RUNS, discrepancy=False)
    return [int(c) for c in found["candidate"]]


def regret(source: Source, truth: dict[str, float]) -> float:
    """Loss of the recommended size above the least one, in nats; NaN where no plan can be made."""
    try:
        n = js.plan(source, BUDGET).recommended["N"]
    except js.PlanError:
        return float("nan")
    grid = np.geomspace(1e7, 1e13, 20_000)
    loss = lambda n: LAW(n, BUDGET / (6.0 * n), **truth)  # noqa: E731
    return float(loss(n) - loss(grid).min())
