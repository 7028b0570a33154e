"""What the command line prints: aligned tables, paragraphs, and one JSON document.

Holds no JAX, pandas or matplotlib: `jaxscale --help` imports it.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxscale.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd


# ---- text ----------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[Any]], left: int = 1) -> str:
    """Aligned columns, the first `left` of them to the left and the others to the right."""
    cells = [list(map(str, header)), *([*map(str, row)] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = []
    for row in cells:
        parts = [c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(parts).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def count(n: int, one: str, many: str = "") -> str:
    """ "1 run", "3 runs"."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def paragraphs(*parts: str | None) -> str:
    """Non-empty parts with an empty line between them."""
    return "\n\n".join(p for p in parts if p)


# ---- JSON ----------------------------------------------------------------------------------------


def jsonable(value: Any) -> Any:
    """Plain JSON values: NaN and infinities are null, a DataFrame is a list of records."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "to_dict"):  # a pandas object, unnamed here because this module does not import pandas
        return jsonable(records(value))
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    return [jsonable(v) for v in value]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a table; a named index is a column too."""
    frame = frame.reset_index() if frame.index.name else frame
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def emit(as_json: bool, document: Mapping[str, Any], text: str) -> None:
    """The answer on standard output: one JSON document, or text for people."""
    print(json.dumps(jsonable(document), indent=2, allow_nan=False) if as_json else text)


def failure(error: Exception, as_json: bool) -> None:
    """An error, as the one JSON document on standard output or a message on standard error."""
    if as_json:
        more = error.as_dict() if isinstance(error, DataError) else {}
        emit(True, {"error": {"type": type(error).__name__, "message": str(error), **more}}, "")
    else:
        print(f"jaxscale: {error}", file=sys.stderr)


# ---- NAME=VALUE --------------------------------------------------------------------------------------


def pairs(option: str, items: Sequence[str] | None, example: str) -> dict[str, str] | None:
    """NAME=VALUE items of a repeated option; None where it was not given.

    Raises:
        ConfigError: an item is not of that form, or a key stands twice.
    """
    found: dict[str, str] = {}
    for item in items or ():
        key, equals, value = (part.strip() for part in item.partition("="))
        if not (key and equals and value):
            raise ConfigError(f"{option} takes NAME=VALUE, such as {option} {example}; got {item!r}")
        if key in found:
            raise ConfigError(f"{option} names {key!r} twice: {found[key]!r} and {value!r}; give it once")
        found[key] = value
    return found if items else None
