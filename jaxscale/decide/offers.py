"""Runs that could be bought: where they lie and what each costs."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.errors import JaxscaleError, PlanError
from jaxscale.readers import read_runs
from jaxscale.result import Fit
from jaxscale.variables import FLOPS, SYMBOLS, training_compute
from jaxscale.words import plain, quoted

COST = "cost"
STEPS = 24  # of a grid in each of two inputs
MOST = 2000  # of a grid in more
BEYOND = 4.0  # times the largest value in the table: how far a grid reaches, where the money does
RATIO = 2.0  # beyond the ratios of inputs in the table
MOST_CANDIDATES = 100_000


@dataclass(frozen=True)
class Candidates:
    """Runs that could be bought.

    Attributes:
        inputs: symbol -> (runs,) or (runs, length), in the law's units.
        cost: (runs,), in the unit of `spend`.
        label: (runs,) the row label that each had in the table given.
        notes: what was derived or left out.
        unit: of the cost; empty where only the asker knows.
    """

    inputs: Mapping[str, np.ndarray]
    cost: np.ndarray
    label: np.ndarray
    notes: tuple[str, ...]
    unit: str

    def __len__(self) -> int:
        return len(self.cost)

    def take(self, rows: np.ndarray) -> Candidates:
        """Some of them."""
        inputs = {s: v[rows] for s, v in self.inputs.items()}
        return Candidates(inputs, self.cost[rows], self.label[rows], self.notes, self.unit)

    def shown(self, fit: Fit) -> dict[str, np.ndarray]:
        """Inputs by symbol as tables and queries state them, vectors spread over columns."""
        found: dict[str, np.ndarray] = {}
        for symbol, v in fit.law.inputs.items():
            values = self.inputs[symbol] * v.per
            found |= {c: values[:, j] for j, c in enumerate(v.columns)} if v.length else {symbol: values}
        return found


def candidates_of(fit: Fit, given: Any, spend: float) -> Candidates:
    """Candidates as a user gives them, without those that cannot be paid or lie where the law means nothing.

    Args:
        fit: names the inputs.
        given: a DataFrame or a path, with the law's symbols or columns and `cost`; None for a grid about the data.
        spend: the most that one may cost.

    Raises:
        PlanError: an input or the cost is missing or no positive number, or none can be paid.
    """
    frame = _grid(fit) if given is None else _frame(given)
    if not len(frame):
        raise PlanError("There are no candidates: expected a table with one row a run that could be bought.")
    if len(frame) > MOST_CANDIDATES:
        raise PlanError(f"{len(frame)} candidates are more than can be weighed; give at most {MOST_CANDIDATES}.")
    named = {*SYMBOLS, *fit.law.inputs, *SYMBOLS.values()}.union(*(v.columns for v in fit.law.inputs.values()))
    try:
        asked = pd.DataFrame({str(c): frame[c].to_numpy() for c in frame.columns if c in named})
        inputs, said = fit.inputs_at(asked)
    except JaxscaleError as error:
        raise PlanError(f"The candidates cannot be used. {error}") from None
    cost, priced = _cost(fit, frame, inputs)
    notes = [*(f"Of candidates {text}." for text in said), *priced]
    whole = Candidates(inputs, cost, frame.index.to_numpy(), tuple(notes), FLOPS.unit if priced else "")
    inside = _inside(fit, inputs)
    if not inside.any():
        raise PlanError(f"All candidates lie where {fit.law.name} means nothing: {_box(fit)}.")
    paid = inside & (cost <= spend)
    if not paid.any():
        raise PlanError(
            f"No candidate can be paid: the cheapest costs {plain(cost[inside].min())} and there is {plain(spend)} to "
            "spend. Offer smaller runs, or spend more."
        )
    if lost := int(np.sum(~inside)):
        notes.append(f"{lost} candidates lie where {fit.law.name} means nothing and were left out: {_box(fit)}.")
    if given is not None and (dear := int(np.sum(inside & ~paid))):
        notes.append(f"{dear} of {len(cost)} candidates cost more than there is to spend.")
    found = whole.take(np.flatnonzero(paid))
    return Candidates(found.inputs, found.cost, found.label, tuple(notes), found.unit)


def _frame(given: Any) -> pd.DataFrame:
    if isinstance(given, str | os.PathLike):
        return read_runs(given).table
    if isinstance(given, pd.DataFrame):
        return given
    if isinstance(given, Mapping):
        return pd.DataFrame(dict(given))
    raise PlanError(f"Candidates are a DataFrame, a mapping of columns or the path of a table; got {type(given)!r}.")


def _cost(fit: Fit, frame: pd.DataFrame, inputs: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """What each costs, and a sentence where that was not said."""
    if COST not in frame:
        flops = training_compute(fit.law.by_column(inputs))
        if flops is None:
            raise PlanError(
                f"The candidates have no column {COST!r}, and {', '.join(fit.law.inputs)} do not say what a run costs. "
                f"Add {COST!r}, in the unit of `spend`."
            )
        return np.asarray(flops, float), ["A run is priced by its training compute, in FLOP."]
    cost = np.asarray(pd.to_numeric(frame[COST], errors="coerce"), float)
    if (bad := np.flatnonzero(~(np.isfinite(cost) & (cost > 0)))).size:
        got = frame[COST].iloc[bad[0]]
        got = quoted(got) if isinstance(got, float) else repr(got)
        raise PlanError(
            f"The candidates cannot be used: {COST} in row {frame.index[bad[0]]} is {got}; expected a number above 0."
        )
    return cost, []


def _inside(fit: Fit, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    inside = np.ones(len(next(iter(inputs.values()))), bool)
    for symbol, (low, high) in fit.law.box.items():
        inside &= (inputs[symbol] >= low) & (inputs[symbol] <= high)
    return inside


def _box(fit: Fit) -> str:
    return ", ".join(
        f"{s} from {plain(low * fit.law.inputs[s].per)} to {plain(high * fit.law.inputs[s].per)}"
        for s, (low, high) in fit.law.box.items()
    )


def _grid(fit: Fit) -> pd.DataFrame:
    """Values of each input from the least in the table to some way beyond the largest, in every combination whose
    ratios of one input to another are about those of the table: of a model 200 times larger than its data the law
    knows nothing."""
    data = fit.data["constant_data"].to_dataset()
    axes: dict[str, np.ndarray] = {}
    seen: dict[str, np.ndarray] = {}
    count = STEPS if len(fit.law.inputs) <= 2 else max(2, int(MOST ** (1.0 / len(fit.law.inputs))))
    for symbol, v in fit.law.inputs.items():
        if v.length or v.axis != "log":
            raise PlanError(
                f"Which runs of {fit.law.name} could be bought is not for a grid to say, as {symbol} is no size. Give "
                "candidates: a table with the law's inputs and `cost`."
            )
        seen[symbol] = data[symbol].to_numpy() * v.per
        high = BEYOND * seen[symbol].max()
        axes[symbol] = np.geomspace(seen[symbol].min(), high if v.span is None else min(high, v.span[1]), count)
    grid = pd.DataFrame(itertools.product(*axes.values()), columns=list(axes))
    usual = np.ones(len(grid), bool)
    for one, other in itertools.combinations(axes, 2):
        ratio, known = grid[other] / grid[one], seen[other] / seen[one]
        usual &= (ratio >= known.min() / RATIO).to_numpy() & (ratio <= known.max() * RATIO).to_numpy()
    return grid.loc[usual].reset_index(drop=True)
