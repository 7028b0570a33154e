"""What the world does to runs that follow a law: apart from the noise that is fitted, and never made with its code.

Each scenario is a design and a scatter of the logarithm of the loss about the law, whose truth is drawn from the
prior. The first is what most fits assume; the others are what runs are like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

SD = 0.01  # of the log loss
RUNS = 50
SIZES = (10**7.6, 10**10.2)  # parameters
TOKENS = (10**9.0, 10**12.0)
FEW, POINTS, EARLIEST = 12, 40, 1 / 20  # checkpointed runs, checkpoints of each, the first one's share of its tokens
RUN_SD, STEP_SD = 0.01, 0.002

Scatter = Callable[[np.random.Generator, int, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scenario:
    """A world.

    Attributes:
        what: for people.
        scatter: (generator, tables, (rows,) number of each row's run) -> (tables, rows) of log loss about the law.
        fitted: noises that are tried on it, by name.
        checkpoints: whether rows are checkpoints of few runs.
    """

    what: str
    scatter: Scatter
    fitted: tuple[str, ...]
    checkpoints: bool = False

    def frame(self) -> pd.DataFrame:
        """The design: params, tokens, and run of checkpoints. Sizes and tokens vary apart, evenly in their logs."""
        count = FEW if self.checkpoints else RUNS
        step = 1.0 / 1.3247179572447460  # additive recurrence of two dimensions
        away = [(0.5 + np.arange(1, count + 1) * step**j) % 1.0 for j in (1, 2)]
        ends = zip(away, (SIZES, TOKENS), strict=True)
        params, tokens = (low * (high / low) ** a for a, (low, high) in ends)
        if not self.checkpoints:
            return pd.DataFrame({"params": params, "tokens": tokens})
        share = np.geomspace(EARLIEST, 1.0, POINTS)
        return pd.DataFrame({
            "params": np.repeat(params, POINTS), "tokens": (tokens[:, None] * share).ravel(),
            "run": np.repeat([f"run {i}" for i in range(FEW)], POINTS),
        })  # fmt: skip

    def runs(self) -> np.ndarray:
        """(rows,) number of the run that each row belongs to."""
        return np.repeat(np.arange(FEW), POINTS) if self.checkpoints else np.arange(RUNS)


def gaussian(rng: np.random.Generator, tables: int, runs: np.ndarray) -> np.ndarray:
    """Normal."""
    return SD * rng.standard_normal((tables, len(runs)))


def student(rng: np.random.Generator, tables: int, runs: np.ndarray) -> np.ndarray:
    """Student-t with three degrees of freedom, SD its scale."""
    return SD * rng.standard_t(3.0, (tables, len(runs)))


def outliers(share: float, times: float = 10.0) -> Scatter:
    """Normal, but this share of the rows `times` as wide."""

    def scatter(rng: np.random.Generator, tables: int, runs: np.ndarray) -> np.ndarray:
        wide = np.where(rng.random((tables, len(runs))) < share, times, 1.0)
        return gaussian(rng, tables, runs) * wide

    return scatter


def under_tuned(share: float, excess: float = 0.08) -> Scatter:
    """Normal, and this share of the runs worse by an exponential excess of this mean: the law is the frontier."""

    def scatter(rng: np.random.Generator, tables: int, runs: np.ndarray) -> np.ndarray:
        worse = rng.random((tables, len(runs))) < share
        return gaussian(rng, tables, runs) + np.where(worse, rng.exponential(excess, worse.shape), 0.0)

    return scatter


def checkpoints(rng: np.random.Generator, tables: int, runs: np.ndarray) -> np.ndarray:
    """What a run has for all its checkpoints, and what each has for itself."""
    whole = RUN_SD * rng.standard_normal((tables, runs.max() + 1))
    return whole[:, runs] + STEP_SD * rng.standard_normal((tables, len(runs)))


SCENARIOS: Mapping[str, Scenario] = {
    "clean": Scenario("normal, sd 1 %", gaussian, ("student_t", "normal", "outliers", "heteroscedastic")),
    "t3": Scenario("Student-t(3), scale 1 %", student, ("student_t", "normal", "outliers")),
    "outliers 8": Scenario("8 % of the runs ten times as wide", outliers(0.08), ("student_t", "normal", "outliers")),
    "under-tuned 8": Scenario("8 % of the runs worse by 8 % on average", under_tuned(0.08),
                              ("student_t", "normal", "outliers", "frontier")),
    "under-tuned 20": Scenario("20 % of the runs worse by 8 % on average", under_tuned(0.2),
                               ("student_t", "normal", "outliers", "frontier")),
    "checkpoints": Scenario("12 runs of 40 checkpoints, run sd 1 %, step sd 0.2 %", checkpoints,
                            ("checkpoints", "student_t"), checkpoints=True),
}  # fmt: skip
