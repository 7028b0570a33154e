"""The best mixture: shares that add up to one, within limits, for every draw; of one validation domain or several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.decide.members import Source, without_interval
from jaxscale.decide.problem import complete
from jaxscale.decide.question import column_of, given_and_tied
from jaxscale.decide.regret import Judge
from jaxscale.errors import PlanError
from jaxscale.forecast import curves
from jaxscale.law import Law
from jaxscale.runtime import compiled
from jaxscale.words import plain

ROUNDS = 1000  # of accelerated projected gradients, at most
STILL = 1e-12  # a step of the shares that is none
HALVINGS = 20  # of the search for which shares the projection holds; its shift then follows
WAYS = 20  # candidates between the best mixture and each corner
CANDIDATES = 200  # draws whose best mixtures are weighed against one another
FLAT = 1e-9  # curvature below which a law is a plane
CORNER = 1e-6


def best_mixture(
    sources: Sequence[Source],
    weights: Sequence[float] | None,
    limits: Mapping[str, Any] | None,
    choose: str,
    level: float,
    at: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The fields of a Plan; arguments as in `jaxscale.plan`.

    Args:
        sources: one a validation domain, all of the same shares.
        weights: of the domains in what is made best.

    Raises:
        PlanError: fits of different mixtures, or limits that no mixture meets.
    """
    law = sources[0].law
    shares = [v.column for v in law.inputs.values() if v.column.startswith("share_")]
    if not shares or any([*s.law.inputs] != [*law.inputs] for s in sources) or any(len(s.members) > 1 for s in sources):
        named = ", ".join(s.law.name for s in sources)
        raise PlanError(f"A mixture is planned from laws of the same shares, one a validation domain; got {named}.")
    weight = np.ones(len(sources)) if weights is None else np.asarray(weights, dtype=np.float64)
    if len(weight) != len(sources) or not np.all(weight > 0):
        raise PlanError(f"weights takes one positive number for each of the {len(sources)} fits; got {weights!r}.")
    weight = weight / weight.sum()
    given, _ = given_and_tied(law, at)
    others = [s for s, v in law.inputs.items() if v.column not in shares]
    if missing := [s for s in others if law.inputs[s].column not in given]:
        example = ", ".join(f"{s!r}: ..." for s in missing)
        raise PlanError(f"{law.name} needs {', '.join(missing)} beside the shares; give at={{{example}}}.")
    rest = bool(others) or _leaves_a_rest(sources[0], shares)
    low, high = _limits(law, shares, limits, rest)
    count = min(s.members[0].count for s in sources)
    thetas = [{p: np.asarray(v)[:count] for p, v in s.members[0].params.items()} for s in sources]
    sign = -1.0 if law.response.better == "higher" else 1.0
    fixed = tuple(float(given[law.inputs[s].column]) for s in others)
    question = (tuple(s.law for s in sources), tuple(weight.tolist()), tuple(shares), fixed, sign)
    plane, bowl = (bool(v) for v in _shape(*question, thetas, low, high))
    x = np.asarray(_solve(*question, bowl, thetas, low, high))
    middle = np.asarray(_solve_mean(*question, bowl, thetas, low, high))
    thin = np.linspace(0, count - 1, min(CANDIDATES, count)).astype(int)
    points = np.concatenate([middle[None], x[thin], _between(middle, low, high)])
    points = np.unique(np.round(points, 12), axis=0)
    symbols = {v.column: s for s, v in law.inputs.items()}

    def responses(at: Mapping[str, np.ndarray]) -> np.ndarray:
        full = complete(dict(at) | {c: np.full(len(at[shares[0]]), v) for c, v in given.items()}, law)
        parts = [curves(s.law, s.law.from_columns(full), t) for s, t in zip(sources, thetas, strict=True)]
        return np.einsum("f,fsp->sp", weight, np.stack(parts))

    best = _own(responses, x, shares)
    judge = Judge(None, best, law.response.column, sign, symbols, None, level, responses)
    columns = {c: points[:, j] for j, c in enumerate(shares)}
    table = judge.table(columns, shares)
    row = table.iloc[judge.pick(table, choose)]
    name, chosen = law.response.column, tuple(symbols[c] for c in shares)
    draws = {s: x[:, j] for j, s in enumerate(chosen)}
    draws |= {"rest": x[:, -1]} if rest else {}
    return {
        "budget": np.nan, "draws": draws | {name: best}, "profile": table, "notes": tuple(_notes(sources, x, plane)),
        "recommended": {s: float(row[s]) for s in chosen} | {name: float(row[f"{name}_mean"]),
                                                            "regret_q95": float(row["regret_q95"])},
        "chosen": chosen, "response": name, "asked": "The best mixture", "judge": judge,
        "columns": {symbols[c]: c for c in shares},
        "complete": lambda c: {column_of(law, s): float(v) for s, v in c.items()},
    }  # fmt: skip


