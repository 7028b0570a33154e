"""Numbers as people say them, one way in all that reaches a person."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from jaxscale.words import SUFFIXES, by_name, human, interval, number, plain, quoted

PACKAGE = Path(__file__).resolve().parents[1] / "jaxscale"


@pytest.mark.parametrize(
    ("value", "text"),
    [(73.2e9, "73.2B"), (73.21e9, "73.2B"), (1.35e12, "1.35T"), (70e6, "70M"), (5.76e23, "5.76e23"), (999.9e9, "1T"),
     (17.6, "17.6"), (880, "880"), (2160, "2.16K"), (999_999, "1M"), (0.25, "0.25"), (0.0, "0"), (-0.0, "0"),
     (-7e10, "-70B"), (999.9e12, "1e15"), (math.nan, "-"), (math.inf, "-")],
)  # fmt: skip
def test_counts_for_people(value, text):
    assert human(value) == text


@pytest.mark.parametrize(
    ("value", "sd", "text"),
    [(442.7, 74.0, "443"), (0.341921, 0.0099, "0.3419"), (2.09e9, 4.3e6, "2.09000e9"), (0.0, 0.02, "0.0000"),
     (-1e-9, 0.02, "0.0000"), (3e-9, 1e-9, "3.00e-9"), (0.34, 0.0, "0.34"), (4.166, math.nan, "4.17"),
     (0.3478, 1e-9, "0.34780000000"), (1e23, 1e7, "1e23")],
)  # fmt: skip
def test_numbers_beside_their_sd(value, sd, text):
    assert plain(value, sd) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(5.76e-23, 3, "5.76e-23"), (1e23, 3, "1e23"), (2891.0, 3, "2890"), (123456.0, 2, "120000"), (999_999.0, 3, "1e6"),
     (11.3e6, 3, "1.13e7"), (1234567.0, 6, "1.23457e6"), (-4.166, 3, "-4.17"), (9.999e-5, 3, "0.0001")],
)  # fmt: skip
def test_plain_numbers(value, digits, text):
    assert plain(value, digits=digits) == text


@pytest.mark.parametrize(
    ("value", "sd", "text"),
    [(73.2e9, 9e9, "73.2B"), (74e9, 8.8e9, "74.0B"), (999.9e9, 1e8, "999.900B"), (999.96e9, 9e10, "1.000T")],
)
def test_counts_beside_their_sd(value, sd, text):
    assert human(value, sd) == text


@pytest.mark.parametrize("say", [plain, human])
def test_rounding_is_below_a_hundredth_of_the_sd(say):
    rng = np.random.default_rng(0)
    values = np.concatenate([10 ** rng.uniform(-6, 16, 400), -(10 ** rng.uniform(-6, 16, 100))])
    for value, share in zip(values, 10 ** rng.uniform(-6, 1, 500), strict=True):
        sd = share * abs(value)
        text = say(value, sd)
        assert abs(number(text) - value) <= 0.0101 * sd, (value, sd, text)


def test_zeros_at_the_end_are_kept_where_asked():
    assert human(70e9, zeros=True) == "70.0B"
    assert plain(1.5, zeros=True) == "1.50"
    assert by_name("N", 11e9) == "11.0B"
    assert by_name("loss", 2.05256) == "2.0526"
    assert by_name("cost", 1e23) == "1e23"


def test_an_interval_has_the_digits_that_its_width_calls_for():
    assert interval(1.955232, 1.981184) == "[1.9552, 1.9812]"
    assert interval(61e9, 90e9) == "[61.0B, 90.0B]"


def test_a_message_names_what_is_no_number():
    assert [quoted(v) for v in (math.nan, -math.inf, 1e9, np.float64(0.25))] == ["nan", "-inf", "1e9", "0.25"]


@pytest.mark.parametrize(("text", "value"), [("70B", 7e10), ("1.4T", 1.4e12), ("5.76e23", 5.76e23), ("2_000", 2e3)])
def test_counts_from_people(text, value):
    assert number(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "B", "many", "nan", "inf", "1e400", "7 10"])
def test_no_counts(text):
    with pytest.raises(ValueError, match="a number such as"):
        number(text)


def test_what_is_said_can_be_read_back():
    for factor in SUFFIXES.values():
        assert number(human(1.25 * factor)) == 1.25 * factor


@pytest.mark.parametrize("room", ["decide", "report", "readers", "trust", "terminal", "identify.py"])
def test_no_number_reaches_a_person_by_another_way(room):
    """A bare format of significant digits writes 1e+23."""
    paths = [PACKAGE / room] if room.endswith(".py") else sorted((PACKAGE / room).rglob("*.py"))
    for path in paths:
        assert not re.findall(r"\{[^{}]*:[+,]?\.[1-6]g\}", path.read_text()), path.name
