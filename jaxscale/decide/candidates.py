"""Choices to weigh against one another: along the first quantity, the others at their best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxscale.decide.members import Source
from jaxscale.decide.problem import PAID, SHARE, YOURS, complete
from jaxscale.decide.question import SCAN, Ask, Problem, column_of, given_and_tied
from jaxscale.decide.solve import places, solve
from jaxscale.errors import PlanError
from jaxscale.law import Law
from jaxscale.words import plain

ALONG = {1: 241}  # candidates where one quantity is searched
FEWER = 49  # where several are, each of which is solved for
THINNED = 64  # draws over whose mean the others are put at their best
AIR, CLOSER = 0.1, 3  # how far beyond the search a wall is looked for, of a logarithm, and how often closer
REACH, FARTHER = 10.0, 1e3  # the candidates go this far beyond the optima of the draws, or where it is flatter


def profile(
    source: Source, problem: Problem, at: Mapping[str, np.ndarray], single: bool = False, reach: float = REACH
) -> dict[str, np.ndarray]:
    """Candidates by column, every column that the laws need.

    Args:
        source: who judges.
        problem: the question.
        at: each draw's best choice.
        single: one candidate alone, the best by the mean.
        reach: how many times beyond the optima of the draws they go.
    """
    frame = problem.frame
    dims = len(frame.free)
    first = np.zeros(0) if single or not dims else _first(problem, at, ALONG.get(dims, FEWER), reach)
    points = 1 + len(first)  # the last is the best by the mean
    low, high = np.tile(problem.low, (points, 1)), np.tile(problem.high, (points, 1))
    if len(first):
        low[:-1, 0] = high[:-1, 0] = first
    numbers, _, _ = problem.lanes(points)
    if dims == 1 and not single:
        x = low[:-1]
    elif dims:
        x = solve(frame, _thinned(source, points), numbers, low, high).x
        x = x[np.argsort(x[:, 0], kind="stable")]
    else:
        x = low
    numbers, _, _ = problem.lanes(len(x))
    found, fine = places(frame, jnp.asarray(x), numbers)
    within = np.logical_and.reduce([np.asarray(v) for v in fine.values()])
    return {c: np.asarray(v)[within] for c, v in found.items()}


def _thinned(source: Source, points: int) -> dict[str, np.ndarray]:
    """The same few draws of the first law for every candidate; (candidates, draws)."""
    member = source.members[0]
    thin = np.linspace(0, member.count - 1, min(THINNED, member.count)).astype(int)
    return {p: np.tile(np.asarray(v)[thin], (points, 1)) for p, v in member.params.items()}


def _first(problem: Problem, at: Mapping[str, np.ndarray], points: int, reach: float) -> np.ndarray:
    """Values of the first coordinate of the search, over the choices that matter."""
    log = problem.frame.logs[0]
    values = at[problem.frame.free[0]]
    low, high = np.quantile(np.log(values) if log else values, [0.01, 0.99])
    more = np.log(reach) if log else high - low + 0.1 * (problem.high[0] - problem.low[0])
    return np.linspace(max(problem.low[0], low - more), min(problem.high[0], high + more), points)


def walls(problem: Problem) -> tuple[float, float]:
    """Least and most of the first quantity searched that the question's limits leave; 0 and infinity without.

    Where others are searched too, only limits of that quantity itself count.
    """
    frame = problem.frame
    own = (0.0, np.inf)
    for (column, kind), (low, high) in zip(frame.limits, problem.numbers.limits, strict=True):
        if kind == YOURS and frame.free[:1] == (column,):
            own = float(low), float(high)
    limited = frame.per_param or any(kind == YOURS for _, kind in frame.limits) or problem.numbers.least > 0
    if len(frame.free) != 1 or not limited:
        return own
    x = np.linspace(problem.low[0] - AIR, problem.high[0] + AIR, SCAN[1])
    within, yours = _fine(problem, x)
    inside, found = np.flatnonzero(within), [0.0, np.inf]
    if not inside.size:  # least and most are one
        return own
    for end, (last, beyond) in enumerate(((inside[0], inside[0] - 1), (inside[-1], inside[-1] + 1))):
        if 0 <= beyond < len(x) and not yours[beyond]:
            outside, edge = x[beyond], x[last]
            for _ in range(CLOSER):
                between = np.linspace(outside, edge, SCAN[1])
                first = int(np.argmax(_fine(problem, between)[0]))
                outside, edge = between[first - 1], between[first]
            found[end] = float(np.exp(edge) if frame.logs[0] else edge)
    return found[0], found[1]


def _fine(problem: Problem, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of points of a search in one dimension: whether they lie within everything, and within the question's limits."""
    numbers, _, _ = problem.lanes(len(x))
    fine = {kind: np.asarray(v) for kind, v in places(problem.frame, jnp.asarray(x[:, None]), numbers)[1].items()}
    return np.logical_and.reduce(list(fine.values())), fine[YOURS]


