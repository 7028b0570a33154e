"""Values of options and configuration files: numbers as people write them, names in their place, ends of a range."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from jaxscale.words import number


def as_amount(value: Any) -> Any:
    """A number as people write it; YAML leaves 5.76e23, for want of a sign, a text."""
    return number(value) if isinstance(value, str) else value


def _amount_or_name(value: Any) -> Any:
    """A number where it is one; else the text, such as the symbol of another input."""
    try:
        return as_amount(value)
    except ValueError:
        return value


def _ends(value: Any) -> Any:
    """Least and most, either of them open: 1B..8B, 1B.., 8B (the most), or a pair."""
    if isinstance(value, str):
        low, dots, high = value.partition("..")
        value = [low or None, high or None] if dots else [None, value]
    pair = [None, value] if isinstance(value, int | float) else value
    if not isinstance(pair, list | tuple) or len(pair) != 2 or all(v is None for v in pair):
        raise ValueError("the least and the most, such as 1B..8B, or the most alone")
    least, most = (None if v is None else float(as_amount(v)) for v in pair)
    if least is not None and most is not None and least > most:
        raise ValueError("the least before the most, such as 1B..8B")
    return least, most


def _tokens_or_auto(value: Any) -> Any:
    try:
        found = value if value == "auto" else float(as_amount(value))
    except (TypeError, ValueError):
        found = 0.0
    if found != "auto" and not 0.0 < found < math.inf:
        raise ValueError("a number of tokens above 0, such as 1e9 or 2B, or auto")
    return found


Amount = Annotated[float, BeforeValidator(as_amount), Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
AmountOrName = Annotated[float | str, BeforeValidator(_amount_or_name)]
TokensOrAuto = Annotated[float | Literal["auto"], BeforeValidator(_tokens_or_auto)]
Ends = Annotated[tuple[float | None, float | None], BeforeValidator(_ends)]
