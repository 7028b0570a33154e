"""From what stands in a table's cells to float64, and what is wrong where that fails."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale.errors import Problem
from jaxscale.variables import COUNT, Response, Variable
from jaxscale.words import quoted

MISSING = frozenset({"", "na", "n/a", "<na>", "nan", "null", "none"})
SUFFIXES = {letter: factor for unit, factor in COUNT.items() if unit.isalpha() for letter in (unit, unit.lower())}

_SUFFIXED = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z]+)")
_COMMA = re.compile(r"[+-]?[\d.]*\d?,\d[\d,]*(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|"
    r"(\d{1,2}[-. ]+)?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*([-., ]+\d{1,4})*",
    re.IGNORECASE,
)


class Fault(NamedTuple):
    """Why a cell is not a usable number: as `Problem`'s fields; {column} and {row} stand in `fix`."""

    what: str
    expected: str
    fix: str


_TAKE_OUT = "or take the row out with a reason: exclude={{'row == {row}': 'why'}}"
MISSING_CELL = Fault(
    "no value", "a number", "fill it in, or take such rows out with a reason: exclude={{'{column}.isna()': 'why'}}"
)
INFINITE = Fault("an infinite value", "a finite number", "correct it, " + _TAKE_OUT)
HUGE = Fault("a number too large for float64", "a number below 1.8e308", "correct it, or use another unit")
BOOLEAN = Fault("a truth value where a number belongs", "a number", "give the quantity itself, or map another column")
DATE = Fault(
    "a date where a number belongs", "a number", "a spreadsheet may have changed it: format the column as number"
)
COMMA = Fault(
    "a comma in a number", "a decimal point and no thousands separator", "write 2.5 for 2,5 and 1500 for 1,500"
)
SUFFIX = Fault(
    "a suffix that is not known",
    "a plain number; K, M, B or T may follow a count whose column has no declared unit",
    "write the number out, as in 1.5e9",
)
TEXT = Fault("text where a number belongs", "a number such as 1.5e9", "correct it, " + _TAKE_OUT)


def suffixes_of(variable: Variable | Response | None, unit: str | None = None) -> Mapping[str, float]:
    """The letters that may follow a number: those of counts, and none beside a declared unit."""
    counts = variable is None or (isinstance(variable, Variable) and variable.units is COUNT)
    return SUFFIXES if counts and unit is None else {}


def to_floats(cells: Any, suffixes: Mapping[str, float]) -> tuple[np.ndarray, dict[int, Fault]]:
    """Reads a column as numbers.

    Args:
        cells: a list of anything, or a pandas Series of any type.
        suffixes: letters that may follow a number, with their factors.

    Returns:
        float64 values, shape (n,), NaN where there is none; and position -> what is wrong there.
    """
    if isinstance(cells, pd.Series):
        kind = cells.dtype
        if pd.api.types.is_bool_dtype(kind):
            return np.full(len(cells), np.nan), dict.fromkeys(range(len(cells)), BOOLEAN)
        if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_complex_dtype(kind):
            values = cells.to_numpy(np.float64, copy=True, na_value=np.nan)
            bad = np.flatnonzero(~np.isfinite(values))
            faults = {int(i): MISSING_CELL if math.isnan(values[i]) else INFINITE for i in bad}
            values[list(faults)] = np.nan
            return values, faults
        cells = cells.tolist()
    values = _plain(cells)
    if values is not None:
        suspects = np.flatnonzero(~np.isfinite(values)).tolist()
    else:
        values, suspects = np.full(len(cells), np.nan), range(len(cells))
    faults = {}
    known: dict[str, float | Fault] = {}
    for i in suspects:
        cell = cells[i]
        if isinstance(cell, str):
            found = known[cell] if cell in known else known.setdefault(cell, _read_text(cell.strip(), suffixes))
        else:
            found = _read_object(cell)
        if isinstance(found, Fault):
            values[i], faults[i] = np.nan, found
        else:
            values[i] = found
    return values, faults


