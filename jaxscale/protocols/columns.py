"""What a protocol is given, checked: float64 arrays, or a DataError that names the argument."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxscale.errors import ConfigError, DataError, Problem
from jaxscale.words import quoted

KINDS = {"any": "finite numbers", "positive": "positive finite numbers", "count": "whole numbers from zero"}


def numbers(source: str, kind: str = "any", least: int = 1, ndim: int | None = 1, **columns: Any) -> list[np.ndarray]:
    """Arguments as float64 arrays of one shape.

    Args:
        source: the function that asks, for the error's first line.
        kind: "any", "positive" or "count".
        least: fewest values.
        ndim: number of axes; None for any.
        columns: name -> values.

    Returns:
        The arrays in the order given, equally shaped.

    Raises:
        DataError: something is no number, not of the kind, too short, or of another shape than the rest.
    """
    found = {name: as_floats(source, name, values) for name, values in columns.items()}
    problems = []
    for name, values in found.items():
        if ndim is not None and values.ndim != ndim:
            problems.append(Problem("wrong number of axes", name, got=f"shape {values.shape}", expected=f"{ndim}"))
        elif values.size < least:
            problems.append(Problem("too few values", name, got=str(values.size), expected=f"at least {least}",
                                    fix="add runs"))  # fmt: skip
        else:
            problems += _misfits(name, values, kind)
    if shapes := _unlike(found):
        problems.append(Problem("arrays of different shapes", got=shapes, expected="one shape",
                                fix="give one value of each a run"))  # fmt: skip
    if problems:
        raise DataError(source, problems)
    return list(found.values())


def as_floats(source: str, name: str, values: Any) -> np.ndarray:
    """Values as a float64 array.

    Raises:
        DataError: they are no numbers.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        problem = Problem("no numbers", name, got=type(values).__name__, expected="an array of numbers")
        raise DataError(source, [problem]) from None


def option(source: str, name: str, value: Any, low: float, high: float, whole: bool = False) -> float:
    """A number within limits, both included.

    Raises:
        ConfigError: it is none, or outside.
    """
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool) and low <= value <= high
    if not (good and (not whole or value == int(value))):
        what = "a whole number" if whole else "a number"
        limits = f"from {quoted(low)} to {quoted(high)}" if np.isfinite(high) else f"from {quoted(low)}"
        raise ConfigError(f"{source}: {name} is {what} {limits}; got {value!r}. Fix: give {name} within these limits.")
    return float(value)


def search_range(source: str, low: float, high: float) -> tuple[float, float]:
    """The ends of a search on a logarithmic axis.

    Raises:
        ConfigError: they are not positive, or not in order.
    """
    tiny, huge = np.finfo(np.float64).tiny, np.finfo(np.float64).max
    low, high = option(source, "low", low, tiny, huge), option(source, "high", high, tiny, huge)
    if low >= high:
        raise ConfigError(f"{source}: low is below high; got {quoted(low)} and {quoted(high)}. Fix: swap them.")
    return low, high


def _misfits(name: str, values: np.ndarray, kind: str) -> list[Problem]:
    """One problem for the first value that is not of the kind."""
    bad = ~np.isfinite(values)
    if kind == "positive":
        bad |= ~(values > 0)
    if kind == "count":
        bad |= ~(values >= 0) | (values != np.floor(values))
    if not bad.any():
        return []
    at = np.argwhere(bad)[0]
    row = int(at[0]) if len(at) else None
    many = f"{int(bad.sum())} unusable values, the first shown" if bad.sum() > 1 else "an unusable value"
    return [Problem(many, name, row, quoted(float(values[tuple(at)])), KINDS[kind], "mend or drop the row")]


def _unlike(found: Mapping[str, np.ndarray]) -> str:
    """The shapes, where they differ; else empty."""
    shapes = {name: values.shape for name, values in found.items()}
    return ", ".join(f"{k} {v}" for k, v in shapes.items()) if len(set(shapes.values())) > 1 else ""
