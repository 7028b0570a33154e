"""What the values of a column may be, given the quantity it holds."""

from __future__ import annotations

import numpy as np

from jaxscale.cells import in_query, shown
from jaxscale.errors import ConfigError, Problem
from jaxscale.variables import COUNT, Response, Variable
from jaxscale.words import quoted

# Millions beside billions: some values below, some above, and nothing for a factor of 10^2.5 between.
MIX_BELOW, MIX_ABOVE, MIX_DECADES = 1e4, 1e6, 2.5
TAKE_OUT = "correct the value, or take such rows out with a reason: exclude={{'{column} {rule}': 'why'}}"


def unit_factor(name: str, quantity: Variable | Response, unit: str | None) -> float:
    """Factor from a declared unit to that of the quantity.

    Raises:
        ConfigError: the quantity has no such unit.
    """
    known = {quantity.unit: 1.0, **(quantity.units or {})}
    if unit is not None and unit not in known:
        raise ConfigError(f"Column {name!r} ({quantity.meaning}) has no unit {unit!r}; it knows {', '.join(known)}.")
    return 1.0 if unit is None else known[unit]


def meaning_problems(
    column: str, quantity: Variable | Response, values: np.ndarray, rows: np.ndarray, declared: bool
) -> list[Problem]:
    """Values that the quantity cannot have, and slips of units.

    Args:
        column: name in the table.
        quantity: what it holds.
        values: as they stand, shape (n,); NaN is passed over.
        rows: line or position of each.
        declared: whether the user declared a unit.
    """
    share = (values < 0) | (values > 1), "a share from 0 to 1 (divide a percentage by 100)", "> 1"
    if isinstance(quantity, Variable) and quantity.axis == "raw":
        if quantity.unit != "share":
            return []
        wrong, expected, rule = share
    elif isinstance(quantity, Variable):
        wrong, expected, rule = values <= 0, "a number above 0", "<= 0"
    elif quantity.support == "positive":
        wrong, expected, rule = values <= 0, f"a {quantity.meaning} above 0", "<= 0"
    elif quantity.support == "unit":
        wrong, expected, rule = share
    elif quantity.support == "ordinal":
        least, most = quantity.levels or (-np.inf, np.inf)
        wrong = (values < least) | (values > most) | (values % 1 != 0) & ~np.isnan(values)
        expected, rule = f"a whole number from {least} to {most}", f"> {most}"
    elif quantity.support == "count":
        wrong, expected, rule = (values < 0) | (values % 1 != 0) & ~np.isnan(values), "0, 1, 2, ...", "< 0"
    else:
        return []
    problems = []
    for i in np.flatnonzero(wrong):
        value = float(values[i])
        what = "zero" if value == 0 else "a negative value" if value < 0 else "a value out of range"
        fix = TAKE_OUT.format(column=in_query(column), rule=rule)
        problems.append(Problem(what, column, int(rows[i]), shown(value), expected, fix))
    if isinstance(quantity, Variable):
        problems += unit_problems(column, quantity, values, rows, declared)
    return problems


def unit_problems(
    column: str, quantity: Variable, values: np.ndarray, rows: np.ndarray, declared: bool
) -> list[Problem]:
    """One unit beside another in a column, or a whole column in a unit that was not declared."""
    positive = np.sort(values[values > 0])
    if not len(positive) or not quantity.least_plausible:
        return []
    units = quantity.units or {}
    if not declared and positive[-1] < quantity.least_plausible and column == quantity.column:
        got = f"values from {quoted(positive[0])} to {quoted(positive[-1])}"
        fix = f"declare the unit with units={{{column!r}: ...}}, one of {', '.join(map(repr, units))}"
        expected = f"{quantity.unit}, {quoted(quantity.least_plausible)} or more"
        return [Problem("values too small for their unit", column, int(rows[0]), got, expected, fix)]
    steps = np.diff(np.log10(positive))
    splits = (positive[:-1] < MIX_BELOW) & (positive[1:] > MIX_ABOVE) & (steps >= MIX_DECADES)
    if units is not COUNT or not splits.any():
        return []
    limit = positive[:-1][splits].max()
    fix = "write all values in one unit, or with suffixes as in 70M and 1.3B"
    expected = f"one unit in the column, whose other values are {quoted(positive[1:][splits].min())} and more"
    return [
        Problem("two units in one column", column, int(rows[i]), quoted(values[i]), expected, fix)
        for i in np.flatnonzero((values > 0) & (values <= limit))
    ]