def rounded(problem: Problem, points: Mapping[str, np.ndarray], to: Mapping[str, float]) -> dict[str, np.ndarray]:
    """Candidates whose chosen quantities are multiples: the free ones the nearest, what the budget pays for the most
    that it still pays for."""
    frame = problem.frame
    columns = [c for c in frame.free if c != SHARE]
    if any(not m > 0 for m in to.values()):
        raise PlanError(f"multiple_of takes numbers above 0; got {', '.join(map(plain, to.values()))}.")
    if wrong := [c for c in to if c not in (*columns, frame.spends)]:
        raise PlanError(f"multiple_of names {', '.join(wrong)}, which this plan does not choose.")
    values = {c: points[c] for c in columns}
    values |= {c: np.maximum(1.0, np.round(points[c] / m)) * m for c, m in to.items() if c in columns}
    rows = np.unique(np.stack([values[c] for c in columns], axis=1), axis=0) if columns else np.zeros((1, 0))
    x = np.stack([np.log(v) if log else v for v, log in zip(rows.T, frame.logs, strict=False)], axis=1)
    if SHARE in frame.free:
        x = np.concatenate([x, np.zeros((len(x), 1))], axis=1)
    numbers, _, _ = problem.lanes(len(x))
    found, fine = places(frame, jnp.asarray(x), numbers)
    within = np.logical_and.reduce([np.asarray(v) for v in fine.values()])
    known = {c: np.asarray(found[c])[within] for c in (*frame.given, *columns, frame.spends) if c}
    known |= {c: np.round(known[c] / m) * m for c, m in to.items() if c in columns}
    if frame.spends in to:
        known[frame.spends] = np.floor(known[frame.spends] / to[frame.spends]) * to[frame.spends]
    known |= {c: known[o] for c, o in frame.ties}
    keep = known[frame.spends] > 0 if frame.spends else np.ones(int(within.sum()), bool)
    if not keep.any():
        raise PlanError("No candidate is a multiple of what multiple_of asks within the limits; ask for smaller steps.")
    return complete({c: v[keep] for c, v in known.items()}, frame.law)


def completed(law: Law, ask: Ask, problem: Problem, candidate: Mapping[str, Any]) -> dict[str, Any]:
    """A candidate by symbol -> every column that the laws need.

    Raises:
        PlanError: it does not say enough, or the budget does not pay for it.
    """
    frame, numbers = problem.frame, problem.numbers
    given, ties = given_and_tied(law, {**(ask.at or {}), **candidate})
    known = dict(zip(frame.given, map(float, numbers.given), strict=True)) | given
    ties = dict(frame.ties) | ties
    free = [c for c in frame.free if c != SHARE]
    if missing := [problem.symbols.get(c, c) for c in free if c not in known and c not in ties]:
        raise PlanError(f"The candidate {dict(candidate)} does not say {', '.join(missing)}.")
    if frame.spends and frame.spends not in known:
        x = np.array([[np.log(known[c]) if log else known[c] for c, log in zip(free, frame.logs, strict=False)]])
        x = np.concatenate([x, np.zeros((1, 1))], axis=1) if SHARE in frame.free else x
        one, _, _ = problem.lanes(1)
        found, fine = places(frame, jnp.asarray(x.reshape(1, len(frame.free))), one)
        if not bool(np.asarray(fine[PAID])[0]):
            raise PlanError(f"The budget does not pay for the candidate {dict(candidate)}.")
        known[frame.spends] = float(np.asarray(found[frame.spends])[0])
    known |= {c: known[column_of(law, o)] for c, o in ties.items() if c not in known}
    return complete(known, law)
