"""From what a person asks to a `Problem`: columns found, limits gathered, the range of the search set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxscale.decide.cost import Cost, get_cost
from jaxscale.decide.limits import RATIOS, bounds, limits_of
from jaxscale.decide.members import Source
from jaxscale.decide.problem import LAW, PAID, SEARCH, SHARE, SPAN, YOURS, Frame, Numbers, complete
from jaxscale.decide.solve import places
from jaxscale.errors import PlanError
from jaxscale.law import Law
from jaxscale.names import nearest
from jaxscale.variables import SYMBOLS
from jaxscale.words import human, plain

LEAST_SHARE = 1e-4  # of what the budget pays for
SCAN = {1: 2049, 2: 65, 3: 17, 4: 11, 5: 7}  # points a dimension at which limits are looked at
PAYS_FOR = ("tokens", "flops", "params")  # what a budget buys, in this order

Bounds = Mapping[str, Any]


@dataclass(frozen=True)
class Problem:
    """A question that can be solved.

    Attributes:
        frame, numbers: see `jaxscale.decide.problem`.
        low, high: (dimensions,), the range of the search.
        symbols: column -> the symbol under which people know it.
    """

    frame: Frame
    numbers: Numbers
    low: np.ndarray
    high: np.ndarray
    symbols: Mapping[str, str]

    def lanes(self, count: int, budget: Any = None) -> tuple[Numbers, np.ndarray, np.ndarray]:
        """The same for this many draws, which may have their own budgets."""
        spend = np.broadcast_to(np.asarray(self.numbers.budget if budget is None else budget, np.float64), (count,))
        shape = (count, len(self.frame.free))
        low, high = np.broadcast_to(self.low, shape), np.broadcast_to(self.high, shape)
        return self.numbers._replace(budget=spend), low, high

    def chosen(self) -> tuple[str, ...]:
        """Columns that the answer sets."""
        free = tuple(c for c in self.frame.free if c != SHARE)
        tied = tuple(c for c, _ in self.frame.ties)
        return (*free, *((self.frame.spends,) if self.frame.spends else ()), *tied)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a person asks; see `jaxscale.decide.plan.plan`."""

    budget: float | None = None
    serve_tokens: float = 0.0
    unique_tokens: float | None = None
    cost: str | Cost | Callable[..., Any] = "6nd"
    at: Mapping[str, Any] | None = None
    limits: Bounds | None = None
    ratio: tuple[float | None, float | None] | None = None
    share: bool = False


def column_of(law: Law, name: str) -> str:
    """A law's symbol, a common one or a canonical column -> column.

    Raises:
        PlanError: none of these.
    """
    symbols = SYMBOLS | {s: v.column for s, v in law.inputs.items()}
    columns = {*symbols.values(), "tokens_per_param", "active_params", "unique_tokens", "embed_dim"}
    if name in symbols or name in columns:
        return symbols.get(name, name)
    near = nearest(name, [*symbols, *columns])
    hint = f"did you mean {near!r}? " if near else ""
    raise PlanError(
        f"{law.name} knows no {name!r}; {hint}It has {', '.join(f'{s} ({c})' for s, c in symbols.items())}."
    )


def symbols_of(law: Law) -> dict[str, str]:
    """Column -> symbol."""
    return {c: s for s, c in SYMBOLS.items() if s != "M"} | {v.column: s for s, v in law.inputs.items()}


def given_and_tied(law: Law, at: Mapping[str, Any] | None) -> tuple[dict[str, float], dict[str, str]]:
    """`at` by column: numbers, and columns that follow others."""
    given, ties = {}, {}
    for name, value in (at or {}).items():
        if isinstance(value, str):
            ties[column_of(law, name)] = column_of(law, value)
            continue
        number = np.asarray(value, dtype=np.float64)
        if number.ndim or not np.isfinite(number):
            raise PlanError(f"at[{name!r}] must be one number; got {value!r}.")
        given[column_of(law, name)] = float(number)
    return given, ties