def _leaves_a_rest(source: Source, shares: Sequence[str]) -> bool:
    """Whether the table's shares leave something that the law does not name."""
    return bool(source.seen) and bool(np.any(np.abs(sum(source.seen[c] for c in shares) - 1.0) > 1e-3))


def _limits(
    law: Law, shares: Sequence[str], limits: Mapping[str, Any] | None, rest: bool
) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.zeros(len(shares) + rest), np.ones(len(shares) + rest)
    for name, bound in (limits or {}).items():
        column = column_of(law, name)
        if column not in shares:
            raise PlanError(f"Limits of a mixture are of its shares; got {name!r}.")
        ends = bound if isinstance(bound, tuple | list) else (0.0, bound)
        least, most = 0.0 if ends[0] is None else float(ends[0]), 1.0 if ends[1] is None else float(ends[1])
        low[shares.index(column)], high[shares.index(column)] = max(least, 0.0), min(most, 1.0)
    if np.any(low > high) or low.sum() > 1.0 + 1e-12 or high.sum() < 1.0 - 1e-12:
        raise PlanError(
            f"No mixture meets the limits: the least shares add up to {plain(float(low.sum()))} and the most to "
            f"{plain(float(high.sum()))}, and 1 must lie between them."
        )
    return low, high


def _notes(sources: Sequence[Source], x: np.ndarray, plane: bool) -> list[str]:
    said = []
    corner = float(np.mean(np.max(x, axis=1) > 1.0 - CORNER))
    if plane:
        said.append(
            "The law is a plane, whose best mixture is always at the end of what is allowed, however far from the "
            "runs. Give limits=, or take the mean of the best of many random mixtures, as its authors do."
        )
    elif corner > 0.5:
        said.append(f"In {100 * corner:.0f} % of the posterior one domain alone is best; limits= keeps the others in.")
    return said + next((alone for s in sources if (alone := without_interval(s))), [])


