"""The best choice of every draw under a budget and limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxscale.decide.members import Source
from jaxscale.decide.problem import LAW, PAID, SEARCH, SHARE, SPAN, YOURS, complete, total
from jaxscale.decide.question import Ask, Problem, cost_of, ends, given_and_tied, problem_of
from jaxscale.decide.solve import places, solve
from jaxscale.errors import PlanError
from jaxscale.law import Law
from jaxscale.words import human, plain

AT_EDGE = 0.05  # share of draws whose best choice is on the edge of the search or of the law: no answer
NEXT = 1.02  # a step from the best choice that must still be inside
LESS = 0.999  # of what the budget pays for, to see whether less would be better


@dataclass(frozen=True, eq=False)
class Answer:
    """The best choice of every draw.

    Attributes:
        problem: the question.
        at: canonical column -> (S,), everything known about each draw's choice.
        value: (S,), the law's response there.
        slope: (S,), how far from stationary, relative, by a unit of a logarithm.
        draws: symbol -> (S,), what people are told: the response with what the law may itself be wrong by.
        bound: quantity -> share of draws that a limit of the question, or the quantity's own end, holds back.
    """

    problem: Problem
    at: Mapping[str, np.ndarray]
    value: np.ndarray
    slope: np.ndarray
    draws: dict[str, np.ndarray]
    bound: Mapping[str, float]

    @property
    def chosen(self) -> tuple[str, ...]:
        """Symbols of what was chosen."""
        return tuple(self.problem.symbols.get(c, c) for c in self.problem.chosen())

    @property
    def response(self) -> str:
        """Name of the law's response."""
        return self.problem.frame.law.response.column


def answer(source: Source, ask: Ask) -> Answer:
    """Each draw's best choice.

    Raises:
        PlanError: nothing meets the limits, or for too many draws the best choice is at the end of the search or of
            where the law holds.
    """
    _worth_asking(source, ask)
    problem = problem_of(source, ask)
    found = optimum(source, problem)
    if problem.frame.spends and not ask.share and _less_is_better(source, problem, found[0]) > AT_EDGE:
        return answer(source, replace(ask, share=True))  # the budget need not be spent
    at, value, slope, x = found
    bound = _edges(source, problem, x)
    return Answer(problem, at, value, slope, _told(problem, at, source.with_error(at, value)), bound)


