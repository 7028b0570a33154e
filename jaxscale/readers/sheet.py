"""A table as it was found, before anybody asked what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from jaxscale.errors import DataError, Problem


@dataclass(frozen=True)
class Sheet:
    """Columns of cells.

    Attributes:
        source: where it comes from, as the user gave it.
        cells: column -> list of cells, or a pandas Series where the source has types.
        rows: line of the file, or position in the frame, of each row.
        problems: what is wrong with the form of the table, though it could be read further.
        notes: remarks that stop nothing.
        typed: whether the source declares the types of its columns, so that text is no number.
    """

    source: str
    cells: Mapping[str, Any]
    rows: np.ndarray
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    typed: bool = False


def refuse(source: str, what: str, fix: str, row: int | None = None, **details: Any) -> NoReturn:
    """Raises a `DataError` with one problem."""
    raise DataError(source, [Problem(what, row=row, fix=fix, **details)])


def unique(names: list[str], row: int | None = None) -> tuple[dict[str, int], list[Problem]]:
    """Column name -> where it stands, the first of those that occur twice, which are problems."""
    places: dict[str, int] = {}
    problems = []
    for i, given in enumerate(names):
        name = given.strip() or f"column {i + 1}"
        if name in places:
            what = f"two columns have this name, the {places[name] + 1}. and the {i + 1}."
            problems.append(Problem(what, name, row, fix="rename or remove one of them"))
        places.setdefault(name, i)
    return places, problems
