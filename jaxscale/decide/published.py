"""How far the rounding of published coefficients leaves a plan open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np

from jaxscale.decide.members import Member, Source
from jaxscale.errors import PlanError
from jaxscale.words import plain

EXACT = 12  # significant digits beyond which a number was computed and not printed
WORTH_SAYING = 0.01  # of the first choice


def half_digit(value: float) -> float:
    """Half a unit of the last digit that a number is written with; 0 for one that was computed."""
    exact = Decimal(repr(float(value))).normalize()
    digits, power = exact.as_tuple().digits, exact.as_tuple().exponent
    if not isinstance(power, int) or len(digits) >= EXACT or value == 0.0:
        return 0.0
    return 0.5 * 10.0**power


def slack(source: Source, draws: Callable[[Source], Mapping[str, np.ndarray]]) -> list[str]:
    """A sentence on what the last digits of published coefficients leave open, where that is worth saying.

    Args:
        source: of a law with published coefficients; others have nothing to say.
        draws: plans with another source, to its quantities by draw, the first choice first.
    """
    if source.fit is not None or source.drawn:
        return []
    member = source.members[0]
    values = {p: float(v[0]) for p, v in member.params.items()}
    rounding = {p: half_digit(v) for p, v in values.items()}
    moved = [p for p, h in rounding.items() if h > 0.0]
    rows = [values | {p: values[p] + sign * rounding[p]} for p in moved for sign in (-1.0, 1.0)]
    table = {p: np.array([r[p] for r in [values, *rows]]) for p in member.params}
    try:
        found = draws(replace(source, members=(Member(member.law, table),)))
    except PlanError:  # said by the plan itself
        return []
    name, at = next(iter(found.items()))
    ratio = np.abs(np.log(at[1:] / at[0])).reshape(-1, 2).max(axis=1) if moved else np.zeros(0)
    apart = float(np.exp(ratio.sum()))
    if apart - 1.0 < WORTH_SAYING:
        return []
    worst = moved[int(np.argmax(ratio))]
    size = f"{100 * (apart - 1.0):.0f} %" if apart < 2.0 else f"a factor of {plain(apart, digits=2)}"
    return [
        f"These coefficients are rounded: the digits after their last one move {name} by up to {size}, most of it by "
        f"{worst} = {plain(values[worst], digits=8)}."
    ]
