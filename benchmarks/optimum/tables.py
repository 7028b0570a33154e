"""The tables of the check: runs that follow Chinchilla's law, simulated by NumPy from a seed and their number.

Any first part of the tables holds the scenarios in their shares, so a short run is a fair sample of the long one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TRUTH = {"E": 1.82, "A": 482.0, "alpha": 0.348, "B": 2085.0, "beta": 0.366}
NU = 4.0
SHARE_BAD, BAD = 0.08, (0.05, 0.3)  # of the rows of a table with outliers; how far in log loss
EVERY_BAD = 10  # one table in so many has outliers


@dataclass(frozen=True)
class Scenario:
    """A design and its noise: rows, scale of the Student-t noise on log loss, ranges of log10 N and log10 D."""

    name: str
    rows: int
    scale: float
    size: tuple[float, float] = (7.6, 10.2)
    data: tuple[float, float] = (9.0, 12.0)


WELL = Scenario("well identified, n=245, 0.005", 245, 0.005)
MEDIUM = Scenario("n=100, 0.01", 100, 0.01)
SMALL = Scenario("n=30, 0.02", 30, 0.02)
NARROW = Scenario("narrow, n=30, 0.02", 30, 0.02, (8.6, 8.6 + np.log10(8.0)), (10.2, 11.2))
MIXTURE = (WELL, MEDIUM, WELL, SMALL, NARROW)  # table i is of kind i mod 5
SCENARIOS = (WELL, MEDIUM, SMALL, NARROW)


@dataclass(frozen=True)
class Simulated:
    """One table: (n,) parameters, tokens and loss."""

    number: int
    scenario: Scenario
    outliers: bool
    params: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray


def simulated(number: int, seed: int = 0) -> Simulated:
    """Table `number` of the check."""
    scenario = MIXTURE[number % len(MIXTURE)]
    outliers = number // len(MIXTURE) % EVERY_BAD == 0
    rng = np.random.default_rng([seed, number])
    params = 10 ** rng.uniform(*scenario.size, scenario.rows)
    tokens = 10 ** rng.uniform(*scenario.data, scenario.rows)
    mean = TRUTH["E"] + TRUTH["A"] / params ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]
    log_loss = np.log(mean) + scenario.scale * rng.standard_t(NU, scenario.rows)
    if outliers:
        bad = rng.choice(scenario.rows, round(SHARE_BAD * scenario.rows), replace=False)
        log_loss[bad] += rng.choice([-1.0, 1.0], len(bad)) * rng.uniform(*BAD, len(bad))
    return Simulated(number, scenario, outliers, params, tokens, np.exp(log_loss))