def _plain(cells: list) -> np.ndarray | None:
    """All cells at once, where each is a plain number or the text of one."""
    if not set(map(type, cells)) <= {str, int, float}:
        return None
    try:
        return np.array(list(map(float, cells)), np.float64)
    except (ValueError, OverflowError):
        return None


def _read_object(cell: Any) -> float | Fault:
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return MISSING_CELL
    if isinstance(cell, bool | np.bool_):
        return BOOLEAN
    if isinstance(cell, date | time | timedelta | np.datetime64 | np.timedelta64):
        return DATE
    if not isinstance(cell, Real | Decimal):
        return TEXT
    try:
        value = float(cell)
    except OverflowError:
        return HUGE
    except ValueError:  # Decimal("sNaN")
        return TEXT
    return MISSING_CELL if math.isnan(value) else INFINITE if math.isinf(value) else value


def _read_text(text: str, suffixes: Mapping[str, float]) -> float | Fault:
    lower = text.lower()
    if lower in MISSING:
        return MISSING_CELL
    try:
        value = float(text)
    except ValueError:
        pass
    else:
        if math.isinf(value):
            return INFINITE if "inf" in lower else HUGE
        return MISSING_CELL if math.isnan(value) else value
    if lower in ("true", "false"):
        return BOOLEAN
    if match := _SUFFIXED.fullmatch(text):
        value = float(match[1]) * suffixes.get(match[2], math.nan)
        return SUFFIX if math.isnan(value) else HUGE if math.isinf(value) else value
    if _COMMA.fullmatch(text):
        return COMMA
    return DATE if _DATE.fullmatch(text) else TEXT


def shown(cell: Any) -> str:
    """A cell as a message shows it: short, and on one line."""
    text = quoted(cell) if isinstance(cell, float) else repr(cell)
    return text if len(text) <= 40 else f"{text[:36]}..."


def in_query(column: str) -> str:
    """A column as a query names it."""
    return column if column.isidentifier() else f"`{column}`"


def fault_problems(column: str, faults: Mapping[int, tuple[Fault, Any]], count: int) -> list[Problem]:
    """The faults of a column as problems, those of one nature said once.

    Args:
        column: its name.
        faults: row -> what is wrong there, and the cell as it stood.
        count: rows of the table.
    """
    kinds = {fault for fault, _ in faults.values()}
    problems = []
    for row, (fault, cell) in faults.items():
        fix = fault.fix.format(column=in_query(column), row=row)
        problem = Problem(fault.what, column, row, shown(cell), fault.expected, fix)
        if len(faults) == count > 1 and len(kinds) == 1 and fault in (BOOLEAN, DATE):
            return [Problem(f"{fault.what}, in every row", column, row, problem.got, fault.expected, fault.fix)]
        problems.append(problem)
    return problems


def as_found(cells: Any, exact: bool) -> pd.Series:
    """A column no law has asked for: numbers if all its cells are, truth values likewise, else what stands there.

    `exact` keeps identifiers: of text only plain integers become numbers, so that the run "1e5" stays that run.
    """
    if isinstance(cells, pd.Series):
        return cells
    if not set(map(type, cells)) <= {str, type(None)}:
        return pd.Series(cells)
    text = pd.Series(cells, dtype=object)
    words = text.str.strip().str.lower()
    blank = (words.isna() | words.isin(list(MISSING))).to_numpy(bool)
    if blank.all():
        return text.where(~blank, None)
    if words.isin(["true", "false"]).all():
        return words == "true"
    numbers = pd.Series(pd.to_numeric(text.where(~blank, None), errors="coerce"))
    plain = pd.api.types.is_integer_dtype(numbers) if exact else bool((numbers.notna() | blank).all())
    return numbers if plain else text.where(~blank, None).astype("str")
