"""Numbers as people say them, in whatever reaches a person: 73.2B, 1.35T, 5.76e23, and no digit that means nothing.

Where a standard deviation is known, a number keeps the decimals that hold rounding below 1 % of it; else it has a few
significant digits. Holds no pandas, JAX or matplotlib: `jaxscale --help` imports it.
"""

from __future__ import annotations

import math

SUFFIXES = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
LARGEST = 1e15  # that has a suffix; beyond, as all of compute is, an exponent reads better
WHOLE, SMALL = 1e6, 1e-4  # without a suffix, numbers outside have an exponent
ROUNDING = 0.01  # of a standard deviation: the most that rounding may move a number
NORMAL_90 = 3.29  # width of a normal distribution's 90 % interval, in standard deviations
MISSING = "-"
NOTHING = 1e-9  # of a number: a standard deviation as small is that of float64's own rounding
DOUBLE = 15  # significant digits that float64 holds


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


def plain(value: float, sd: float | None = None, *, digits: int = 3, zeros: bool = False) -> str:
    """A number without a suffix, such as a parameter, a loss, a ratio or compute: 0.348, 2160, 5.76e23.

    Args:
        value: any; "-" unless finite.
        sd: its standard deviation; None, NaN or zero where there is none.
        digits: significant digits where there is none.
        zeros: keep zeros at the end, as where an sd is known: 70.0 and not 70.
    """
    if not math.isfinite(value):
        return MISSING
    places = _places(value, sd)
    if places is None:
        value = float(f"{value:.{digits}g}")
        places, most = digits - 1 - _power(value), 0
    else:
        places, most, zeros = min(places, DOUBLE - 1 - _power(value)), 6, True
    if abs(value) < WHOLE and (abs(value) >= SMALL or places <= most or value == 0.0):
        return _ended(f"{value:.{max(places, 0)}f}", zeros)
    mantissa, _, exponent = f"{value:.{max(places + _power(value), 0)}e}".partition("e")
    return f"{_ended(mantissa, zeros)}e{int(exponent)}"


def human(value: float, sd: float | None = None, *, digits: int = 3, zeros: bool = False) -> str:
    """A count, such as parameters or tokens: 73.2B, 1.35T, 880; arguments as in `plain`."""
    if not math.isfinite(value):
        return MISSING
    places = _places(value, sd)
    shown = digits if places is None else max(digits, min(places + _power(value) + 1, DOUBLE))
    size = abs(float(f"{value:.{shown}g}"))  # rounded, so that 999.9B with three digits is 1T
    for suffix, unit in reversed(SUFFIXES.items()):
        if unit <= size < LARGEST:
            return plain(value / unit, sd and sd / unit, digits=digits, zeros=zeros) + suffix
    return plain(value, sd, digits=digits, zeros=zeros)


def by_name(name: str, value: float, sd: float | None = None) -> str:
    """A quantity of a plan, with zeros at the end so that a column of them lines up."""
    if name.startswith(("loss", "score")):
        return plain(value, sd, digits=5, zeros=True)
    return (
        plain(value, sd) if name in ("cost", "cost_to_target", "C", "flops", "budget") else human(value, sd, zeros=True)
    )


def interval(low: float, high: float) -> str:
    """A 90 % interval with the digits that its width calls for: [61.5B, 89.9B]."""
    return f"[{human(low, spread(low, high))}, {human(high, spread(low, high))}]"


def spread(low: float, high: float) -> float:
    """Standard deviation of a normal distribution with this 90 % interval."""
    return abs(high - low) / NORMAL_90


def quoted(value: float, digits: int = 6) -> str:
    """A number that a message gives back as it was found: `plain`, except that nan and inf are named."""
    return plain(value, digits=digits) if math.isfinite(value) else str(float(value))


def _places(value: float, sd: float | None) -> int | None:
    """Decimals that hold rounding below 1 % of a standard deviation; None where there is none to speak of."""
    if sd is None or not (math.isfinite(sd) and sd > NOTHING * abs(value)):
        return None
    return math.ceil(-math.log10(2.0 * ROUNDING * sd) - 1e-9)


def _power(value: float) -> int:
    """Of ten, in a number's scientific notation."""
    return int(f"{value:.{DOUBLE - 1}e}".partition("e")[2])


def _ended(text: str, zeros: bool) -> str:
    bare = text if zeros or "." not in text else text.rstrip("0").rstrip(".")
    return bare.removeprefix("-") if not bare.strip("-0.") else bare  # no minus before zero
