"""JSON lines: one object a line, as trackers of experiments export them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.errors import Problem
from jaxscale.readers.sheet import Sheet, refuse
from jaxscale.readers.text import read_text


class _Twice(ValueError):
    pass


def read_jsonl(path: Path, source: str) -> Sheet:
    """Reads a table of which each line is a JSON object; a key that a line lacks is a missing value.

    Raises:
        DataError: not text, or no line of it is an object.
    """
    text, notes = read_text(path, source)
    records: list[dict[str, Any]] = []
    rows: list[int] = []
    problems: list[Problem] = []
    for row, line in enumerate(io.StringIO(text, newline=None), 1):
        if not line.strip():
            continue
        found = _read_line(line, row)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            records.append(found)
            rows.append(row)
    names = dict.fromkeys(key for record in records for key in record)
    if not names and not problems:
        refuse(source, "the objects are empty", 'write one object for each run, as {"params": 1e9, ...}')
    cells = {name: [record.get(name) for record in records] for name in names}
    return Sheet(source, cells, np.array(rows, np.int64), tuple(problems), notes)


def _read_line(line: str, row: int) -> dict[str, Any] | Problem:
    fix = 'write one object a line, as {"params": 1e9, "tokens": 2e10, "loss": 2.5}'
    try:
        found = json.loads(line, object_pairs_hook=_once)
        if "\\u" in line:
            json.dumps(found, ensure_ascii=False).encode()
    except _Twice as error:
        return Problem("a key stands twice in one object", str(error), row, fix="rename or remove one of them")
    except UnicodeEncodeError:
        return Problem("half of a Unicode pair", row=row, expected="whole characters", fix="write the text as UTF-8")
    except json.JSONDecodeError as error:
        got = repr(line.strip()[:40])
        return Problem(
            f"not JSON ({error.msg}, character {error.pos + 1})", row=row, got=got, expected="an object", fix=fix
        )
    except (ValueError, RecursionError):  # an integer of thousands of digits; brackets in brackets in brackets
        return Problem("JSON beyond what can be read", row=row, expected="an object of plain values", fix=fix)
    if not isinstance(found, dict):
        return Problem("not an object", row=row, got=repr(line.strip()[:40]), expected="an object", fix=fix)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _Twice(next(key for key in keys if keys.count(key) > 1))
    return found
