"""How the best size grows with compute: N*(C) = N0 C^a, by least squares in logarithms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import numbers

LEAST_SPREAD = 0.05  # of log C: less is one budget


@dataclass(frozen=True)
class Allocation:
    """A power law of compute, told about the middle of the budgets, where level and slope are uncorrelated.

    Attributes:
        exponent, exponent_sd: a, and its standard error.
        centre: log C of the middle.
        level, level_sd: log N* there, and its standard error.
        notes: what was assumed.
    """

    exponent: float
    exponent_sd: float
    centre: float
    level: float
    level_sd: float
    notes: tuple[str, ...] = ()

    @property
    def coefficient(self) -> float:
        """N0, the best size at one FLOP: far from any budget, so its digits are tied to those of the exponent."""
        return float(np.exp(self.level - self.exponent * self.centre))

    def predict(self, flops: Any) -> tuple[Any, Any]:
        """The best size at budgets, and the standard error of its logarithm.

        Args:
            flops: positive budgets, of any shape, in the unit of those fitted.

        Raises:
            DataError: a budget is not positive.
        """
        (flops,) = numbers("predict", "positive", ndim=None, flops=flops)
        away = np.log(flops) - self.centre
        sd = np.sqrt(self.level_sd**2 + (self.exponent_sd * away) ** 2)
        return np.exp(self.level + self.exponent * away)[()], sd[()]


def allocate(flops: Any, optimum: Any, sd_log: Any = None) -> Allocation:
    """Fit N*(C) = N0 C^a to optima found one budget at a time; works for D* as well.

    Args:
        flops: (budgets,) FLOP of each.
        optimum: (budgets,) best parameters (or tokens) of each.
        sd_log: (budgets,) standard errors of log optimum, whose inverse squares are the weights. Without them, or
            where one is missing or zero, budgets weigh alike and the scatter about the line gives the errors.

    Returns:
        An Allocation. Given errors are widened where the scatter is larger than they allow, never narrowed.

    Raises:
        DataError: fewer than two budgets, all budgets alike, or a value that is not positive.

    Source: Hoffmann et al. 2022, arXiv 2203.15556, approaches 1 and 2; weights as Porian et al. 2024,
    arXiv 2406.19146.
    """
    flops, optimum = numbers("allocate", "positive", least=2, flops=flops, optimum=optimum)
    x, y = np.log(flops), np.log(optimum)
    if np.ptp(x) < LEAST_SPREAD:
        problem = Problem("one budget has no slope", "flops", expected="budgets at least 5 % apart",
                          fix="add runs at another budget")  # fmt: skip
        raise DataError("allocate", [problem])
    weights, notes, known = np.ones_like(x), [], False
    if sd_log is not None:
        sd = np.asarray(sd_log, dtype=np.float64)
        known = sd.shape == x.shape and bool(np.all(np.isfinite(sd) & (sd > 0)))
        if known:
            weights = 1.0 / sd**2
        else:
            notes.append("Budgets weigh alike: not every optimum has a standard error above zero.")
    total = weights.sum()
    centre, level = float(np.sum(weights * x) / total), float(np.sum(weights * y) / total)
    spread = float(np.sum(weights * (x - centre) ** 2))
    exponent = float(np.sum(weights * (x - centre) * (y - level)) / spread)
    left = float(np.sum(weights * (y - level - exponent * (x - centre)) ** 2))
    free = len(x) - 2
    scatter = left / free if free else (1.0 if known else np.nan)
    if known and scatter > 1.0:
        notes.append(f"Errors widened {np.sqrt(scatter):.2g} times: optima scatter more than their own errors allow.")
    scale = max(scatter, 1.0) if known else scatter
    errors = (float(np.sqrt(scale / spread)), float(np.sqrt(scale / total)))
    return Allocation(exponent, errors[0], centre, level, errors[1], tuple(notes))
