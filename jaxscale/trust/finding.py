"""What an examination says, and the table as it sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from jaxscale.batch import Table
from jaxscale.errors import DataError
from jaxscale.law import Law
from jaxscale.runs import IDENTITY, Runs
from jaxscale.variables import INPUTS, SYMBOLS, training_compute
from jaxscale.words import human, plain

SAME = 1e-6  # of a logarithm: closer values are one


@dataclass(frozen=True)
class Finding:
    """One thing about a table.

    Attributes:
        level: "error" (no answer possible), "warning" (the answer suffers) or "note".
        code: one word for programs.
        message: what was found, with its number and consequence.
        fix: what would mend it.
    """

    level: str
    code: str
    message: str
    fix: str = ""


def warning(code: str, message: str, fix: str) -> Finding:
    """The answer suffers."""
    return Finding("warning", code, message, fix)


def note(code: str, message: str, fix: str = "") -> Finding:
    """Worth knowing."""
    return Finding("note", code, message, fix)


@dataclass(frozen=True)
class Case:
    """A table under examination.

    Attributes:
        runs: as they were read.
        law: the law that is to be fitted.
        table: what the law sees of the runs, n rows.
    """

    runs: Runs
    law: Law
    table: Table

    @cached_property
    def known(self) -> dict[str, np.ndarray]:
        """Canonical column -> (n,) values of the law's inputs, in canonical units."""
        return self.law.by_column(self.table.x)

    @cached_property
    def compute(self) -> np.ndarray | None:
        """(n,) training FLOP; None where the law's inputs do not say."""
        return training_compute(self.known)

    def column_of(self, canonical: str) -> str | None:
        """The table's column for a canonical one; None where it has none."""
        meant = {**SYMBOLS, **{s: v.column for s, v in self.law.inputs.items()}}
        mapped = {meant.get(key, key): column for key, column in self.runs.columns.items()}
        name = mapped.get(canonical, canonical)
        return name if name in self.runs.table else None

    def given(self, canonical: str) -> np.ndarray | None:
        """(n,) values of an input in canonical units, where the table itself holds it and it can be read."""
        if self.column_of(canonical) is None:
            return None
        try:
            return self.runs.numbers({canonical: INPUTS[canonical]})[0][canonical]
        except DataError:  # the law does without it
            return None

    def text(self, column: str) -> np.ndarray:
        """(n,) cells of a column as text."""
        return self.runs.table[column].astype(object).map(str).to_numpy(str)

    def numeric(self, *names: str) -> np.ndarray | None:
        """(n,) the first of these columns that the table has, as numbers, NaN where a cell holds none."""
        name = next((n for n in names if n in self.runs.table), None)
        return None if name is None else np.asarray(pd.to_numeric(self.runs.table[name], errors="coerce"), np.float64)

    @cached_property
    def used(self) -> frozenset[str]:
        """Columns that the law reads."""
        wanted = (*(c for v in self.law.inputs.values() for c in v.columns), self.law.response.column)
        return frozenset(name for c in wanted if (name := self.column_of(c)))

    @cached_property
    def run_column(self) -> str | None:
        """The column that names runs."""
        named = self.runs.columns.get("run")
        return named if named in self.runs.table else next((c for c in IDENTITY if c in self.runs.table), None)

    @cached_property
    def trails(self) -> np.ndarray | None:
        """(n,) number of each row's run, where runs have several rows at different tokens or steps; else None."""
        along = self.known.get("tokens", self.numeric("step"))
        if self.run_column is None or along is None:
            return None
        run = np.unique(self.text(self.run_column), return_inverse=True)[1]
        return run if any(np.ptp(along[run == i]) > 0 for i in np.flatnonzero(np.bincount(run) > 1)) else None

    @cached_property
    def recipes(self) -> list[str]:
        """Columns of few values beside the law's own, in which runs of one point may differ: lr, dataset, width."""
        out = {*self.used, *IDENTITY, self.run_column, "seed"}
        names = [str(c) for c in self.runs.table if c not in out]
        return [c for c in names if 1 < len(np.unique(self.text(c))) <= len(self.table) / 2]

    @cached_property
    def point(self) -> np.ndarray:
        """(n,) number of each row's place among the distinct inputs of the law."""
        raw = [v.reshape(len(self.table), -1) for s, v in self.table.x.items() if s not in self.table.logs]
        columns = [*(v[:, None] for v in self.table.logs.values()), *raw]
        return np.unique(np.round(np.hstack(columns) / SAME), axis=0, return_inverse=True)[1].ravel()

    def run(self, change: Mapping[str, float]) -> str:
        """A run to train: "a run at N = 2B, D = 40B (4.8e20 FLOP)".

        Args:
            change: canonical column -> value; other inputs are at the median of the runs.
        """
        inputs = {v.column: s for s, v in self.law.inputs.items() if s in self.table.logs}
        at = {c: float(np.exp(np.median(np.log(self.known[c])))) for c in inputs} | dict(change)
        cost = None if "flops" in inputs else training_compute(at)
        text = ", ".join(f"{s} = {human(at[c], digits=2)}" for c, s in inputs.items())
        return f"a run at {text}" + ("" if cost is None else f" ({plain(cost, digits=2)} FLOP)")


def split(compute: float, ratio: float) -> dict[str, float]:
    """Parameters and tokens of a training compute at so many tokens per parameter, by 6 N D."""
    params = float(np.sqrt(compute / (6.0 * ratio)))
    return {"params": params, "tokens": ratio * params}
