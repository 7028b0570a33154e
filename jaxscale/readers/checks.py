"""What can be wrong with a table before any law is known: runs that contradict themselves or each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.cells import shown
from jaxscale.errors import Problem
from jaxscale.meaning import unit_factor
from jaxscale.names import distance, is_slip
from jaxscale.runs import IDENTITY, Runs
from jaxscale.variables import FLOPS_PER_PARAM_TOKEN, INPUTS
from jaxscale.words import quoted

CORE = ("params", "tokens", "flops", "loss")
FLOPS_OFF = 10.0
RISING, FEWEST_TO_RISE = 0.3, 8


def near_misses(names: list[str], taken: Mapping[str, str]) -> list[Problem]:
    """Columns whose names are a slip of a canonical one that is absent.

    Args:
        names: columns of the table.
        taken: canonical name -> column that holds it.
    """
    problems = []
    for canonical in CORE:
        if canonical in taken or canonical in names:
            continue
        near = [n for n in names if n not in taken.values() and n not in INPUTS and is_slip(n, canonical)]
        for name in sorted(near, key=lambda n: distance(n, canonical))[:1]:
            symbol = {"params": "N", "tokens": "D", "flops": "C"}.get(canonical, canonical)
            fix = f"did you mean {canonical!r}? rename it, or map it with columns={{{symbol!r}: {name!r}}}"
            problems.append(Problem("nearly the name of a known column", name, None, repr(name), repr(canonical), fix))
    return problems


def flops_problems(runs: Runs) -> list[Problem]:
    """Rows whose compute is more than ten times, or less than a tenth of, 6 params tokens."""
    table = runs.table
    if not {"params", "tokens", "flops"} <= set(table):
        return []
    n, d, c = (
        table[name].to_numpy() * unit_factor(name, INPUTS[name], runs.units.get(name))
        for name in ("params", "tokens", "flops")
    )
    with np.errstate(all="ignore"):
        said = FLOPS_PER_PARAM_TOKEN * n * d
        ratio = c / said
    fix = (
        "correct the row or declare the units (units={'flops': 'PF-day'}); where the count is right, as for a mixture "
        "of experts, rename the column and map it with columns={'C': 'my_flops'}"
    )
    off = np.isfinite(ratio) & (ratio > 0) & ((ratio > FLOPS_OFF) | (ratio < 1 / FLOPS_OFF))
    return [
        Problem(
            f"compute is {quoted(ratio[i], 3)} times 6 params tokens",
            "flops",
            int(runs.rows[i]),
            f"{quoted(c[i], 4)} FLOP",
            f"about {quoted(said[i], 4)}",
            fix,
        )
        for i in np.flatnonzero(off)
    ]


def identity_problems(runs: Runs, taken: Mapping[str, str], repeated: np.ndarray) -> list[Problem]:
    """Runs with one id and two sizes, two groups, or two rows at one point of training.

    Args:
        runs: the rows to check.
        taken: canonical name -> column that holds it.
        repeated: rows equal to an earlier one in everything, which only deserve a note.
    """
    name = next((c for c in IDENTITY if c in runs.table), None)
    if name is None:
        return []
    ids = _codes(runs.table[name])
    at = np.flatnonzero((ids >= 0) & ~repeated)
    ids, first = ids[at], at[_first(ids[at])]
    problems = []
    if "params" in taken:
        fix = "give each run its own id, or correct the value"
        problems += _conflicts(runs, name, taken["params"], "another size", fix, at, first)
    if runs.group is not None:
        fix = "put each run in one group, or give each its own id"
        problems += _conflicts(runs, name, runs.group, "another group", fix, at, first)
    point = _progress(runs, taken)
    if not point and not set(taken) & set(INPUTS):
        return problems  # nothing in this table is known to tell one point of training from another
    for column in point:
        codes = _codes(runs.table[column])[at]
        ids = ids * (codes.max(initial=0) + 2) + codes + 1
        ids = np.unique(ids, return_inverse=True)[1]
    first = at[_first(ids)]
    odd = {p.row for p in problems}
    what = f"the same run at the same {' and '.join(point)}" if point else "the same run"
    fix = "give each run its own id, tell its checkpoints apart by tokens or step, rename the column if it names no run"
    for i, origin in zip(at, first, strict=True):
        row = int(runs.rows[i])
        if i != origin and row not in odd:
            out = f"{fix}, or take the row out with a reason: exclude={{'row == {row}': 'logged twice'}}"
            got = shown(runs.table[name].iloc[i])
            problems.append(Problem(f"{what} as in row {runs.rows[origin]}", name, row, got, "one row", out))
    return problems


def _progress(runs: Runs, taken: Mapping[str, str]) -> list[str]:
    """The columns that tell checkpoints of one run apart: tokens and step, else any other input."""
    usual = [taken[c] for c in ("tokens",) if c in taken] + [c for c in ("step",) if c in runs.table]
    return usual or sorted({column for c, column in taken.items() if c in INPUTS and c != "params"})


def _conflicts(
    runs: Runs, name: str, column: str, what: str, fix: str, at: np.ndarray, first: np.ndarray
) -> list[Problem]:
    """Rows `at` in which a column differs from its value in the `first` row of the same run."""
    codes, cells = _codes(runs.table[column]), runs.table[column]
    odd = (codes[at] != codes[first]) & (codes[at] >= 0) & (codes[first] >= 0)
    return [
        Problem(
            f"run {runs.table[name].iloc[i]} has {what} than in row {runs.rows[origin]}",
            column,
            int(runs.rows[i]),
            shown(cells.iloc[i]),
            shown(cells.iloc[origin]),
            fix,
        )
        for i, origin in zip(at[odd], first[odd], strict=True)
    ]


def _codes(values: Any) -> np.ndarray:
    """Equal numbers for equal cells, -1 for none; unhashable cells compare by their texts."""
    if values.dtype == object:
        values = np.array([None if gone else str(v) for v, gone in zip(values, values.isna(), strict=True)], object)
    return pd.factorize(values)[0].astype(np.int64)


def _first(codes: np.ndarray) -> np.ndarray:
    """Position of the first cell equal to each."""
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first[inverse]


def repeats(table: pd.DataFrame) -> np.ndarray:
    """Which rows equal an earlier one in every column."""
    codes = [_codes(table[c]) for c in table]
    return pd.DataFrame(dict(enumerate(codes))).duplicated().to_numpy()


def remarks(runs: Runs, taken: Mapping[str, str], repeated: np.ndarray) -> list[str]:
    """Oddities that a healthy table may have, too."""
    notes = []
    if repeated.any():
        first = runs.rows[np.flatnonzero(repeated)[0]]
        notes.append(f"{repeated.sum()} rows repeat an earlier row in every column (the first is row {first}).")
    name = next((c for c in IDENTITY if c in runs.table), None)
    named = len(set(_codes(runs.table[name]).tolist()) - {-1}) if name else 0
    if 0 < named < len(runs) - int(repeated.sum()):
        notes.append(
            f"{len(runs)} rows are checkpoints of {named} runs, and rows of one run err together. As rows of their own "
            "they give intervals that are too narrow: fit them with noise 'checkpoints', or keep the final ones."
        )
    if "loss" in taken and ("flops" in taken or {"params", "tokens"} <= set(taken)):
        held = {c: runs.table[taken[c]].to_numpy() for c in CORE if c in taken}
        compute = held["flops"] if "flops" in held else held["params"] * held["tokens"]
        known = np.isfinite(held["loss"]) & np.isfinite(compute)
        ranks = np.array([pd.Series(v[known]).rank().to_numpy() for v in (held["loss"], compute)])
        if ranks.shape[1] >= FEWEST_TO_RISE and np.ptp(ranks, axis=1).all():
            r = np.corrcoef(ranks)[0, 1]
            if r > RISING:
                notes.append(f"The loss rises with compute (rank correlation {r:.2f}); check its sign and its column.")
    return notes
