"""What it takes to reach a target: the least of a law's one choice that does, for every draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.decide.members import Source, without_interval
from jaxscale.decide.problem import complete
from jaxscale.decide.question import Ask, search_range
from jaxscale.errors import PlanError
from jaxscale.forecast import curves
from jaxscale.law import Law
from jaxscale.summary import QUANTILES
from jaxscale.words import by_name, human, plain

SCAN = 401  # points at which a curve is looked at before its crossing is found
HALVINGS = 60
SURE = 0.9  # share of the posterior that reaches the target at the recommended input
WHOLE = ("samples", "experts", "streams", "examples", "steps")  # are counted
NEVER = 0.5  # of the posterior without an answer is no answer


def inverse(source: Source, ask: Ask, target: float) -> dict[str, Any]:
    """The least value of a law's one choice at which its response reaches the target; the fields of a Plan.

    Raises:
        PlanError: most of the posterior never reaches it.
    """
    problem = search_range(source, ask)
    frame, law, sign = problem.frame, source.law, problem.frame.sign
    column = frame.free[0]
    symbol, name = problem.symbols.get(column, column), law.response.column
    given = dict(zip(frame.given, map(float, problem.numbers.given), strict=True))
    t = np.linspace(problem.low[0], problem.high[0], SCAN)
    back = np.exp if frame.logs[0] else (lambda v: v)
    at = complete({c: np.full(SCAN, v) for c, v in given.items()} | {column: back(t)}, law)
    values = np.concatenate([curves(m.law, m.law.from_columns(at), m.params) for m in source.members])
    values = source.with_error(at, values)
    there = sign * values <= sign * target
    reached, first = there.any(axis=1), there.argmax(axis=1)
    ends = values[:, -1] if np.median(sign * (values[:, -1] - values[:, 0])) < 0 else values[:, 0]
    if (never := 1.0 - float(reached.mean())) > NEVER:
        raise PlanError(
            f"{name} = {by_name(name, target)} is out of reach for {100 * never:.0f} % of the posterior: "
            f"{law.name} gives {by_name(name, float(np.median(ends)))} (median) at best, for {symbol} from "
            f"{human(float(back(t[0])))} to {human(float(back(t[-1])))}. Ask for less, or for another law."
        )
    low, high = t[np.maximum(first - 1, 0)], t[first]
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        fine = sign * _each(source, given, column, back(middle)) <= sign * target
        low, high = np.where(fine, low, middle), np.where(fine, middle, high)
    found = np.where(reached, back(high), np.inf)
    draws = {symbol: found, name: np.full(len(found), float(target))}
    if frame.cost is not None:
        with np.errstate(invalid="ignore"):
            cost = frame.cost.of(complete(given | {column: found}, law), ask.serve_tokens)
        draws["cost"] = np.broadcast_to(np.asarray(cost), found.shape).copy()
    sure = float(np.quantile(found, SURE, method="higher")) if source.drawn else float(found[0])
    pick = sure if np.isfinite(sure) else float(np.quantile(found, 0.5, method="higher"))
    pick = float(np.ceil(pick - 1e-9)) if column in WHOLE else pick
    share = float(np.mean(found <= pick * (1.0 + 1e-12)))
    table = {symbol: back(t)} | {f"{name}_{q}": np.quantile(values, p, axis=0) for q, p in QUANTILES.items()}
    table |= {f"{name}_mean": values.mean(axis=0), "p_target": there.mean(axis=0)}
    notes = [] if never == 0.0 else [
        f"In {100 * never:.0f} % of the posterior no {symbol} reaches the target; these count as infinite."
    ]  # fmt: skip
    notes += _far(source, column, found)
    if float(np.mean(first[reached] == 0)) > NEVER:
        notes += [f"The target is reached at the least {symbol} already."]
    notes += without_interval(source)
    return {
        "budget": np.nan, "draws": draws, "profile": pd.DataFrame(table), "notes": tuple(notes),
        "recommended": {symbol: pick, name: float(target), "p_target": share}, "chosen": (symbol,),
        "response": name, "asked": f"The least {symbol} that reaches {name} {by_name(name, target)}",
    }  # fmt: skip


def _each(source: Source, given: Mapping[str, float], column: str, values: np.ndarray) -> np.ndarray:
    """Each draw's response at its own value; (S,)."""
    out, first = [], 0
    for member in source.members:
        mine = values[first : first + member.count]
        first += member.count
        at = complete(dict(given) | {column: mine}, member.law)
        out.append(member.with_error(at, _response(member.law, at, member.params)))
    return np.concatenate(out)


def _response(law: Law, at: Mapping[str, Any], params: Mapping[str, np.ndarray]) -> np.ndarray:
    some = len(next(iter(params.values())))
    inputs = {s: np.broadcast_to(np.asarray(v, np.float64), (some,)) for s, v in law.from_columns(at).items()}
    return np.asarray(law(*inputs.values(), **{p: np.asarray(params[p]) for p in law.params}))


def _far(source: Source, column: str, found: np.ndarray) -> list[str]:
    middle = float(np.quantile(found, 0.5, method="higher"))
    if column not in source.seen or not np.isfinite(middle):
        return []
    times = middle / float(source.seen[column].max())
    how = "the law is believed that far" if source.believed else "an error of the law itself out there is allowed for"
    return [f"That is {plain(times, digits=2)} times the largest in the table; {how}."] * (times > 1)
