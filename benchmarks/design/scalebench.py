"""ScaleBench: what each way to spend a share of the pool's cost leaves of the forecast."""

from __future__ import annotations

import sys
import time

import numpy as np
import tasks
from engine import Unit
from methods import ORDERS, ROUNDS, designed, in_order, local

METHODS = (*ORDERS, "d_optimal", "v_optimal", "ours_believing", "ours")
DESIGNED = 3  # repeats of designs, which differ in their first runs; the cheapest runs depend on no chance
PUBLISHED = {  # MSPE (the paper's own method) and V-optimal, as its README here repeats them: mean R2 by budget
    "lr_bsz": ((-0.66, 0.00, 0.22), (-0.70, -0.06, 0.18)),
    "domain_mixture": ((0.64, 0.89, 0.95), (0.57, 0.91, 0.95)),
    "vocab": ((0.96, 0.98, 0.98), (0.96, 0.97, 0.98)),
    "parallel": ((-1.00, 0.77, 0.99), (-1.00, 0.69, 0.99)),
    "moe": ((0.59, 0.65, 0.83), (0.67, 0.80, 0.80)),
    "data_constrained": ((0.73, 0.85, 0.86), (0.58, 0.83, 0.85)),
}


def study(name: str, repeats: int) -> list[dict]:
    """A record a law, method, repeat and budget of one task."""
    task, records = tasks.load(name), []
    for law in task.laws:
        units = units_of(task, law)
        every = list(range(len(task.cost)))
        records.append({"task": name, "law": law, "method": "all", "repeat": 0, "share": 1.0, "runs": len(every),
                        "r2": score(units, every, 0), "seconds": 0.0})  # fmt: skip
        for method in METHODS:
            for repeat in range(1 if method == "cheapest" else repeats if method in ORDERS else DESIGNED):
                records += trail(task, law, units, method, repeat)
            own = [r for r in records if r["law"] == law and r["method"] == method]
            means = {s: round(float(np.mean([r["r2"] for r in own if r["share"] == s])), 2) for s in task.shares}
            print(name, law, method, means, f"{sum(r['seconds'] for r in own):.0f} s", file=sys.stderr, flush=True)
    return records


def units_of(task: tasks.Task, law: str) -> list[Unit]:
    found = []
    for group in task.groups:
        rows = np.flatnonzero(task.pool[task.group].astype(str) == group)
        test = task.test.loc[task.test[task.group].astype(str) == group].reset_index(drop=True)
        found += [Unit(law, response, task.pool.iloc[rows], rows, test) for response in task.responses]
    return found


def trail(task: tasks.Task, law: str, units: list[Unit], method: str, repeat: int) -> list[dict]:
    """One way through the budgets, each of which keeps what the last one bought."""
    bought: list[int] = []
    whole, made, began = float(task.cost.sum()), [], time.perf_counter()
    for level, share in enumerate(task.shares):
        money = share * whole - float(task.cost[bought].sum())
        if method in ORDERS:
            bought = bought + in_order(ORDERS[method](task.cost, repeat), task.cost, money, bought)
        else:
            if level == 0:
                bought = first_runs(task, units, money / 2.0, repeat)
            for round_ in range(ROUNDS):
                money = share * whole - float(task.cost[bought].sum())
                part = money / (ROUNDS - round_)
                part = max(part, min(money, float(task.cost.min())))
                seed = 1000 * repeat + 10 * level + round_
                bought = bought + designed(method, units, task.cost, part, bought, seed)
        assert task.cost[bought].sum() <= share * whole * (1 + 1e-9)
        assert len(set(bought)) == len(bought)
        seconds = time.perf_counter() - began
        made.append({"task": task.name, "law": law, "method": method, "repeat": repeat, "share": share,
                     "runs": len(bought), "r2": score(units, bought, repeat), "seconds": seconds})  # fmt: skip
        began = time.perf_counter()
    return made


def first_runs(task: tasks.Task, units: list[Unit], money: float, seed: int) -> list[int]:
    """What a design needs before it has anything to go by: about as many cheap runs as the laws have parameters."""
    most = units[0].model.size * len(task.groups)
    return in_order(ORDERS["cost_weighted"](task.cost, seed), task.cost, money, [])[:most]


def score(units: list[Unit], bought: list[int], seed: int) -> float:
    """R2 of the mode's forecast of the test region, over all responses and groups at once, as in the paper's code."""
    beliefs = [unit.belief(local(unit, bought), seed, draws=False) for unit in units]
    forecast = [unit.curves(b.u[None], unit.at_test)[0] for unit, b in zip(units, beliefs, strict=True)]
    return tasks.r2(np.concatenate([unit.test.y for unit in units]), np.concatenate(forecast))
