"""Within what a choice must lie: limits of the question, ends of a quantity, where a law holds, what is searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale.decide.members import Source
from jaxscale.decide.problem import LAW, SEARCH, SPAN, YOURS
from jaxscale.errors import PlanError
from jaxscale.law import Law
from jaxscale.words import human

RATIOS = (1e-2, 1e6)  # tokens per parameter that are searched
SIZES = (1e3, 1e16)  # parameters that are searched
BEYOND = 1e3  # times the data's smallest and largest, for what has no range of its own
ANYTHING = (1e-3, 1e18)


def range_of(law: Law, source: Source, column: str) -> tuple[float, float, str]:
    """Where a quantity is searched without limits of the question, and whose range that is."""
    variable = next((v for v in law.inputs.values() if v.column == column), None)
    if variable is not None and variable.span is not None and column != "params":
        return (*variable.span, SPAN)
    if "params" in column or column == "params":
        return (*SIZES, SEARCH)
    if column in source.seen:
        return float(source.seen[column].min() / BEYOND), float(source.seen[column].max() * BEYOND), SEARCH
    return (*ANYTHING, SEARCH)


Limit = tuple[str, str, float, float]


def limits_of(
    source: Source, yours: Mapping[str, tuple[float, float]], ratio: Any, free: list[str], spends: str
) -> tuple[list[Limit], list[float], list[float], float, float]:
    """Limits, the range of each free column, and most and least of the column that the budget pays for."""
    law = source.law
    found: list[Limit] = []
    low, high = [], []
    for column in free:
        least, most, kind = range_of(law, source, column)
        found.append((column, kind, least, most))
        if column in yours:
            least, most = max(least, yours[column][0]), min(most, yours[column][1])
        low.append(least)
        high.append(most)
    for member in source.members:
        for symbol, (least, most) in member.law.box.items():
            variable = member.law.inputs[symbol]
            found.append((variable.column, LAW, least * variable.per, most * variable.per))
            if variable.column in free:
                i = free.index(variable.column)
                low[i], high[i] = max(low[i], least * variable.per), min(high[i], most * variable.per)
    if spends == "tokens" and "params" in free:
        found.append(("tokens_per_param", SEARCH, *RATIOS))
    if ratio is not None and spends != "tokens":
        found.append(("tokens_per_param", YOURS, *bounds("ratio", ratio)))
    found += [(c, YOURS, *bound) for c, bound in yours.items() if c != spends]
    least, most = yours.get(spends, (0.0, np.inf))
    if wrong := [c for c, a, b in zip(free, low, high, strict=True) if a > b]:
        ends = {c: (low[free.index(c)], high[free.index(c)]) for c in wrong}
        said = "; ".join(f"{c} from {human(a)} to {human(b)}" for c, (a, b) in ends.items())
        raise PlanError(f"No choice meets every limit: {said}. Loosen one of them.")
    return found, low, high, most, least


def bounds(name: str, bound: Any) -> tuple[float, float]:
    """A pair of which either may be None, or one number, the most."""
    ends = tuple(bound) if isinstance(bound, tuple | list) else (None, bound)
    try:
        low, high = (float(open_ if v is None else v) for v, open_ in zip(ends, (0.0, np.inf), strict=True))
    except (TypeError, ValueError):
        raise PlanError(f"The limit of {name} must be (least, most), or the most alone; got {bound!r}.") from None
    if not low <= high or high <= 0 or np.isnan(low):
        raise PlanError(f"The limit of {name} must be (least, most), or the most alone; got {bound!r}.")
    return low, high
