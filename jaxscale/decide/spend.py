"""The compute that a target takes at the best choice, for every draw."""

from __future__ import annotations

import numpy as np

from jaxscale.decide.answer import optimum
from jaxscale.decide.members import Source
from jaxscale.decide.question import Problem
from jaxscale.errors import PlanError
from jaxscale.words import by_name, plain

DECADES = (-6, -4, -2, 0, 2, 4, 6, 9, 12)  # of budgets about the one that was asked for
SECANTS = 9
SURE = 0.9  # share of the posterior that reaches the target with the larger of the budgets that are said
NEVER = 0.5  # of the posterior without an answer is no answer


def compute_to_reach(source: Source, problem: Problem, target: float, centre: float) -> tuple[np.ndarray, list[str]]:
    """The least budget at which each draw's best choice reaches the target.

    Args:
        source: who answers.
        problem: the question, with the whole range of its search.
        target: a response.
        centre: a budget to look about.

    Returns:
        (S,), infinite where no budget does; and sentences on it.

    Raises:
        PlanError: most of the posterior never reaches it.
    """
    sign = problem.frame.sign
    count = sum(m.count for m in source.members)
    logs = np.log(centre) + np.log(10.0) * np.asarray(DECADES, dtype=np.float64)
    values = []
    for spend in logs:
        found = _best(source, problem, np.full(count, np.exp(spend)))
        values.append(np.where(np.isfinite(found), sign * (found - target), np.inf))
    above = np.stack(values)
    reached, first = (above <= 0.0).any(axis=0), (above <= 0.0).argmax(axis=0)
    name = problem.frame.law.response.column
    if (never := 1.0 - float(reached.mean())) > NEVER:
        last = float(np.median(above[-1]))
        best = by_name(name, target + sign * last) if np.isfinite(last) else "no answer"
        raise PlanError(
            f"{name} = {by_name(name, target)} is out of reach for {100 * never:.0f} % of the posterior: it lies below "
            f"the law's floor or where the law ends. {plain(float(np.exp(logs[-1])))} would give {best} (median)."
        )
    rows = np.arange(count)
    before = np.maximum(first - 1, 0)
    low, high, f_low, f_high = logs[before], logs[first], above[before, rows], above[first, rows]
    for i in range(SECANTS):
        with np.errstate(invalid="ignore", divide="ignore"):
            way = f_low / (f_low - f_high)
        usable = np.isfinite(way) & (way > 0.0) & (way < 1.0) & (i % 3 != 2)  # halve now and then
        middle = low + np.where(usable, way, 0.5) * (high - low)
        found = _best(source, problem, np.exp(middle))
        f = np.where(np.isfinite(found), sign * (found - target), np.inf)
        done = f <= 0.0
        low, f_low = np.where(done, low, middle), np.where(done, f_low, f)
        high, f_high = np.where(done, middle, high), np.where(done, f, f_high)
    with np.errstate(invalid="ignore", divide="ignore"):
        way = f_low / (f_low - f_high)
    last = low + np.where(np.isfinite(way), np.clip(way, 0.0, 1.0), 1.0) * (high - low)
    spent = np.where(reached, np.exp(np.where(first == 0, logs[0], last)), np.inf)
    middle, sure = (float(np.quantile(spent, q, method="higher")) for q in (0.5, SURE))
    goal = f"{name} {by_name(name, target)}"
    said = [f"Half of the posterior reaches {goal} with {plain(middle)}, 90 % with {plain(sure)}."]
    if not source.drawn:
        said = [f"{goal} takes {plain(middle)}."]
    if never:
        said.append(f"{100 * never:.0f} % of the posterior reaches it with no budget, and counts as infinite.")
    return spent, said


def _best(source: Source, problem: Problem, budget: np.ndarray) -> np.ndarray:
    """The response of each draw's best choice, the law's own error included; (S,)."""
    at, value, _, _ = optimum(source, problem, budget)
    return source.with_error(at, value)