def problem_of(source: Source, ask: Ask, narrow: bool = True) -> Problem:
    """Read a question; `narrow` cuts the range of the search to what the limits leave.

    Raises:
        PlanError: something that is needed was not given, or no choice meets every limit.
    """
    law = source.law
    given, ties = given_and_tied(law, ask.at)
    choices = [c for c in law.choices if c not in given and c not in ties]
    _unique(law, ask, given, ties)
    cost = cost_of(law, ask, given, choices)
    spends = next((c for c in (*PAYS_FOR, *reversed(choices)) if c in choices), "") if ask.budget is not None else ""
    free = [c for c in choices if c != spends]
    _all_there(law, choices, given, ties)
    limits, low, high, most, least = limits_of(source, _yours(law, ask), ask.ratio, free, spends)
    logs = [_axis(law, c) for c in free]
    if ask.share:
        free, logs = [*free, SHARE], [*logs, True]
        low, high = [*low, LEAST_SHARE], [*high, 1.0]
    per_param = ask.ratio is not None and spends == "tokens" and "params" in {*free, *given}
    frame = Frame(
        law=law, cost=cost, free=tuple(free), logs=tuple(logs), spends=spends, affine=True, given=tuple(given),
        ties=tuple(ties.items()), limits=tuple((q, kind) for q, kind, _, _ in limits), per_param=per_param,
        sign=-1.0 if law.response.better == "higher" else 1.0,
    )  # fmt: skip
    numbers = Numbers(
        budget=np.float64(np.nan if ask.budget is None else ask.budget), serve=np.float64(ask.serve_tokens),
        given=tuple(np.float64(v) for v in given.values()), least=np.float64(least), most=np.float64(most),
        ratio=np.array(bounds("ratio", (None, None) if ask.ratio is None else ask.ratio)),
        limits=np.array([[lo, hi] for _, _, lo, hi in limits], dtype=np.float64).reshape(-1, 2),
    )  # fmt: skip
    ends = [np.log(v) if log else v for v, log in zip(np.array([low, high]).T.reshape(-1, 2), logs, strict=True)]
    box = np.array(ends, dtype=np.float64).reshape(-1, 2)
    problem = Problem(frame, numbers, box[:, 0], box[:, 1], symbols_of(law))
    if spends:
        problem = replace(problem, frame=replace(frame, affine=_is_affine(problem)))
    return narrowed(problem) if narrow else problem


def search_range(source: Source, ask: Ask) -> Problem:
    """A question about a law's one choice that no budget limits."""
    return problem_of(source, replace(ask, budget=None), narrow=False)


def _unique(law: Law, ask: Ask, given: dict[str, float], ties: dict[str, str]) -> None:
    """A law that knows repeated data takes the unique tokens as an input."""
    if "unique_tokens" not in {v.column for v in law.inputs.values()}:
        return
    if ask.unique_tokens is not None:
        given["unique_tokens"] = float(ask.unique_tokens)
    elif "unique_tokens" not in given:
        ties["unique_tokens"] = "tokens"  # nothing is repeated


def cost_of(law: Law, ask: Ask, given: Mapping[str, float], choices: list[str]) -> Cost | None:
    """The cost that counts a budget; None where there is no budget and nothing can be counted.

    Raises:
        PlanError: what is chosen does not say what it counts by.
    """
    symbols = SYMBOLS | {s: v.column for s, v in law.inputs.items()} | {c: c for c in given}
    cost = get_cost(ask.cost, symbols)
    cost = cost if ask.serve_tokens else Cost(cost.name, cost.train)  # it may not know how to serve this law
    columns = [v.column for v in law.inputs.values()]
    try:
        cost.of(complete(dict(given) | dict.fromkeys([*choices, *columns], 1.0), law), ask.serve_tokens)
    except KeyError as error:
        if ask.budget is None:
            return None
        if choices == ["compute"] and ask.cost == "6nd":  # in any unit, and so is the budget
            return Cost("compute", lambda at: at["compute"])
        lacks, inputs = error.args[0], ", ".join(law.inputs)
        raise PlanError(
            f"{law.name} is a law of {', '.join(columns)}: it has no {lacks}, by which {cost.name} counts. Give "
            f"at={{{lacks!r}: ...}}, a target in place of the budget, or the cost as a function, such as "
            f"cost=lambda {inputs}: ..."
        ) from None
    return cost


def _yours(law: Law, ask: Ask) -> dict[str, tuple[float, float]]:
    """Limits of the question by column; the unique tokens are one unless the law knows repeated data."""
    yours = {column_of(law, name): bounds(name, bound) for name, bound in (ask.limits or {}).items()}
    if ask.unique_tokens is not None and "unique_tokens" not in {v.column for v in law.inputs.values()}:
        low, high = yours.get("tokens", (0.0, np.inf))
        yours["tokens"] = low, min(high, float(ask.unique_tokens))
    return yours


def _all_there(law: Law, choices: list[str], given: Mapping[str, float], ties: Mapping[str, str]) -> None:
    known = set(complete(dict.fromkeys([*choices, *given, *ties], 1.0), law))
    missing = {s: v for s, v in law.inputs.items() if v.column not in known}
    if missing:
        said = ", ".join(f"{s} ({v.meaning})" for s, v in missing.items())
        example = ", ".join(f"{s!r}: ..." for s in missing)
        raise PlanError(f"{law.name} needs {said} too, which it does not choose; give at={{{example}}}.")


