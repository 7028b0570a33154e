"""What is asked: which quantities are chosen, which are given, what the budget pays for, and within which limits.

Everything is by canonical column and in canonical units. A `Frame` is the shape of a question, for which one program
is compiled; `Numbers` are what changes from one question of that shape to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxscale.decide.cost import ACTIVE, Cost
from jaxscale.law import Law
from jaxscale.variables import DERIVED

SHARE = "share_spent"  # of what the budget would pay for: a dimension where more can be worse
BISECTIONS = 60
YOURS, SPAN, LAW, SEARCH, PAID = "yours", "span", "law", "search", "paid"
KINDS = (YOURS, SPAN, LAW, SEARCH, PAID)


@dataclass(frozen=True)
class Frame:
    """The shape of a question.

    Attributes:
        law: whose response is sought.
        cost: what the budget is counted with; None where nothing is counted.
        free: columns that are searched, in this order; `SHARE` among them where the budget need not be spent.
        logs: whether each is searched by its logarithm.
        spends: the column for which the rest of the budget is spent; "" without a budget.
        affine: the cost is a straight line in that column.
        given: columns with one value.
        ties: column -> the column whose value it takes.
        limits: quantity and whose limit it is, one of YOURS, SPAN, LAW and SEARCH.
        per_param: the tokens per parameter are limited by the question.
        sign: 1 where a lower response is better, else -1.
    """

    law: Law
    cost: Cost | None
    free: tuple[str, ...]
    logs: tuple[bool, ...]
    spends: str
    affine: bool
    given: tuple[str, ...]
    ties: tuple[tuple[str, str], ...]
    limits: tuple[tuple[str, str], ...]
    per_param: bool
    sign: float

    def of(self, law: Law) -> Frame:
        """The same question to another law."""
        return replace(self, law=law)


class Numbers(NamedTuple):
    """The numbers of a question; arrays of no dimension, except `budget` within a solver: one a draw.

    Attributes:
        budget: what may be spent.
        serve: tokens to serve.
        given: values of `Frame.given`.
        least, most: of the column that the budget pays for.
        ratio: least and most tokens per parameter, (2,).
        limits: least and most of each of `Frame.limits`, (limits, 2).
    """

    budget: Any
    serve: Any
    given: tuple[Any, ...]
    least: Any
    most: Any
    ratio: Any
    limits: Any


def complete(known: Mapping[str, Any], law: Law) -> dict[str, Any]:
    """With whatever follows from what is known, and `active_params`."""
    at = dict(known)
    for column, rules in DERIVED.items():
        for needs, rule, _ in rules:
            if column not in at and all(n in at for n in needs):
                at[column] = rule(*(at[n] for n in needs))
    if law.active is not None:
        try:
            at[ACTIVE] = law.active(at)
        except KeyError:  # known later
            return at
    elif "params" in at:
        at[ACTIVE] = at["params"]
    return at


def place(frame: Frame, x: jax.Array, numbers: Numbers) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
    """A point of the search -> every quantity there, and whether it lies within each kind of limit.

    Args:
        x: (dimensions,), logarithms where `frame.logs`.

    Returns:
        Column -> value; of the kinds of limit that there are -> bool.
    """
    at: dict[str, Any] = dict(zip(frame.given, numbers.given, strict=True))
    at |= {c: jnp.exp(v) if log else v for c, v, log in zip(frame.free, x, frame.logs, strict=True)}
    fine: dict[str, Any] = {}
    at |= {c: at[other] for c, other in frame.ties if other in at}
    if frame.spends:
        low, high = numbers.least, numbers.most
        if frame.per_param:
            params = at["params"]
            low, high = jnp.maximum(low, numbers.ratio[0] * params), jnp.minimum(high, numbers.ratio[1] * params)
        paid = _paid(frame, at, numbers)
        fine[PAID] = paid > 0.0
        fine[YOURS] = ~fine[PAID] | (paid >= low * (1.0 - 1e-12))
        value = jnp.minimum(jnp.where(fine[PAID], paid, 1.0), high)
        if SHARE in frame.free:
            value = jnp.maximum(value * jnp.exp(x[frame.free.index(SHARE)]), low)
        at[frame.spends] = value
        at |= {c: at[other] for c, other in frame.ties}
    at = complete(at, frame.law)
    for (quantity, kind), (low, high) in zip(frame.limits, numbers.limits, strict=True):
        if quantity in at:
            holds = (at[quantity] >= low * (1.0 - 1e-9)) & (at[quantity] <= high * (1.0 + 1e-9))
            fine[kind] = fine[kind] & holds if kind in fine else holds
    return at, fine


def total(frame: Frame, at: Mapping[str, Any], numbers: Numbers) -> Any:
    """What it costs, to train and to serve."""
    assert frame.cost is not None
    return frame.cost.of(at, numbers.serve)


def _paid(frame: Frame, at: Mapping[str, Any], numbers: Numbers) -> jax.Array:
    """The value of the column at which the budget is spent; negative, or nothing, where the rest costs more."""

    def over(value: Any) -> Any:
        there = dict(at) | {frame.spends: value}
        there |= {c: there[other] for c, other in frame.ties if other in there}
        return total(frame, complete(there, frame.law), numbers)

    def newton(value: jax.Array) -> jax.Array:
        spent, slope = jax.jvp(over, (value,), (jnp.ones_like(value),))
        return value + (numbers.budget - spent) / slope

    first = jnp.asarray(1.0)
    if frame.affine:
        return newton(first)

    def halve(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        middle = 0.5 * (ends[0] + ends[1])
        above = over(jnp.exp(middle)) > numbers.budget
        return jnp.where(above, ends[0], middle), jnp.where(above, middle, ends[1])

    ends = (jnp.asarray(-20.0), jnp.asarray(80.0))
    low, high = jax.lax.fori_loop(0, BISECTIONS, halve, ends)
    found = jax.lax.stop_gradient(jnp.exp(0.5 * (low + high)))
    # two steps of Newton outside the loop, which give the first two derivatives
    return jnp.where(over(first * jnp.exp(-20.0)) < numbers.budget, newton(newton(found)), -1.0)


def objective(frame: Frame, theta: Mapping[str, jax.Array], x: jax.Array, numbers: Numbers) -> jax.Array:
    """The mean over draws of the law's response, lower being better; inf outside the limits.

    Args:
        theta: parameter -> (draws,).
        x: (dimensions,).
    """
    at, fine = place(frame, x, numbers)
    inputs = frame.law.from_columns(at)
    values = jax.vmap(lambda p: frame.law.mean(*(inputs[s] for s in frame.law.inputs), **p))(dict(theta))
    value = frame.sign * jnp.mean(values)
    for within in fine.values():
        value = jnp.where(within, value, jnp.inf)
    return value