def optimum(
    source: Source, problem: Problem, budget: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Where each draw's best choice lies, its response, slope and point of the search; budgets may differ by draw."""
    parts, first = [], 0
    for member in source.members:
        rows = slice(first, first + member.count)
        first += member.count
        numbers, low, high = problem.lanes(member.count, None if budget is None else budget[rows])
        theta = {p: np.asarray(v)[:, None] for p, v in member.params.items()}
        frame = problem.frame.of(member.law)
        found = solve(frame, theta, numbers, low, high)
        at, _ = places(frame, found.x, numbers)
        parts.append(({c: np.asarray(v) for c, v in at.items()}, frame.sign * found.value, found.slope, found.x))
    shared = set.intersection(*(set(p[0]) for p in parts))
    at = {c: np.concatenate([p[0][c] for p in parts]) for c in parts[0][0] if c in shared}
    return at, *(np.concatenate([p[i] for p in parts]) for i in (1, 2, 3))  # pyright: ignore[reportReturnType]


def _worth_asking(source: Source, ask: Ask) -> None:
    """A budget below the smallest run asks for what was not seen at all.

    Raises:
        PlanError: it is.
    """
    costs = seen_costs(source, ask)
    if ask.budget is not None and costs is not None and ask.budget < costs.min():
        raise PlanError(
            f"A budget of {plain(ask.budget)} is below the smallest run, which cost {plain(float(costs.min()))}. "
            "Train a model that small and look, or ask about a larger budget."
        )


def seen_costs(source: Source, ask: Ask) -> np.ndarray | None:
    """What each run of the table cost to train; None where the table does not say."""
    if not source.seen or not source.law.choices:
        return None
    given, ties = given_and_tied(source.law, ask.at)
    choices = [c for c in source.law.choices if c not in given and c not in ties]
    cost = cost_of(source.law, ask, given, choices)
    try:
        return None if cost is None else np.asarray(cost.train(complete(given | dict(source.seen), source.law)))
    except KeyError:
        return None


def _less_is_better(source: Source, problem: Problem, at: Mapping[str, np.ndarray]) -> float:
    """Share of draws that would do better with less of what the budget pays for."""
    spends, law = problem.frame.spends, problem.frame.law
    keep = (spends, *problem.frame.given, *(c for c in problem.frame.free))
    now = {c: at[c] for c in keep if c in at} | {c: at[o] for c, o in problem.frame.ties}
    less = now | {spends: LESS * at[spends]} | {c: LESS * at[o] for c, o in problem.frame.ties if o == spends}
    if not set(complete(now, law)) >= {v.column for v in law.inputs.values()}:
        return 0.0
    better, first = [], 0
    for member in source.members:
        rows = slice(first, first + member.count)
        first += member.count
        values = [_along(member.law, complete({c: v[rows] for c, v in p.items()}, member.law), member.params)
                  for p in (now, less)]  # fmt: skip
        better.append(problem.frame.sign * (values[1] - values[0]) < -1e-12 * np.abs(values[0]))
    return float(np.mean(np.concatenate(better)))


def _along(law: Law, at: Mapping[str, Any], params: Mapping[str, np.ndarray]) -> np.ndarray:
    """Each draw at its own point; (S,)."""
    inputs = law.from_columns(at)
    return np.asarray(law(*inputs.values(), **{p: np.asarray(params[p]) for p in law.params}))


def _edges(source: Source, problem: Problem, x: np.ndarray) -> dict[str, float]:
    """Share of draws that each limit of the question holds back.

    Raises:
        PlanError: too many are held back by the end of the search or of the law: their best choice is elsewhere.
    """
    frame, bound = problem.frame, {}
    numbers, _, _ = problem.lanes(len(x))
    lost = {SEARCH: np.zeros(len(x), bool), LAW: np.zeros(len(x), bool)}
    for i, column in enumerate(frame.free):
        size = np.log(NEXT) if frame.logs[i] else (NEXT - 1.0) * (problem.high[i] - problem.low[i])
        mine = np.zeros(len(x), bool)
        for step in (-size, size):
            there = x.copy()
            there[:, i] += step
            _, fine = places(frame, there, numbers)
            held = ~np.asarray(fine[YOURS]) | ~np.asarray(fine[SPAN]) | ~np.asarray(fine[PAID])
            held |= (column == SHARE) & (step > 0) & (there[:, i] > 0.0)
            mine |= held
            for kind in lost:
                lost[kind] |= ~np.asarray(fine[kind]) & ~held
        if mine.any() and column != SHARE:
            bound[column] = float(mine.mean())
    if not frame.free:
        _, fine = places(frame, x, numbers)
        lost = {kind: ~np.asarray(fine[kind]) for kind in lost}
    if frame.spends and np.isfinite(problem.numbers.most):
        at, _ = places(frame, x, numbers)
        held = np.asarray(at[frame.spends]) >= float(problem.numbers.most) * (1.0 - 1e-6)
        bound |= {frame.spends: float(held.mean())} if held.any() else {}
    _refuse(source, problem, {k: float(v.mean()) for k, v in lost.items()})
    return bound


def _refuse(source: Source, problem: Problem, lost: Mapping[str, float]) -> None:
    law = problem.frame.law
    if lost[SEARCH] > AT_EDGE:
        if problem.frame.free and "params" in problem.frame.free:
            i = problem.frame.free.index("params")
            low, high = np.exp(problem.low[i]), np.exp(problem.high[i])
            where = f"({human(low, digits=2)} to {human(high, digits=2)} parameters)"
        else:
            where = f"of {', '.join(problem.frame.free) or 'sizes'}"
        raise PlanError(
            f"For {100 * lost[SEARCH]:.0f} % of the posterior the best choice lies outside the range that was searched "
            f"{where}: these runs do not determine it. Runs at other ratios of what is chosen would; or give limits=."
        )
    if lost[LAW] > AT_EDGE:
        boxed = next((m.law for m in source.members if m.law.box), law)
        raise PlanError(
            f"{ends(boxed)}, and for {100 * lost[LAW]:.0f} % of the posterior the best choice under this budget lies "
            "at the end of that or beyond it. Ask about a budget inside, or fit a law without such a limit, such as "
            "chinchilla."
        )


def _told(problem: Problem, at: Mapping[str, np.ndarray], value: np.ndarray) -> dict[str, np.ndarray]:
    """What is said of each draw's choice: what was chosen, ratio, other inputs of the law, response, cost."""
    frame, law = problem.frame, problem.frame.law
    columns = [*problem.chosen()]
    columns += ["tokens_per_param"] if {"params", "tokens"} <= set(columns) and "tokens_per_param" in at else []
    columns += [v.column for v in law.inputs.values()]
    symbols = dict(problem.symbols)
    if "tokens_per_param" not in {v.column for v in law.inputs.values()}:
        symbols.pop("tokens_per_param", None)
    draws = {symbols.get(c, c): at[c] for c in dict.fromkeys(columns) if c not in frame.given}
    if "tokens_per_param" in columns and "tokens_per_param" not in draws:
        draws = {**draws, "tokens_per_param": at["tokens_per_param"]}
    draws[law.response.column] = value
    if frame.cost is not None:
        cost = np.asarray(total(frame, at, problem.numbers))
        draws["cost"] = np.broadcast_to(cost, value.shape).copy()
    return draws
