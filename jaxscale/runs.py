"""Runs: a validated table of training runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.cells import fault_problems, shown, suffixes_of, to_floats
from jaxscale.errors import ConfigError, DataError, Problem
from jaxscale.meaning import meaning_problems, unit_factor
from jaxscale.names import did_you_mean
from jaxscale.variables import DERIVED, INPUTS, RESPONSES, SYMBOLS, Response, Variable
from jaxscale.words import quoted

IDENTITY = ("run_id", "run", "name")


@dataclass(frozen=True, eq=False, repr=False)
class Runs:
    """A table of training runs, one a row, with what its columns mean.

    Attributes:
        table: the rows in the order of the file, index 0..n-1; columns with a meaning are float64.
        columns: symbol or canonical name -> column, as the user gave it.
        group: the column that tells families apart, if any.
        source: the path as given, or "<DataFrame>".
        rows: line of the file of each row (the header is line 1), or position in a frame, from 0.
        units: column -> declared unit.
        excluded: rows taken out: `row`, `reason` and their values.
        notes: remarks that stop nothing, each to be said once.
    """

    table: pd.DataFrame
    columns: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    source: str = "<DataFrame>"
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    units: Mapping[str, str] = field(default_factory=dict)
    excluded: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"row": [], "reason": []}))
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        if not len(self.rows):
            object.__setattr__(self, "rows", np.arange(len(self.table)))

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        families = f", {self.table[self.group].nunique()} groups by {self.group!r}" if self.group else ""
        out = f", {len(self.excluded)} excluded" if len(self.excluded) else ""
        return f"Runs({self.source}: {len(self)} rows{families}{out})"

    def numbers(self, wanted: Mapping[str, Variable | Response]) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        """What a law needs, in its units.

        A symbol is found by the user's mapping, else under its canonical column, else derived from other columns.

        Args:
            wanted: symbol -> quantity.

        Returns:
            symbol -> float64 values, shape (n,), with "trials" for counts; and a sentence on each derived quantity.

        Raises:
            DataError: with every problem of every wanted quantity.
        """
        view = _View(self, wanted)
        found = {symbol: view.find(symbol, quantity) for symbol, quantity in wanted.items()}
        for symbol, quantity in wanted.items():
            if isinstance(quantity, Response) and quantity.trials is not None:
                found["trials"] = view.trials(quantity.trials)
                view.check_counts(symbol, found[symbol], found["trials"])
        if view.problems:
            raise DataError(self.source, sorted(view.problems, key=lambda p: -1 if p.row is None else p.row))
        return {symbol: values for symbol, values in found.items() if values is not None}, tuple(view.said)

    def label(self, i: int) -> str:
        """How to name row i to a person: "run 1B-5xC", or "row 17" where runs have no names."""
        name = next((c for c in IDENTITY if c in self.table), None)
        known = name is not None and not pd.isna(self.table[name].iloc[i])
        return f"run {self.table[name].iloc[i]}" if known else f"row {self.rows[i]}"

    def exclude(self, rows: Sequence[int] | np.ndarray | str, reason: str) -> Runs:
        """Takes rows out, and keeps them on record with the reason.

        Args:
            rows: positions, a boolean mask, or a query such as "tokens < 1e9".
            reason: why, for the report.

        Raises:
            ConfigError: no reason, no such row, or nothing left.
        """
        if not isinstance(reason, str) or not reason.strip():
            raise ConfigError("An exclusion needs a reason, which the report repeats: exclude(rows, 'diverged').")
        out = self._mask(rows)
        if not out.any():
            return replace(self, notes=(*self.notes, f"No row matches the exclusion {rows!r} ({reason.strip()})."))
        if out.all():
            raise ConfigError(f"{self.source}: excluding {rows!r} leaves no row.")
        lost = self.table.loc[out].rename(columns={"row": "row (table)", "reason": "reason (table)"})
        lost.insert(0, "row", self.rows[out])
        lost.insert(1, "reason", reason.strip())
        excluded = pd.concat([self.excluded, lost], ignore_index=True) if len(self.excluded) else lost
        return replace(self.take(np.flatnonzero(~out)), excluded=excluded.reset_index(drop=True))

    def take(self, positions: Sequence[int] | np.ndarray) -> Runs:
        """The rows at these positions, in this order."""
        positions = np.asarray(positions, np.int64)
        return replace(self, table=self.table.iloc[positions].reset_index(drop=True), rows=self.rows[positions])

    def groups(self) -> dict[str, Runs]:
        """One `Runs` a group, in the order of first appearance.

        Raises:
            ConfigError: no group column was declared.
        """
        lost = self.excluded[self.group].astype(object).map(str) if self.group in self.excluded else None
        parts = {name: self.take(at) for name, at in self.places().items()}
        if lost is None:
            return parts
        return {n: replace(p, excluded=self.excluded[lost == n].reset_index(drop=True)) for n, p in parts.items()}

    def places(self) -> dict[str, np.ndarray]:
        """Positions of the rows of each group, in the order of first appearance.

        Raises:
            ConfigError: no group column was declared.
        """
        if self.group is None:
            raise ConfigError(f"{self.source}: no group column was declared; give group='column' to read_runs.")
        names = self.table[self.group].astype(object).map(str)
        found = names.groupby(names, sort=False).indices
        return {str(name): np.asarray(found[name]) for name in names.unique()}

    def where(self, query: str) -> Runs:
        """The sub-table that a question is about, such as "corpus == 'pile'"; a choice, not an exclusion.

        Raises:
            ConfigError: the query is wrong or keeps nothing.
        """
        keep = self._mask(query)
        if not keep.any():
            raise ConfigError(f"{self.source}: no row has {query}.")
        note = f"Of {len(self)} rows, {keep.sum()} have {query}."
        return replace(self.take(np.flatnonzero(keep)), notes=(*self.notes, note))

    @cached_property
    def content_hash(self) -> str:
        """Hash of every value and of what the columns mean; the same however the file is laid out."""
        digest = hashlib.sha256(repr((sorted(self.columns.items()), self.group, sorted(self.units.items()))).encode())
        for name in sorted(self.table):
            column = self.table[name]
            number = pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype)
            digest.update(f"\x1d{name}\x1d".encode("utf-8", "surrogatepass"))
            if number:
                # + 0 makes -0 and 0 the same bytes.
                digest.update((column.to_numpy(np.float64, na_value=np.nan) + 0).tobytes())
            else:
                text = "\x1f".join("" if missing else str(v) for v, missing in zip(column, column.isna(), strict=True))
                digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    def _mask(self, rows: Any) -> np.ndarray:
        if isinstance(rows, str):
            return self._query(rows)
        chosen = np.asarray(rows)
        if chosen.dtype == bool and chosen.shape == (len(self),):
            return chosen
        whole = np.issubdtype(chosen.dtype, np.integer) or chosen.size == 0
        if chosen.ndim != 1 or not whole or np.any((chosen < 0) | (chosen >= len(self))):
            raise ConfigError(
                f"{self.source}: rows are positions from 0 to {len(self) - 1}, a mask of {len(self)} truth values, "
                f"or a query such as 'tokens < 1e9'; got {shown(rows)}."
            )
        mask = np.zeros(len(self), bool)
        mask[chosen.astype(np.int64)] = True
        return mask

    def _query(self, query: str) -> np.ndarray:
        """A pandas query, in which symbols and `row`, as error messages name it, may stand too."""
        if "@" in query or "__" in query:
            raise ConfigError(f"{self.source}: a query speaks of columns only, with no '@' and no '__': {query!r}.")
        aliases = {symbol: self.table[column] for symbol, column in self.columns.items() if column in self.table}
        aliases["row"] = pd.Series(self.rows, index=self.table.index)
        frame = self.table.assign(**{name: v for name, v in aliases.items() if name not in self.table})
        # pandas raises exceptions of many kinds, its own and Python's, for a text it cannot evaluate.
        try:
            mask = frame.eval(query, engine="python")
        except Exception as error:
            names = ", ".join(map(str, self.table.columns))
            raise ConfigError(f"{self.source}: cannot evaluate {query!r} ({error}). Columns: {names}.") from error
        if not isinstance(mask, pd.Series) or len(mask) != len(self) or not pd.api.types.is_bool_dtype(mask.dtype):
            raise ConfigError(f"{self.source}: {query!r} is not a condition; write one such as 'tokens < 1e9'.")
        return mask.to_numpy(bool, na_value=False)


class _View:
    """One reading of a table for one law: finds, converts and checks, and collects what is wrong."""

    def __init__(self, runs: Runs, wanted: Mapping[str, Variable | Response]):
        self.runs = runs
        self.problems: list[Problem] = []
        self.said: list[str] = []
        self._seen: dict[tuple[str, str], np.ndarray] = {}
        # A law's own symbols come before the usual ones: D may be fine-tuning examples.
        meant = {**SYMBOLS, **{symbol: quantity.column for symbol, quantity in wanted.items()}}
        self._mapped = {meant.get(key, key): column for key, column in reversed(list(runs.columns.items()))}
        self._by_symbol = runs.columns

    def find(self, symbol: str, quantity: Variable | Response) -> np.ndarray | None:
        """Values in the law's unit; None where there are none, with the reason among the problems."""
        if isinstance(quantity, Variable) and quantity.length:
            return self._vector(symbol, quantity)
        per = quantity.per if isinstance(quantity, Variable) else 1.0
        column = self._by_symbol.get(symbol) or self._column(quantity.column)
        if column is not None:
            values = self._read(column, quantity)
            return values if values is None or per == 1.0 else values / per
        with np.errstate(all="ignore"):
            derived = self._derive(quantity.column, frozenset())
        if derived is None:
            self.problems.append(self._absent(symbol, quantity))
        elif not self.problems and not np.all(np.isfinite(derived) & (derived > 0)):
            row = int(self.runs.rows[np.argmin(np.isfinite(derived) & (derived > 0))])
            what = f"{self.said[-1]} leaves the range of float64"
            self.problems.append(Problem(what, quantity.column, row, fix="correct the values or their units"))
        return derived if derived is None else derived / per

    def _vector(self, symbol: str, quantity: Variable) -> np.ndarray | None:
        parts = [self._read(c, quantity) for c in quantity.columns if c in self.runs.table]
        if len(parts) < quantity.length:
            names = f"{quantity.columns[0]!r} to {quantity.columns[-1]!r}"
            what = f"{quantity.length - len(parts)} of the columns for {symbol} ({quantity.meaning}) are missing"
            self.problems.append(Problem(what, quantity.columns[0], None, expected=f"columns {names}"))
            return None
        return (
            None
            if any(p is None for p in parts)
            else np.stack([p for p in parts if p is not None], axis=1) / quantity.per
        )

    def trials(self, name: str) -> np.ndarray | None:
        column = self._by_symbol.get("trials") or self._column(name)
        if column is None:
            self.problems.append(self._absent("trials", Variable(name, "trials", "trials of each count")))
            return None
        return self._read(column, Variable(name, "trials", "trials"))

    def check_counts(self, symbol: str, solved: np.ndarray | None, trials: np.ndarray | None) -> None:
        """Counts are whole, and no more is solved than was tried."""
        if solved is None or trials is None:
            return
        for i in np.flatnonzero((solved > trials) | (trials % 1 != 0)):
            got = f"{quoted(solved[i])} of {quoted(trials[i])}"
            fix = f"correct the row, or map the right columns: columns={{{symbol!r}: ..., 'trials': ...}}"
            row = int(self.runs.rows[i])
            self.problems.append(
                Problem("not a count of its trials", symbol, row, got, "whole k of whole n, k <= n", fix)
            )

    def _column(self, canonical: str) -> str | None:
        return self._mapped.get(canonical, canonical if canonical in self.runs.table else None)

    def _read(self, column: str, quantity: Variable | Response) -> np.ndarray | None:
        key = (column, quantity.column)
        if key in self._seen:
            return self._seen[key]
        unit = self.runs.units.get(column)
        factor = unit_factor(column, quantity, unit)
        if column not in self.runs.table:
            self.problems.append(Problem("mapped, but not in the table", column, fix="correct columns={...}"))
            return None
        cells = self.runs.table[column]
        values, faults = to_floats(cells, suffixes_of(quantity, unit))
        rows = self.runs.rows
        listed = {int(rows[i]): (fault, cells.iloc[i]) for i, fault in faults.items()}
        self.problems += fault_problems(column, listed, len(rows))
        self.problems += meaning_problems(column, quantity, values, rows, declared=unit is not None)
        with np.errstate(over="ignore"):
            self._seen[key] = values * factor
        for i in np.flatnonzero(np.isinf(self._seen[key])):
            fix = "correct the value or the declared unit"
            what = "a number too large for float64 in the unit of the law"
            self.problems.append(Problem(what, column, int(rows[i]), f"{quoted(values[i])} {unit}", fix=fix))
        return self._seen[key]

    def _derive(self, canonical: str, above: frozenset[str]) -> np.ndarray | None:
        """By the first rule of which every need is there, or follows from what is there."""
        above = above | {canonical}
        for needs, rule, sentence in DERIVED.get(canonical, ()):
            if above & set(needs) or not all(self._available(need, above) for need in needs):
                continue
            values = [self._need(need, above) for need in needs]
            if sentence not in self.said:
                self.said.append(sentence)
            return rule(*values) if all(v is not None for v in values) else np.full(len(self.runs), np.nan)
        return None

    def _available(self, canonical: str, above: frozenset[str]) -> bool:
        if self._column(canonical) is not None:
            return True
        above = above | {canonical}
        rules = DERIVED.get(canonical, ())
        return any(not above & set(needs) and all(self._available(n, above) for n in needs) for needs, _, _ in rules)

    def _need(self, canonical: str, above: frozenset[str]) -> np.ndarray | None:
        column = self._column(canonical)
        return self._derive(canonical, above) if column is None else self._read(column, INPUTS[canonical])

    def _absent(self, symbol: str, quantity: Variable | Response) -> Problem:
        names = [str(c) for c in self.runs.table]
        ways = [" and ".join(map(repr, needs)) for needs, _, _ in DERIVED.get(quantity.column, ())]
        expected = f"a column {quantity.column!r}" + "".join(f", or {way}" for way in ways)
        known = {*INPUTS, *RESPONSES, *self.runs.columns.values()}
        hint = did_you_mean(quantity.column, [n for n in names if n not in known])
        fix = f"{hint}rename the column, or map it with columns={{{symbol!r}: 'your column'}}"
        what = f"no column for {symbol} ({quantity.meaning})"
        return Problem(what, quantity.column, None, f"columns {', '.join(names)[:200]}", expected, fix)
