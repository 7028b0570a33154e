"""The tables of the study: runs that follow Chinchilla's law, simulated by NumPy from a seed and their number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

import jaxscale as js

TRUTH = {"E": 1.82, "A": 482.0, "alpha": 0.348, "B": 2085.0, "beta": 0.366}
TAILS = 4  # degrees of freedom of the noise
SHARE_BAD, BAD = 0.08, 0.1  # of the rows of a dirty table; scale of what they are too high by, in log loss
Range = tuple[float, float]
WIDE: tuple[Range, Range] = (7.6, 10.2), (9.0, 12.0)  # log10 of N and of D: each term is identified
NARROW: tuple[Range, Range] = (8.6, 8.6 + np.log10(8.0)), (10.2, 11.2)  # a factor 8, a factor 10: only sums are


@dataclass(frozen=True)
class Scenario:
    """A design and its noise.

    Attributes:
        name: in the report and in the ids of fits.
        rows: of each table.
        scale: of the Student-t noise on log loss.
        design: ranges of log10 N and log10 D, uniform in them.
        dirty: whether 8 % of the losses are raised by exp(0.1 |z|), z standard normal.
    """

    name: str
    rows: int
    scale: float
    design: tuple[Range, Range] = WIDE
    dirty: bool = False


SCENARIOS = (
    Scenario("easy", 100, 0.01),
    Scenario("small", 30, 0.02),
    Scenario("narrow", 30, 0.02, NARROW),
    Scenario("dirty", 60, 0.01, dirty=True),
    Scenario("narrow_dirty", 30, 0.02, NARROW, dirty=True),
)


def simulated(scenario: Scenario, number: int, seed: int = 0) -> js.Runs:
    """Table `number` of a scenario; a run that goes wrong ends too high, never too low."""
    rng = np.random.default_rng([seed, SCENARIOS.index(scenario), number])
    size, tokens = (10 ** rng.uniform(*decades, scenario.rows) for decades in scenario.design)
    mean = TRUTH["E"] + TRUTH["A"] / size ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]
    log_loss = np.log(mean) + scenario.scale * rng.standard_t(TAILS, scenario.rows)
    if scenario.dirty:
        bad = rng.choice(scenario.rows, max(1, round(SHARE_BAD * scenario.rows)), replace=False)
        log_loss[bad] += BAD * np.abs(rng.standard_normal(len(bad)))
    return js.read_runs(pd.DataFrame({"params": size, "tokens": tokens, "loss": np.exp(log_loss)}))


def batch(scenario: Scenario, count: int, seed: int = 0) -> dict[str, js.Runs]:
    """Tables 0 to count - 1 of a scenario, by id."""
    return {f"{scenario.name}-{i}": simulated(scenario, i, seed) for i in range(count)}
