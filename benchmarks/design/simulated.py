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
from jaxscale.decide.offers import candidates_of
from jaxscale.decide.suggest import new_run_variance
from jaxscale.runtime import float64

TRUTHS = ("besiroglu2024", "hoffmann2022", "muennighoff2023")
METHODS = ("none", *ORDERS, "d_optimal", "ours_forecast", "ours_budget")
BUDGET, RUNS, FIRST, SD = 1e23, 6, 14, 0.01


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
    """A record a truth, seed and method."""
    records = []
    for preset in TRUTHS:
        truth = dict(js.get_law("chinchilla").published[preset])
        for seed in range(seeds):
            records += ladder(preset, truth, seed)
            print("simulated", preset, seed, file=sys.stderr, flush=True)
    return records


def ladder(preset: str, truth: dict[str, float], seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    inputs = {"N": 10 ** rng.uniform(7.7, 9.0, FIRST), "D": 10 ** rng.uniform(9.0, 10.6, FIRST)}
    runs = js.simulate("chinchilla", truth, inputs, sd=SD, seed=seed)
    fit = js.fit(runs, progress=False)
    grid = [(n, d) for n in np.geomspace(5e7, 4e9, 15) for d in np.geomspace(1e9, 8e10, 15)]
    pool = pd.DataFrame(grid, columns=["N", "D"])
    pool["cost"] = 6.0 * pool.N * pool.D
    spend = 3.0 * float(np.sum(6.0 * inputs["N"] * inputs["D"]))
    found = []
    for method in METHODS:
        rows = choose(method, fit, pool, spend, seed)
        record = {"truth": preset, "seed": seed, "method": method, "runs": len(rows)}
        assert pool.cost[rows].sum() <= spend * (1 + 1e-9)
        again = fit
        if len(rows):
            new = js.simulate(
                "chinchilla", truth, {s: pool[s].to_numpy()[rows] for s in "ND"}, sd=SD, seed=seed + 10_000
            )
            again = js.fit(pd.concat([runs.table, new.table], ignore_index=True), progress=False)
        found.append(record | {"spent": float(pool.cost[rows].sum() / spend), "regret": regret(again, truth)})
    return found


def choose(method: str, fit: js.Fit, pool: pd.DataFrame, spend: float, seed: int) -> list[int]:
    """Rows of the pool."""
    cost = pool["cost"].to_numpy()
    if method == "none" or not fit.has_draws:
        return []
    if method in ORDERS:
        left: list[int] = []
        for row in in_order(ORDERS[method](cost, seed), cost, spend, []):
            left = [*left, row][:RUNS]
        return left
    if method == "d_optimal":
        offer = candidates_of(fit, pool, spend)
        draws = {p: v[::2] for p, v in fit.draws().items()}
        u = np.log(np.column_stack([draws[p] for p in fit.law.params]))
        with float64():
            curves, noise = np.log(fit.curves(offer.inputs, draws)), new_run_variance(fit, offer.inputs, draws)
        found = Search(curves, noise, offer.cost, Volume(u), spend, RUNS).best().chosen
        return [int(offer.label[c]) for c in found]
    best = js.plan(fit, BUDGET).recommended if method == "ours_forecast" else None
    target = {"budget": BUDGET} if best is None else {"N": best["N"], "D": best["D"]}
    bought = js.suggest(fit, pool, target=target, spend=spend, runs=RUNS, discrepancy=False)
    return [int(c) for c in bought["candidate"]]


def regret(fit: js.Fit, truth: dict[str, float]) -> float:
    """Loss of the recommended size above the least one, in nats; NaN where no plan can be made."""
    try:
        n = js.plan(fit, BUDGET).recommended["N"]
    except js.PlanError:
        return float("nan")
    law, grid = js.get_law("chinchilla"), np.geomspace(1e7, 1e13, 20_000)
    loss = lambda n: law(n, BUDGET / (6.0 * n), **truth)  # noqa: E731
    return float(loss(n) - loss(grid).min())
