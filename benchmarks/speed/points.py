"""Peers that give a point: simple-scaling-laws (with and without its bootstrap), chinchilla, and SciPy from a grid."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from clock import Clock

Table = tuple[np.ndarray, np.ndarray, np.ndarray]
Record = dict[str, Any]
LAW = ("E", "alpha", "beta")  # what every peer reports in the same units
TARGET = "test_loss__cross_entropy"
HUBER = 1e-3


def simple_scaling_laws_point(seed: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """Its least squares alone. `fit` always resamples, so one draw is asked for; the inner routine is timed too."""
    return _simple_scaling_laws(seed, draws=1)


def simple_scaling_laws_bootstrap(seed: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """The same with its default of 1 000 bootstrap refits."""
    return _simple_scaling_laws(seed, draws=1000)


def _simple_scaling_laws(seed: int, draws: int) -> tuple[Callable[[Table], Record], Record]:
    import polars as pl  # pyright: ignore[reportMissingImports]
    import simple_scaling_laws as library  # pyright: ignore[reportMissingImports]

    def fit(table: Table) -> Record:
        names = ("model_size__n_params", "dataset_size__n_tokens", TARGET)
        columns = dict(zip(names, table, strict=True))
        frame = pl.DataFrame({"training_run_id": [str(k) for k in range(len(table[0]))], **columns})
        clock = Clock()
        model = library.fit(frame, n_draws=draws, seed=seed)
        spent = clock.read()
        found = {p: float(model.params(TARGET)[p]) for p in LAW}
        record = {**spent, "estimate": found, "objective": float(model.fits[TARGET].optimizer["cost"])}
        if draws == 1:
            return record
        drawn = dict(zip(model.law.param_names, model.draws[TARGET].params.T, strict=True))
        moments = {
            "mean": {p: float(drawn[p].mean()) for p in LAW},
            "sd": {p: float(drawn[p].std(ddof=1)) for p in LAW},
        }
        # Refits are independent of each other: each counts as an effective draw.
        return {
            **record,
            **moments,
            "draws": draws,
            "ess_bulk": float(draws),
            "failed": int(model.fits[TARGET].n_failed_draws),
        }

    return fit, {"settings": f"fit(n_draws={draws})", "objective": "half the sum of squares of the loss"}


def chinchilla(starts: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """BFGS from each of the 3 125 points of the grid in its README, in its own pool of processes.

    The package has no grid of its own to fall back on. Its default objective is kept too, a mean absolute error that
    counts losses below the curve ten times. `starts` would thin the grid; 0 keeps all of it.
    """
    import pandas as pd
    from chinchilla import Chinchilla  # pyright: ignore[reportMissingImports, reportAttributeAccessIssue]

    each = 5 if starts == 0 else max(2, round(starts**0.2))
    amounts, exponents = np.linspace(1, 10, each), np.linspace(0.1, 0.7, each)
    grid = {"E": np.linspace(1, 2, each), "a": amounts, "b": amounts, "alpha": exponents, "beta": exponents}

    def fit(table: Table) -> Record:
        size, tokens, loss = table
        with tempfile.TemporaryDirectory() as folder:
            frame = pd.DataFrame({"C": 6 * size * tokens, "N": size, "D": tokens, "loss": loss})
            frame.to_csv(Path(folder) / "df.csv", index=False)
            clock = Clock()
            fitter = Chinchilla(folder, param_grid=grid, log_level=40)
            fitter.fit()
            spent = clock.read()
            objective = float(fitter.loss_fn(loss.copy(), fitter.predict_loss(size, tokens)).mean())
        return {**spent, "estimate": {p: float(fitter.params[p]) for p in LAW}, "objective": objective}

    return fit, {"settings": f"{each**5} starts, BFGS, long doubles", "objective": "mean asymmetric absolute error"}


def scipy_grid(seed: int, starts: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """The paper's fit: L-BFGS from 4 500 starts on the Huber loss of logs, 1e-3 wide, with its exact gradient.

    A sample of the starts is run, and its seconds are scaled to all of them (400 come within 12 % of the truth);
    `starts=0` runs all. Tolerances are SciPy's defaults; they reach the optimum that jaxscale's own Huber fit reaches.
    """
    from scipy.optimize import minimize

    exponents, amounts = np.arange(0, 2.01, 0.5), np.arange(0, 25.1, 5)
    grid = np.array(list(itertools.product(np.arange(-1, 1.01, 0.5), amounts, amounts, exponents, exponents)))
    rng = np.random.default_rng(seed)
    sample = grid if starts == 0 else grid[rng.choice(len(grid), min(starts, len(grid)), replace=False)]

    def fit(table: Table) -> Record:
        data = tuple(np.log(column) for column in table)
        clock = Clock()
        results = [minimize(huber, start, args=data, jac=True, method="L-BFGS-B") for start in sample]
        spent = {k: v * len(grid) / len(sample) for k, v in clock.read().items()}
        best = min(results, key=lambda r: r.fun)
        estimate = dict(zip(("E", "alpha", "beta"), (float(v) for v in (np.exp(best.x[0]), *best.x[3:])), strict=True))
        near = float(np.mean([r.fun < 1.001 * best.fun for r in results]))
        return {**spent, "estimate": estimate, "objective": float(best.fun), "starts_within_a_permille": near}

    settings = f"{len(sample)} of {len(grid)} starts run, seconds scaled to all, L-BFGS-B with an exact gradient"
    return fit, {"settings": settings, "scaled_from_starts": len(sample), "objective": "sum of Huber losses of logs"}


def huber(x: np.ndarray, size: np.ndarray, tokens: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The paper's objective at x = (log E, log A, log B, alpha, beta), and its gradient."""
    terms = np.stack([np.full_like(y, x[0]), x[1] - x[3] * size, x[2] - x[4] * tokens])
    top = terms.max(axis=0)
    shares = np.exp(terms - top)
    total = shares.sum(axis=0)
    error = top + np.log(total) - y
    slope = np.clip(error, -HUBER, HUBER)
    value = np.sum(slope * (error - slope / 2))  # error^2 / 2 inside the width, linear outside
    pulls = slope * shares / total
    return float(value), np.array([*pulls.sum(axis=1), -pulls[1] @ size, -pulls[2] @ tokens])
