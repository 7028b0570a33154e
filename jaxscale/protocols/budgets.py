"""How much budget one curve needs to do what another does: compute saved, rollouts at equal accuracy.

A ratio of budgets means nothing where the curves do not overlap: it is NaN there, and the share of draws that have
one is given beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.protocols.columns import numbers
from jaxscale.protocols.curves import Curve, first_root, known_quantiles, log_grid, pair_rows
from jaxscale.summary import QUANTILES


@dataclass(frozen=True, eq=False)
class Ratio:
    """Budget of A over budget of B, by draw and level.

    Attributes:
        levels: (L,) what was asked: levels of the response, or budgets of B.
        a, b: (S, L) budgets; NaN where the curve does not reach the level in the range.
        ratio: (S, L) a / b; above 1, B needs less.
        defined: (L,) share of draws in which both budgets exist.
    """

    levels: np.ndarray
    a: np.ndarray
    b: np.ndarray

    @property
    def ratio(self) -> np.ndarray:  # noqa: D102
        return self.a / self.b

    @property
    def defined(self) -> np.ndarray:  # noqa: D102
        return np.isfinite(self.ratio).mean(axis=0)

    def summary(self) -> pd.DataFrame:
        """A row a level: level, q05, q50, q95 of the ratio among the draws that have one, and defined, their share."""
        rows = [known_quantiles(column) for column in self.ratio.T]
        return pd.DataFrame(rows, columns=list(QUANTILES)).assign(defined=self.defined).set_index(
            pd.Index(self.levels, name="level"))  # fmt: skip


def savings(a: Curve, b: Curve, levels: Any, low: float, high: float, seed: int = 0, paired: bool = False) -> Ratio:
    """S(q) = g_A^-1(q) / g_B^-1(q): how many times the budget of B does A need to reach level q?

    Args:
        a, b: curves of the same budget and response, monotone over the range; of several budgets that reach a level
            the smallest counts.
        levels: (L,) levels of the response.
        low, high, seed, paired: as in `crossings`.

    Returns:
        A Ratio.

    Raises:
        DataError: a level is not finite.
        ConfigError: as `crossings`.

    Source: compute saved at equal quality, as UL2R reports it (Tay et al. 2022, arXiv 2210.11399); the size curves
    before and after specialisation in Fu et al. 2023, arXiv 2301.12726.
    """
    (levels,) = numbers("savings", levels=np.atleast_1d(levels))
    grid = log_grid("savings", low, high)
    rows = pair_rows("savings", a, b, seed, paired)
    found = [_reach(c, r, grid, np.broadcast_to(levels, (len(r), len(levels))))
             for c, r in zip((a, b), rows, strict=True)]  # fmt: skip
    return Ratio(levels, *found)


def equivalent_budget(
    a: Curve, b: Curve, budgets: Any, low: float, high: float, seed: int = 0, paired: bool = False
) -> Ratio:
    """The budget with which A does what B does with each of `budgets`, and its ratio to that budget.

    The same as `savings`, at the levels that B has there, which differ by draw.

    Args:
        budgets: (L,) positive budgets of B, anywhere.
        a, b, low, high, seed, paired: as in `savings`; A is searched from low to high.

    Returns:
        A Ratio whose levels are `budgets`.

    Raises:
        DataError: a budget is not positive.
        ConfigError: as `crossings`.

    Source: accuracy at equal rollouts in Puri et al. 2025, arXiv 2502.01618.
    """
    (budgets,) = numbers("equivalent_budget", "positive", budgets=np.atleast_1d(budgets))
    grid = log_grid("equivalent_budget", low, high)
    rows_a, rows_b = pair_rows("equivalent_budget", a, b, seed, paired)
    needed = _reach(a, rows_a, grid, b.at(budgets, rows_b))
    return Ratio(budgets, needed, np.broadcast_to(budgets, needed.shape))


def _reach(curve: Curve, rows: np.ndarray, grid: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Smallest x of the grid's range at which each draw reaches each of its levels (rows, L); NaN where none."""
    values = curve.at(grid, rows)
    out = [first_root(lambda x, q=q: curve.at(x, rows) - q[:, None], grid, values - q[:, None])[0] for q in levels.T]
    return np.stack(out, axis=1)
