"""The one choice to recommend under a budget, among candidates that every draw has judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.decide.answer import AT_EDGE, Answer, answer, seen_costs
from jaxscale.decide.candidates import FARTHER, completed, profile, rounded
from jaxscale.decide.members import Source, how_far_believed, without_interval
from jaxscale.decide.problem import SHARE
from jaxscale.decide.question import Ask, Problem, column_of, problem_of
from jaxscale.decide.regret import FLAT, Judge
from jaxscale.decide.spend import compute_to_reach
from jaxscale.errors import PlanError
from jaxscale.identify import FAR
from jaxscale.law import Law
from jaxscale.variables import COMPUTE
from jaxscale.words import by_name, human, plain

CENTRE = 1e21  # FLOP, where neither a budget nor a table says where to look


def decide(
    source: Source,
    ask: Ask,
    target: float | None,
    choose: str,
    level: float,
    shapes: Sequence[Any] | None,
    multiple_of: Mapping[str, float] | None,
) -> dict[str, Any]:
    """The fields of a Plan; arguments as there."""
    law = source.law
    if ask.budget is None and _wants_budget(source, ask):
        symbols = ", ".join(s for s, v in law.inputs.items() if v.column in law.choices) or law.decides
        raise PlanError(f"{law.name} decides {law.decides}; more of {symbols} costs more. Give a budget, or a target.")
    options = [answer(source, _with(ask, law, shape)) for shape in shapes] if shapes else [answer(source, ask)]
    sign = options[0].problem.frame.sign
    best = np.argmin(np.stack([sign * o.value for o in options]), axis=0)
    rows = np.arange(len(best))
    draws = {s: np.stack([o.draws[s] for o in options])[best, rows] for s in options[0].draws}
    value = np.stack([o.value for o in options])[best, rows]
    symbols, response = options[0].problem.symbols, options[0].response
    judge = Judge(source, value, response, sign, symbols, target, level)
    points = [profile(source, o.problem, o.at, single=bool(shapes)) for o in options]
    points = {c: np.concatenate([p[c] for p in points]) for c in points[0]}
    if multiple_of:
        points = rounded(options[0].problem, points, {column_of(law, s): m for s, m in multiple_of.items()})
    columns = options[0].problem.chosen()
    if shapes:
        mine = _shape_columns(law, shapes)
        columns = tuple(dict.fromkeys([*mine, *columns]))
        shaped = {symbols.get(c, c): np.stack([o.at[c] for o in options])[best, rows] for c in mine}
        draws = shaped | draws
    table = judge.table(points, columns)
    if len(options) == 1 and not multiple_of and len(table) > 1 and _flat_to_an_end(table, response):
        points = profile(source, options[0].problem, options[0].at, reach=FARTHER)
        table = judge.table(points, columns)
    row = table.iloc[judge.pick(table, choose)]
    chosen = tuple(symbols.get(c, c) for c in columns)
    recommended = {s: float(row[s]) for s in chosen} | {response: float(row[f"{response}_mean"])}
    recommended |= {"regret_q95": float(row["regret_q95"])}
    recommended |= {"p_target": float(row["p_target"])} if target is not None else {}
    notes = _notes(source, ask, options, best)
    if target is not None and ask.budget is not None:
        spent, said = compute_to_reach(source, problem_of(source, ask, narrow=False), target, float(ask.budget))
        draws["cost_to_target"] = spent
        notes += said
        if source.drawn:
            notes.append(
                f"At the recommended choice {100 * recommended['p_target']:.0f} % of the posterior reaches it."
            )
    what = f"{plain(float(ask.budget))}{unit(options[0].problem)}" if ask.budget else ""
    return {
        "budget": float(ask.budget or np.nan), "draws": draws, "recommended": recommended, "profile": table,
        "notes": tuple(notes), "chosen": chosen, "response": response,
        "asked": f"The best use of {what}" if what else f"The best {' and '.join(chosen)}",
        "asked_in": unit(options[0].problem).strip(), "judge": judge,
        "columns": {symbols.get(c, c): c for c in columns},
        "complete": _completer(source, ask, options[0].problem),
    }  # fmt: skip


def unit(problem: Problem) -> str:
    """Of the budget, with a space before it; empty where only the asker knows."""
    cost = problem.frame.cost
    return {"6nd": " FLOP", "compute": f" {COMPUTE.unit}"}.get(cost.name if cost else "", "")


def _completer(source: Source, ask: Ask, problem: Problem) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    return lambda candidate: completed(source.law, ask, problem, candidate)


def _with(ask: Ask, law: Law, shape: Any) -> Ask:
    shape = shape if isinstance(shape, Mapping) else {_first_symbol(law): shape}
    return replace(ask, at={**(ask.at or {}), **shape})


def _first_symbol(law: Law) -> str:
    return next(s for s in (*law.inputs, "N") if column_of(law, s) == law.choices[0])


def _shape_columns(law: Law, shapes: Sequence[Any]) -> list[str]:
    first = shapes[0] if isinstance(shapes[0], Mapping) else {_first_symbol(law): shapes[0]}
    return [column_of(law, s) for s in first]


def _wants_budget(source: Source, ask: Ask) -> bool:
    """Whether more of what is chosen costs more, and nothing says how much may be spent."""
    return any(c in ("params", "tokens", "flops") for c in source.law.choices if c not in _named(source.law, ask.at))


def _named(law: Law, at: Mapping[str, Any] | None) -> set[str]:
    return {column_of(law, s) for s in at or {}}


def cheapest(source: Source, ask: Ask, target: float, choose: str, level: float) -> dict[str, Any]:
    """The plan whose budget reaches the target in half of the posterior; the fields of a Plan."""
    costs = seen_costs(source, ask)
    centre = CENTRE if costs is None else float(costs.max())
    problem = problem_of(source, replace(ask, budget=centre), narrow=False)
    spent, _ = compute_to_reach(source, problem, target, centre)
    budget = float(np.quantile(spent, 0.5, method="higher"))
    made = decide(source, replace(ask, budget=budget), target, choose, level, None, None)
    name = source.law.response.column
    return made | {"asked": f"The least that reaches {name} {by_name(name, target)}: with {plain(budget)}"}


def _flat_to_an_end(table: pd.DataFrame, response: str) -> bool:
    """Whether candidates at an end are about as good as the best: then the valley goes on beyond them."""
    excess = table["excess_mean"].to_numpy()
    return bool(
        min(excess[0], excess[-1]) < 2.0 * FLAT * abs(float(table[f"{response}_mean"].iloc[int(excess.argmin())]))
    )


def _in_how_many(source: Source, share: float) -> str:
    return f" in {100 * share:.0f} % of the posterior" if source.drawn else ""


def _notes(source: Source, ask: Ask, options: Sequence[Answer], best: np.ndarray) -> list[str]:
    """What was assumed, what held the choice back, and how far beyond the data it lies."""
    said, first = [], options[0]
    costs, frame = seen_costs(source, ask), first.problem.frame
    if ask.budget is not None and costs is not None and (times := ask.budget / float(costs.max())) > FAR:
        said.append(
            f"The budget is {plain(times, digits=2)} times the compute of the largest run; {how_far_believed(source)}."
        )
    if ask.serve_tokens:
        said.append(f"The budget covers training and serving {human(ask.serve_tokens)} tokens.")
    if ask.unique_tokens is not None and "unique_tokens" in first.at:
        epochs = first.at["tokens"] / first.at["unique_tokens"]
        said.append(
            f"{human(ask.unique_tokens)} tokens are unique; the best choice passes over them "
            f"{plain(float(np.median(epochs)), digits=2)} times (median)."
        )
    elif ask.unique_tokens is not None:
        capped = first.bound.get("tokens", 0.0)
        said.append(
            f"Tokens are capped at {human(ask.unique_tokens)}; the cap binds in {100 * capped:.0f} % of the posterior. "
            f"{frame.law.name} has no say on repeated data; data_constrained has."
        )
    for column, share in first.bound.items() if len(options) == 1 else ():
        if column != "tokens" or ask.unique_tokens is None:
            symbol = first.problem.symbols.get(column, column)
            said.append(f"{symbol} is held back by its limit{_in_how_many(source, share)}.")
    if SHARE in frame.free:
        said.append("More of it would be worse for some of the posterior, so that not all of the budget is spent.")
    elif frame.spends and "cost" in first.draws and len(options) == 1:
        idle = float(np.mean(first.draws["cost"] < 0.99 * float(ask.budget or 0.0)))
        if idle > AT_EDGE:
            said.append(f"In {100 * idle:.0f} % of the posterior the limits leave part of the budget unspent.")
    if len(options) > 1:
        share = float(np.max(np.bincount(best, minlength=len(options)))) / len(best)
        said.append(f"One of {len(options)} shapes is the best{_in_how_many(source, share)}.")
    if len(source.members) > 1:
        said.append(f"An average of {', '.join(m.law.name for m in source.members)}; regrets are across the laws too.")
    return [*said, *without_interval(source)]
