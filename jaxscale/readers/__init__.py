"""Tables from files and frames: CSV, TSV, JSON lines, Parquet, pandas, polars, pyarrow -> Runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.cells import MISSING_CELL, Fault, as_found, fault_problems, suffixes_of, to_floats
from jaxscale.errors import ConfigError, DataError, Problem
from jaxscale.meaning import meaning_problems, unit_factor
from jaxscale.names import did_you_mean, nearest
from jaxscale.readers import checks
from jaxscale.readers.delimited import read_delimited
from jaxscale.readers.frame import read_frame
from jaxscale.readers.jsonl import read_jsonl
from jaxscale.readers.parquet import read_parquet
from jaxscale.readers.sheet import Sheet, refuse
from jaxscale.readers.text import read_bytes
from jaxscale.runs import IDENTITY, Runs
from jaxscale.variables import INPUTS, RESPONSES, SYMBOLS, Response, Variable

KNOWN: dict[str, Variable | Response] = {**INPUTS, **RESPONSES}
CANONICAL = (*KNOWN, *(r.trials for r in RESPONSES.values() if r.trials is not None))
Quantities = dict[str, Variable | Response | None]
Faults = dict[str, dict[int, tuple[Fault, Any]]]
READERS = {
    ".csv": lambda path, source: read_delimited(path, source, ","),
    ".tsv": lambda path, source: read_delimited(path, source, "\t"),
    ".txt": lambda path, source: read_delimited(path, source, None),
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".parquet": read_parquet,
    ".pq": read_parquet,
}


def read_runs(
    source: Any,
    columns: Mapping[str, str] | None = None,
    group: str | None = None,
    units: Mapping[str, str] | None = None,
    where: str | None = None,
    exclude: Mapping[str, str] | None = None,
) -> Runs:
    """Reads a table of training runs and checks it.

    Args:
        source: a path (.csv, .tsv, .txt, these with .gz, .jsonl, .ndjson, .parquet) or a DataFrame.
        columns: a law's symbol (N, D, C, ...) or a canonical name (params, tokens, loss, ...) -> column; canonical
            columns need no mapping.
        group: the column that tells families apart.
        units: column or symbol -> the unit in which it stands, such as {"params": "B", "loss": "bits"}.
        where: a query for the rows that the question is about, such as "corpus == 'pile'".
        exclude: query -> reason, for rows to take out and keep on record.

    Raises:
        DataError: the table cannot be read, or contradicts itself; all its problems are listed.
        ConfigError: an option asks for what does not exist.
    """
    sheet = _open(source)
    columns = _names_only("columns", columns)
    taken = _taken(sheet, columns)
    problems = [*sheet.problems, *_choices(sheet, columns, group), *checks.near_misses(list(sheet.cells), taken)]
    if problems and (where or exclude):
        raise DataError(sheet.source, problems)  # a query might ask for the very column that is not there
    units = _declared(sheet, columns, _names_only("units", units))

    judged = _judged(sheet, columns, taken)
    table, faults = _numbers(sheet, judged, units, group)
    held = group if group in sheet.cells else None  # a group that is not there is among the problems
    runs = Runs(table, columns, held, sheet.source, sheet.rows, units, notes=sheet.notes)
    if where is not None:
        runs = runs.where(where)
    for query, reason in (exclude or {}).items():
        runs = runs.exclude(query, reason)
    runs = _with_originals(runs, faults)

    problems += _column_problems(runs, sheet, judged, faults, set(columns.values()))
    repeated = checks.repeats(runs.table)
    problems += checks.identity_problems(runs, taken, repeated)
    if not any(p.column in checks.CORE for p in problems):
        problems += checks.flops_problems(runs)
    if problems:
        raise DataError(sheet.source, sorted(problems, key=lambda p: -1 if p.row is None else p.row))
    return replace(runs, notes=(*runs.notes, *checks.remarks(runs, taken, repeated)))


def _open(source: Any) -> Sheet:
    if not isinstance(source, str | os.PathLike):
        return read_frame(source)
    name, path = str(source), Path(source)
    endings = [s.lower() for s in path.suffixes[-2:]]
    ending = endings[-2] if len(endings) == 2 and endings[-1] == ".gz" else "".join(endings[-1:])
    if ending not in READERS:
        read_bytes(path, name)  # that it is a folder, or not there, is the better thing to say
        known = ", ".join(READERS)
        refuse(name, "no reader for this kind of file", "export the table as CSV", got=repr(ending), expected=known)
    return READERS[ending](path, name)


def _names_only(what: str, mapping: Mapping[str, str] | None) -> dict[str, str]:
    mapping = dict(mapping or {})
    for key, value in mapping.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ConfigError(f"{what} maps names to names, such as {{'N': 'params'}}; got {key!r}: {value!r}.")
    return mapping


def _taken(sheet: Sheet, columns: Mapping[str, str]) -> dict[str, str]:
    """Canonical name -> the column that holds it, for those that the table has."""
    mapped = {SYMBOLS.get(key, key): column for key, column in reversed(list(columns.items()))}
    held = {name: mapped.get(name, name) for name in CANONICAL}
    return {name: column for name, column in held.items() if column in sheet.cells}


def _choices(sheet: Sheet, columns: Mapping[str, str], group: str | None) -> list[Problem]:
    """Columns that the user names and the table does not have."""
    problems = []
    for key, column in [*columns.items(), *([("group", group)] if group is not None else [])]:
        if column in sheet.cells:
            continue
        turned = key in sheet.cells and column in (*SYMBOLS, *CANONICAL)
        hint = did_you_mean(column, sheet.cells)
        fix = f"{hint}name one of: {', '.join(sheet.cells)[:200]}"
        fix = f"it maps a symbol to a column: columns={{{column!r}: {key!r}}}" if turned else fix
        problems.append(
            Problem(f"no such column, asked for as {key!r}", column, expected="a column of the table", fix=fix)
        )
    return problems


def _declared(sheet: Sheet, columns: Mapping[str, str], units: Mapping[str, str]) -> dict[str, str]:
    """Column -> declared unit."""
    found = {}
    for key, unit in units.items():
        column = columns.get(key, key)
        if column not in sheet.cells:
            near = nearest(key, [*sheet.cells, *columns])
            hint = f" Did you mean {near!r}?" if near else ""
            raise ConfigError(f"units names {key!r}, which is neither a column of {sheet.source} nor mapped.{hint}")
        keys = [key, *(k for k, c in columns.items() if c == column)]
        meant = next((KNOWN[c] for k in keys if (c := SYMBOLS.get(k, k)) in KNOWN), None)
        if meant is not None:
            unit_factor(column, meant, unit)
        found[column] = unit
    return found


def _judged(sheet: Sheet, columns: Mapping[str, str], taken: Mapping[str, str]) -> Quantities:
    """Columns that must hold numbers -> the quantity they hold, where that is known."""
    numbers = {key: column for key, column in columns.items() if column in sheet.cells and key not in IDENTITY}
    asked = {column: KNOWN.get(SYMBOLS.get(key, key)) for key, column in numbers.items()}
    return {**asked, **{column: KNOWN.get(name) for name, column in taken.items()}}


def _numbers(
    sheet: Sheet, judged: Quantities, units: Mapping[str, str], group: str | None
) -> tuple[pd.DataFrame, Faults]:
    """The table with its judged columns as float64; and column -> row -> what is wrong there, and the cell."""
    columns, faults = {}, {}
    for name, cells in sheet.cells.items():
        if name not in judged:
            columns[name] = as_found(cells, exact=name == group or name in IDENTITY)
            continue
        values, bad = to_floats(cells, suffixes_of(judged[name], units.get(name)))
        columns[name] = pd.Series(values)
        stood = cells.tolist() if isinstance(cells, pd.Series) and bad else cells
        faults[name] = {int(sheet.rows[i]): (fault, stood[i]) for i, fault in bad.items()}
    return pd.DataFrame(columns), faults


def _with_originals(runs: Runs, faults: Faults) -> Runs:
    """Excluded cells that are no numbers, shown as they stood in the file."""
    for column, bad in faults.items():
        at = [i for i, row in enumerate(runs.excluded["row"]) if row in bad]
        if at and column in runs.excluded:
            cells = runs.excluded[column].astype(object)
            for i in at:
                cells.iloc[i] = bad[runs.excluded["row"].iloc[i]][1]
            runs.excluded[column] = cells
    return runs


def _column_problems(
    runs: Runs,
    sheet: Sheet,
    judged: Quantities,
    faults: Faults,
    mapped: set[str],
) -> list[Problem]:
    """Cells that are no numbers; and in canonical columns, whose meaning is sure, values that cannot be."""
    problems = []
    kept = set(runs.rows.tolist())
    for column, quantity in judged.items():
        cells = sheet.cells[column]
        if sheet.typed and isinstance(cells, pd.Series) and pd.api.types.is_string_dtype(cells.dtype):
            got, fix = f"type {cells.dtype}", "write the column as float64"
            problems.append(
                Problem("a column of text where numbers belong", column, None, got, "a column of numbers", fix)
            )
            continue
        # A column nobody asked for, such as a score that only some runs have, may be empty in places.
        lax = column not in mapped and column not in checks.CORE
        bad = {r: f for r, f in faults[column].items() if r in kept and not (lax and f[0] is MISSING_CELL)}
        problems += fault_problems(column, bad, len(runs))
        if column in checks.CORE and quantity is not None:
            values = runs.table[column].to_numpy()
            values = np.where(values == 0, np.nan, values) if column in ("tokens", "flops") else values
            problems += meaning_problems(column, quantity, values, runs.rows, column in runs.units)
    if runs.group is not None:
        nameless = np.flatnonzero(runs.table[runs.group].isna())
        fix = "name the group of the run, or take the row out with a reason"
        problems += [Problem("no group", runs.group, int(runs.rows[i]), "nothing", "a name", fix) for i in nameless]
    return problems
