"""Where two fitted curves cross, and which of them is ahead, by draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxscale.protocols.columns import numbers
from jaxscale.protocols.curves import Curve, first_root, known_quantiles, log_grid, pair_rows


@dataclass(frozen=True, eq=False)
class Crossing:
    """Where A and B cross, by draw.

    Attributes:
        x: (S,) the first crossing in the range; NaN where there is none.
        count: (S,) crossings in the range.
        grid: (points,) of the range.
        a_below: (points,) share of draws in which A is below B: for losses, the probability that A is better. Where
            it passes through a half the ranking turns.
    """

    x: np.ndarray
    count: np.ndarray
    grid: np.ndarray
    a_below: np.ndarray

    @property
    def probability(self) -> float:
        """Share of draws that cross within the range."""
        return float(np.mean(np.isfinite(self.x)))

    def summary(self) -> dict[str, float]:
        """`probability`, and q05, q50, q95 of the crossing among the draws that have one."""
        return {"probability": self.probability, **known_quantiles(self.x)}


def crossings(a: Curve, b: Curve, low: float, high: float, seed: int = 0, paired: bool = False) -> Crossing:
    """Where two curves cross between `low` and `high`, for every draw.

    Args:
        a, b: curves of the same input and response.
        low, high: the range, positive, in the input's unit. Beyond the runs of either fit it believes the law.
        seed: of the pairing of draws.
        paired: draw i of A belongs to draw i of B, as in one joint fit; else they are independent and paired at
            random.

    Returns:
        A Crossing.

    Raises:
        ConfigError: the range is empty, or curves of unequal draws are to be paired.

    Source: the intersection of two laws in Stanic et al. 2023, The Languini Kitchen, arXiv 2309.11197; the crossover
    of Xiao 2024, Rethinking Conventional Wisdom, arXiv 2409.15156. Neither prints a posterior.
    """
    grid = log_grid("crossings", low, high)
    rows_a, rows_b = pair_rows("crossings", a, b, seed, paired)
    differ = lambda x: a.at(x, rows_a) - b.at(x, rows_b)  # noqa: E731
    values = differ(grid)
    x, count = first_root(differ, grid, values)
    return Crossing(x, count, grid, np.mean(values < 0, axis=0))


def power_crossing(a1: Any, b1: Any, a2: Any, b2: Any) -> Any:
    """Where a1 x^-b1 and a2 x^-b2 cross, floors being equal: (a1 / a2)^(1 / (b1 - b2)).

    Args:
        a1, b1, a2, b2: positive coefficients and exponents of any sign; arrays broadcast.

    Returns:
        x > 0; NaN where the exponents are equal, inf or 0 where it is beyond float64.

    Raises:
        DataError: a coefficient is not positive.
    """
    a1, a2, b1, b2 = np.broadcast_arrays(a1, a2, b1, b2)
    a1, a2 = numbers("power_crossing", "positive", ndim=None, a1=a1, a2=a2)
    b1, b2 = numbers("power_crossing", ndim=None, b1=b1, b2=b2)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
        return np.where(b1 == b2, np.nan, np.exp((np.log(a1) - np.log(a2)) / (b1 - b2)))[()]
