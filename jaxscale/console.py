"""What the command line prints: numbers as people write them, aligned tables, and one JSON document.

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

SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
ROUNDING = 0.01  # of a standard deviation: the most that rounding may move a number


# ---- numbers -------------------------------------------------------------------------------------


def number(text: str) -> float:
    """A number as people write it: 7e10, 70B, 1.4T.

    Raises:
        ValueError: it is none, with a sentence.
    """
    bare = text.strip().replace("_", "")
    factor = SUFFIXES.get(bare[-1:].upper(), 1.0)
    try:
        value = float(bare[:-1] if factor != 1.0 else bare) * factor
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"a number such as 7e10, 70B or 1.4T; got {text!r}")
    return value


def plain(value: float, digits: int = 3) -> str:
    """A few significant digits, and a short exponent where there must be one: 0.348, 5.76e23."""
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def human(value: float, digits: int = 3, zeros: bool = False) -> str:
    """A count for people: 73.2B, 1.35T, 5.76e23, 880; with `zeros`, 70.0B and not 70B."""
    if not math.isfinite(value):
        return "-"
    rounded = float(f"{value:.{digits}g}")
    for suffix, factor in reversed(SUFFIXES.items()):
        if factor <= abs(rounded) < 1e3 * factor and (suffix == "T" or abs(rounded) < 1e15):
            return f"{_significant(rounded / factor, digits, zeros)}{suffix}"
    return _significant(value, digits, zeros) if 1.0 <= abs(rounded) < 1e3 else plain(value, digits)


def _significant(value: float, digits: int, zeros: bool) -> str:
    return f"{value:#.{digits}g}".rstrip(".") if zeros else f"{value:.{digits}g}"


def rounded_to(sd: float, *values: float) -> list[str]:
    """Values with the fewest decimals that move none by more than 1 % of the standard deviation."""
    if not (math.isfinite(sd) and sd > 0.0):
        return ["-" if math.isnan(v) else plain(v, 6) for v in values]
    decimals = math.ceil(-math.log10(2.0 * ROUNDING * sd))
    return ["-" if math.isnan(v) else _to_decimals(v, decimals) for v in values]


def _to_decimals(value: float, decimals: int) -> str:
    if decimals <= 6 and abs(value) < 1e6:
        return f"{value:.{max(decimals, 0)}f}"
    digits = decimals + 1 + (math.floor(math.log10(abs(value))) if value else 0)
    return plain(value, max(digits, 1))


def by_name(name: str, value: float) -> str:
    """A number in the way its quantity is usually written."""
    if not math.isfinite(value):
        return "-"
    if name in ("loss", "score") or name.startswith(("loss", "score")):
        return f"{value:.4f}"
    return plain(value) if name in ("cost", "C", "flops", "budget") else human(value, zeros=True)


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