def _axis(law: Law, column: str) -> bool:
    variable = next((v for v in law.inputs.values() if v.column == column), None)
    return variable is None or variable.axis == "log"


# ---- the range of the search -----------------------------------------------------------------------


def grid(problem: Problem, points: int | None = None) -> np.ndarray:
    """(points, dimensions) over the range of the search."""
    dims = len(problem.frame.free)
    n = points or SCAN.get(dims, 2)
    axes = [np.linspace(a, b, n) for a, b in zip(problem.low, problem.high, strict=True)]
    return np.stack([a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1) if dims else np.zeros((1, 0))


def narrowed(problem: Problem) -> Problem:
    """The same question, its range cut to what the limits leave.

    Raises:
        PlanError: they leave nothing.
    """
    x = grid(problem)
    numbers, _, _ = problem.lanes(len(x))
    at, fine = places(problem.frame, x, numbers)
    fine = {k: np.asarray(v) for k, v in fine.items()}
    within = np.logical_and.reduce(list(fine.values()))
    if not within.any():
        raise PlanError(_impossible(problem, {c: np.asarray(v) for c, v in at.items()}, fine))
    if not problem.frame.free:
        return problem
    step = (problem.high - problem.low) / (SCAN[len(problem.frame.free)] - 1)
    low, high = x[within].min(axis=0) - step, x[within].max(axis=0) + step
    return replace(problem, low=np.maximum(problem.low, low), high=np.minimum(problem.high, high))


def _impossible(problem: Problem, at: Mapping[str, np.ndarray], fine: Mapping[str, np.ndarray]) -> str:
    frame, budget = problem.frame, float(problem.numbers.budget)
    spend = f"A budget of {plain(budget)} cannot be spent within these limits" if frame.spends else "No choice is left"
    if not fine[PAID].any():
        if float(problem.numbers.serve):
            return f"{spend}: serving alone costs more at every size. Serve fewer tokens, or spend more."
        return f"{spend}: at every choice the cost is above it, or does not rise with {frame.spends}. Look at the cost."
    left = np.logical_and.reduce([v for k, v in fine.items() if k in (PAID, SPAN, SEARCH)])
    if "params" in at and "tokens" in at and left.any() and not (left & fine[YOURS]).any():
        n, d = at["params"][left], at["tokens"][left]
        return (
            f"{spend}: it would buy models of {human(n.min())} to {human(n.max())} parameters on {human(d.min())} to "
            f"{human(d.max())} tokens, and none of them meets every limit that you gave. Loosen one of them."
        )
    if not fine[LAW].any() or not (fine[LAW] & fine[PAID]).any():
        return f"{spend}: {ends(frame.law)}. Ask about another budget, or fit a law without such a limit."
    if not fine[SEARCH].any():
        return (
            f"{spend}: every choice lies outside {plain(RATIOS[0])} to {plain(RATIOS[1])} tokens per parameter. Spend "
            "less, or find more data."
        )
    return f"{spend}: no choice meets all of them together. Loosen one of them."


def ends(law: Law) -> str:
    """Where a law holds, in words."""
    places = ", ".join(
        f"{law.inputs[s].column} from {human(low * law.inputs[s].per)} to {human(high * law.inputs[s].per)}"
        for s, (low, high) in law.box.items()
    )
    return f"{law.name} holds for {places}" if places else f"{law.name} has no limits"


def _is_affine(problem: Problem) -> bool:
    """Whether the cost is a straight line in what the budget pays for, tried at a few places."""
    frame, middle = problem.frame, np.exp(np.clip(0.5 * (problem.low + problem.high), -50.0, 50.0))
    at = dict(zip(frame.given, problem.numbers.given, strict=True))
    at |= {c: v if log else 0.5 for c, v, log in zip(frame.free, middle, frame.logs, strict=True)}
    assert frame.cost is not None
    costs = []
    for value in (1.0, 1e6, 2e6, 3e6, 1e9, 2e9 - 1.0):
        there = at | {frame.spends: np.float64(value)}
        there |= {c: there[o] for c, o in frame.ties if o in there}
        costs.append(float(frame.cost.train(complete(there, frame.law))))
    a, b, c, d, e, f = costs
    straight = abs((c - b) - (d - c)) <= 1e-6 * abs(d - b) and abs((f - e) - (e - a)) <= 1e-6 * abs(f - a)
    return bool(straight)
