"""The minimum of each budget without a parabola: noise on the losses, a smooth curve through them, its lowest point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import Akima1DInterpolator

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.allocation import Allocation, allocate
from jaxscale.protocols.columns import as_floats, option
from jaxscale.protocols.isoflop import LEAST_RUNS, slices

FINE = 513  # points of a slice's curve, evenly spaced in log size
MOST_AT_EDGE = 0.05  # share of draws with the lowest point at an end: more, and the slice holds no minimum


@dataclass(frozen=True, eq=False)
class NoisyOptima:
    """Best sizes under noise.

    Attributes:
        flops: (slices,) budgets.
        params: (draws, slices) size with the lowest loss of each noisy curve.
        at_edge: (slices,) share of draws whose lowest point is the smallest or largest size trained.
    """

    flops: np.ndarray
    params: np.ndarray
    at_edge: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """(slices,) whether the sizes trained hold the minimum in all but 5 % of draws."""
        return self.at_edge <= MOST_AT_EDGE

    def summary(self) -> pd.DataFrame:
        """A row a slice: flops, params (median), sd_log, at_edge, usable."""
        logs = np.log(self.params)
        return pd.DataFrame({"flops": self.flops, "params": np.exp(np.median(logs, axis=0)), "sd_log": _sd(logs),
                             "at_edge": self.at_edge, "usable": self.usable})  # fmt: skip

    def allocation(self) -> Allocation:
        """N*(C) through the medians of the usable slices, weighted by one over the variance.

        Raises:
            DataError: fewer than two usable slices.
        """
        rows = self.summary()[self.usable]
        return allocate(rows["flops"], rows["params"], rows["sd_log"])

    def exponents(self) -> np.ndarray:
        """(draws,) exponent a of N*(C) = N0 C^a, refitted to each draw with the weights of `allocation`.

        Raises:
            DataError: fewer than two usable slices.
        """
        self.allocation()
        x, y = np.log(self.flops[self.usable]), np.log(self.params[:, self.usable])
        sd = _sd(y)
        weight = 1.0 / sd**2 if (sd > 0).all() else np.ones_like(x)
        away = x - np.sum(weight * x) / weight.sum()
        return y @ (weight * away) / np.sum(weight * away**2)


def noisy_optima(
    flops: Any, params: Any, loss: Any, sd: Any, draws: int = 1000, seed: int = 0, tolerance: float = 0.02
) -> NoisyOptima:
    """Add normal noise to the losses of each budget, draw an Akima curve through them and take its minimum, many times.

    It assumes no shape, so it has not the bias of a parabola; in exchange its minima scatter more, and they can only
    be as good as the spacing of sizes.

    Args:
        flops, params, loss: (runs,), as in `parabolas`; runs of one size and budget are averaged.
        sd: standard deviation of a run's loss, in the unit of loss: a number, or (runs,).
        draws: noisy copies.
        seed: of the noise.
        tolerance: gap in log FLOP that parts two slices.

    Returns:
        A NoisyOptima of the slices with at least three sizes.

    Raises:
        DataError: a value cannot be used, or no slice has three sizes.
        ConfigError: an option is outside its limits.

    Source: Porian et al. 2024, arXiv 2406.19146, section 3. Their threshold for slices at the edge is not ours.
    """
    draws = int(option("noisy_optima", "draws", draws, 2, 1e7, whole=True))
    cut = slices("noisy_optima", flops, params, loss, tolerance)
    noise = as_floats("noisy_optima", "sd", sd)
    if noise.shape not in ((), np.shape(loss)) or not np.all(np.isfinite(noise) & (noise >= 0)):
        problem = Problem("no standard deviation of the losses", "sd", got=f"shape {noise.shape}",
                          expected="a number from zero, or one a run")  # fmt: skip
        raise DataError("noisy_optima", [problem])
    spread = np.broadcast_to(noise, np.shape(loss))[cut.row]
    rng = np.random.default_rng(seed)
    kept, found, edge = [], [], []
    for i, used in enumerate(cut.weight > 0):
        size, of = np.unique(cut.size[i, used], return_inverse=True)
        if len(size) < LEAST_RUNS:
            continue
        many = np.bincount(of)
        mean = np.bincount(of, weights=cut.loss[i, used]) / many
        deviation = np.sqrt(np.bincount(of, weights=spread[i, used] ** 2)) / many
        noisy = mean[:, None] + deviation[:, None] * rng.standard_normal((len(size), draws))
        best, ends = _lowest(size, noisy)
        kept.append(cut.flops[i])
        found.append(np.exp(best))
        edge.append(float(np.mean(ends)))
    if not kept:
        problem = Problem("no budget has three sizes", got=f"{len(cut.flops)} budgets", expected="three sizes at one",
                          fix="raise the tolerance, if budgets differ a little")  # fmt: skip
        raise DataError("noisy_optima", [problem])
    return NoisyOptima(np.array(kept), np.stack(found, axis=1), np.array(edge))


def _lowest(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the Akima curve through (x, y[:, draw]) is lowest, (draws,), and whether that is an end."""
    fine = np.linspace(x[0], x[-1], FINE)
    curve = np.asarray(Akima1DInterpolator(x, y)(fine))
    at = np.argmin(curve, axis=0)
    inner, each = np.clip(at, 1, FINE - 2), np.arange(y.shape[1])
    before, here, after = (curve[inner + k, each] for k in (-1, 0, 1))
    bend = before - 2.0 * here + after
    shift = np.where(bend > 0, 0.5 * (before - after) / np.where(bend > 0, bend, 1.0), 0.0)
    ends = at != inner
    return np.where(ends, fine[at], fine[inner] + np.clip(shift, -1.0, 1.0) * (fine[1] - fine[0])), ends


def _sd(logs: np.ndarray) -> np.ndarray:
    return logs.std(axis=0, ddof=1)
