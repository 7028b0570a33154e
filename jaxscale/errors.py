"""What can go wrong, said to a person: what, where, got, expected, how to fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

MOST_PROBLEMS = 50


class JaxscaleError(Exception):
    """Base of every error that jaxscale raises on purpose."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one table.

    `row` is the line of the file as an editor numbers it (the header is line 1), or the
    position in a DataFrame; None where the problem is not of one row.
    """

    what: str
    column: str | None = None
    row: int | None = None
    got: str | None = None
    expected: str | None = None
    fix: str | None = None

    def __str__(self) -> str:
        place = [] if self.row is None else [f"row {self.row}"]
        place += [] if self.column is None else [f"column {self.column!r}"]
        text = f"{', '.join(place)}: {self.what}" if place else self.what
        text += f"; got {self.got}" if self.got is not None else ""
        text += f"; expected {self.expected}" if self.expected is not None else ""
        return text + (f". Fix: {self.fix}" if self.fix is not None else ".")


class DataError(JaxscaleError):
    """A table cannot be read or used. Lists every problem found, at most 50 of them in the text."""

    def __init__(self, source: str, problems: Sequence[Problem]):
        self.source = source
        self.problems = tuple(problems)
        lines = [f"  {p}" for p in self.problems[:MOST_PROBLEMS]]
        more = len(self.problems) - MOST_PROBLEMS
        lines += [f"  ... and {more} more."] if more > 0 else []
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{source}: {count}\n" + "\n".join(lines))

    def __reduce__(self):
        return type(self), (self.source, self.problems)

    def as_dict(self) -> dict:
        """The same as plain data, for `--json`."""
        return {"source": self.source, "problems": [asdict(p) for p in self.problems]}


class LawError(JaxscaleError):
    """A law is unknown, or its definition does not hold together."""


class PlanError(JaxscaleError):
    """A decision cannot be given; the text says why and what would help."""


class ConfigError(JaxscaleError):
    """An option or a configuration file asks for something that does not exist."""