def _between(middle: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Mixtures on the ways from one to the corners, so that the valley is seen; (ways, shares)."""
    corners = np.asarray(_starts(jnp.asarray(low), jnp.asarray(high)))
    share = np.linspace(0.0, 1.0, WAYS + 1)[1:, None, None] ** 2  # closer together where it matters
    return ((1.0 - share) * middle + share * corners).reshape(-1, len(middle))


def _own(responses: Any, x: np.ndarray, shares: Sequence[str]) -> np.ndarray:
    """Each draw's response at its own mixture; (S,)."""
    out = np.empty(len(x))
    for start in range(0, len(x), CANDIDATES):  # the diagonal of blocks, which share one program
        rows = np.resize(np.arange(start, min(start + CANDIDATES, len(x))), min(CANDIDATES, len(x)))
        block = responses({c: x[rows, j] for j, c in enumerate(shares)})
        out[rows] = block[rows, np.arange(len(rows))]
    return out


def project(point: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """The nearest point whose coordinates add up to 1 within the limits; all of (shares,)."""

    def shifted(by: jax.Array) -> jax.Array:
        return jnp.clip(point - jnp.broadcast_to(by, point.shape), low, high)

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        middle = 0.5 * (ends[0] + ends[1])
        over = jnp.sum(shifted(middle)) > 1.0
        return jnp.where(over, middle, ends[0]), jnp.where(over, ends[1], middle)

    ends = jax.lax.fori_loop(0, HALVINGS, halve, (jnp.min(point - high), jnp.max(point - low)))
    near = shifted(0.5 * (ends[0] + ends[1]))
    free = (near > low) & (near < high)
    count = jnp.maximum(jnp.sum(jnp.where(free, 1.0, 0.0)), 1.0)
    exact = (jnp.sum(jnp.where(free, point, near)) - 1.0) / count
    found = shifted(exact)
    return jnp.where(jnp.abs(jnp.sum(found) - 1.0) < jnp.abs(jnp.sum(near) - 1.0), found, near)


def _value(laws: Any, weight: Any, shares: Any, fixed: Any, sign: float, thetas: Any, x: jax.Array) -> jax.Array:
    total = jnp.zeros(())
    for law, w, theta in zip(laws, weight, thetas, strict=True):
        others = iter(fixed)
        inputs = [x[shares.index(v.column)] if v.column in shares else jnp.asarray(next(others)) / v.per
                  for v in law.inputs.values()]  # fmt: skip
        total = total + w * law.mean(*inputs, **theta)
    return sign * total


def _starts(low: jax.Array, high: jax.Array) -> jax.Array:
    """The centre and every corner, within the limits; (1 + shares, shares)."""
    size = low.shape[0]
    points = jnp.concatenate([jnp.full((1, size), 1.0 / size), jnp.eye(size)])
    return jax.vmap(project, in_axes=(0, None, None))(points, low, high)


def _descend(value: Any, low: jax.Array, high: jax.Array, bowl: bool) -> jax.Array:
    """The lowest point, from the centre; and from every corner too where the law is no bowl."""
    starts = _starts(low, high)
    steepness = jnp.max(jax.vmap(lambda s: jnp.sqrt(jnp.sum(jax.hessian(value)(s) ** 2)))(starts))
    slopes = jnp.max(jax.vmap(lambda s: jnp.max(jnp.abs(jax.grad(value)(s))))(starts))
    rate = 1.0 / jnp.maximum(steepness, 1e-4 * slopes + 1e-12)  # along a plane one step goes to its end

    def run(start: jax.Array) -> tuple[jax.Array, jax.Array]:
        def moving(state: tuple[jax.Array, ...]) -> jax.Array:
            return (state[3] < ROUNDS) & (state[4] > STILL)

        def step(state: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            x, ahead, t, done, _ = state
            new = project(ahead - rate * jax.grad(value)(ahead), low, high)
            back = jnp.sum((ahead - new) * (new - x)) > 0.0  # momentum points uphill: start again
            t_new = jnp.where(back, 1.0, 0.5 * (1.0 + jnp.sqrt(1.0 + 4.0 * t * t)))
            push = jnp.where(back, 0.0, (t - 1.0) / t_new)
            return new, new + push * (new - x), t_new, done + 1, jnp.max(jnp.abs(new - x))

        first = (start, start, jnp.asarray(1.0), jnp.asarray(0), jnp.asarray(1.0))
        x = jax.lax.while_loop(moving, step, first)[0]
        return x, value(x)

    found, values = jax.vmap(run)(starts[:1] if bowl else starts)
    return found[jnp.argmin(values)]


@compiled(static=(0, 1, 2, 3, 4))
def _shape(laws: Any, weight: Any, shares: Any, fixed: Any, sign: float, thetas: Any, low: Any, high: Any) -> Any:
    """Whether every draw's law is a plane, and whether each is a bowl, as far as its corners and centre show."""

    def one(theta: Any) -> tuple[jax.Array, jax.Array]:
        def value(x: jax.Array) -> jax.Array:
            return _value(laws, weight, shares, fixed, sign, theta, x)

        starts = _starts(low, high)
        bends = jax.vmap(lambda s: jnp.linalg.eigvalsh(jax.hessian(value)(s)))(starts)
        slopes = jnp.max(jax.vmap(lambda s: jnp.max(jnp.abs(jax.grad(value)(s))))(starts)) + 1e-12
        return jnp.max(jnp.abs(bends)) <= FLAT * slopes, jnp.min(bends) >= -FLAT * (slopes + jnp.max(jnp.abs(bends)))

    plane, bowl = jax.vmap(one)(thetas)
    return jnp.all(plane), jnp.all(bowl)


@compiled(static=(0, 1, 2, 3, 4, 5))
def _solve(
    laws: Any, weight: Any, shares: Any, fixed: Any, sign: float, bowl: bool, thetas: Any, low: Any, high: Any
) -> Any:
    def one(theta: Any) -> jax.Array:
        return _descend(lambda x: _value(laws, weight, shares, fixed, sign, theta, x), low, high, bowl)

    return jax.vmap(one)(thetas)


@compiled(static=(0, 1, 2, 3, 4, 5))
def _solve_mean(
    laws: Any, weight: Any, shares: Any, fixed: Any, sign: float, bowl: bool, thetas: Any, low: Any, high: Any
) -> Any:
    """The mixture with the best mean over the draws."""

    def value(x: jax.Array) -> jax.Array:
        return jnp.mean(jax.vmap(lambda t: _value(laws, weight, shares, fixed, sign, t, x))(thetas))

    return _descend(value, low, high, bowl)
