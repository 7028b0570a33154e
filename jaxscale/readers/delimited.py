"""Tables of text with a delimiter: CSV, TSV and their like."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from jaxscale.errors import DataError, Problem
from jaxscale.readers.sheet import Sheet, refuse, unique
from jaxscale.readers.text import read_text
from jaxscale.variables import INPUTS, RESPONSES

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
COMMAS = "a decimal comma splits a number in two; "


def read_delimited(path: Path, source: str, delimiter: str | None) -> Sheet:
    """Reads a table whose first line names the columns.

    Args:
        path: the file.
        source: its name in messages.
        delimiter: what parts the cells; None takes the tab or comma that the header has.

    Raises:
        DataError: not a table of this kind.
    """
    text, notes = read_text(path, source)
    delimiter = delimiter or ("\t" if "\t" in text.lstrip().splitlines()[0] else ",")
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t"
    )
    header: list[str] = []
    lines: list[list[str]] = []
    rows: list[int] = []
    problems: list[Problem] = []
    at = 1
    try:
        # Counted before each record is read: a quoted cell may span lines.
        for record in reader:
            start, at = at, reader.line_num + 1
            if not any(map(str.strip, record)):
                continue
            if not header:
                header = record
                _check_header(header, delimiter, source, start)
            elif len(record) != len(header):
                problems.append(_ragged(record, header, delimiter, start))
            else:
                lines.append(record)
                rows.append(start)
    except csv.Error as error:
        raise DataError(source, [*problems, _broken(error, at)]) from error
    places, twice = unique(header)
    if not rows and not problems:
        refuse(source, "a header and no rows", "write one line for each run", expected="at least one run")
    columns = list(zip(*lines, strict=True)) or [()] * len(header)
    cells = {name: list(columns[i]) for name, i in places.items()}
    return Sheet(source, cells, np.array(rows, np.int64), (*twice, *problems), notes)


def _check_header(header: list[str], delimiter: str, source: str, row: int) -> None:
    line = header[0]
    known = {*INPUTS, *RESPONSES}
    others = [d for d in DELIMITERS if d != delimiter and d in line] if len(header) == 1 else []
    if others:
        found, wanted = DELIMITERS[others[0]], DELIMITERS[delimiter]
        ending = " (or name the file .tsv)" if others[0] == "\t" else ""
        fix = f"save the table with {wanted}{ending}, and with a point in decimals"
        refuse(source, "wrong delimiter in the header", fix, row, got=found, expected=wanted)
    if len(header) == 1 and len(words := line.split()) > 1 and known & set(words):
        wanted = DELIMITERS[delimiter]
        refuse(
            source, "wrong delimiter in the header", f"save the table with {wanted}", row, got="spaces", expected=wanted
        )
    if all(_is_number(cell) for cell in header):
        refuse(source, "the first line holds numbers, so the columns have no names", "add a header line", row, got=line)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _ragged(record: list[str], header: list[str], delimiter: str, row: int) -> Problem:
    fix = "quote cells that hold a comma, and complete or remove the row"
    if delimiter == "," and len(record) > len(header):
        fix = COMMAS + fix if any(cell.isdigit() for cell in record) else fix
    elif len(record) == 1:
        found = [name for d, name in DELIMITERS.items() if d != delimiter and record[0].count(d) == len(header) - 1 > 0]
        fix = f"this row is parted by {found[0]}: part it by {DELIMITERS[delimiter]}" if found else fix
    cells = "1 cell" if len(record) == 1 else f"{len(record)} cells"
    return Problem("ragged row", row=row, got=cells, expected=f"{len(header)}, as in the header", fix=fix)


def _broken(error: csv.Error, row: int) -> Problem:
    text = str(error)
    if "unexpected end" in text or "field larger" in text:
        return Problem("a quote is opened and never closed", row=row, expected='a closing "', fix='close it with "')
    return Problem(
        f"broken quoting ({text})", row=row, fix='close the quote before the delimiter, and double a " within'
    )
