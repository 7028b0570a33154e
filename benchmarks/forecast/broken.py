"""BNSL with one break as Caballero et al. fit it (arXiv 2210.14891): a grid, then least squares on log(y + 1).

    y = a + b x^-c0 (1 + (x / d)^(1 / f))^(-c1 f)

Their grid of b and d is for their example's x; here d's is laid over the curve's own x and b is solved at each node,
which is a finer grid. Their last step starts from the best node; here from the best STARTS, and the best end is taken.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import least_squares

STARTS = 4
FLOORS = np.arange(0.0, 1.0, 0.1)  # shares of the least y
EXPONENTS = np.arange(0.0, 1.0, 0.25)
BREAKS = 16
WIDTHS = (0.05, 0.25, 0.5, 0.75)


def bnsl(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of one curve (points,), the value at other x; NaN where the fit falls below zero."""
    middle = np.log(x).mean()
    log_x, target = np.log(x) - middle, np.log1p(y)
    places = np.linspace(log_x[0], log_x[-1] + np.log(2.0), BREAKS)
    nodes = np.array([(c0, c1, d, f) for c0, c1, d, f in itertools.product(EXPONENTS, EXPONENTS, places, WIDTHS)])
    shape = _shape(nodes[:, :, None], log_x)  # (nodes, points)
    starts = []
    for floor in FLOORS * y.min():
        log_b = np.mean(np.log(y - floor)[None] - shape, axis=1)
        misfit = np.mean((np.log1p(floor + np.exp(log_b[:, None] + shape)) - target) ** 2, axis=1)
        best = np.argsort(misfit)[:STARTS]
        starts += [(misfit[i], np.array([floor, log_b[i], *nodes[i, :3], np.log(nodes[i, 3])])) for i in best]

    def residual(p: np.ndarray) -> np.ndarray:
        return np.log1p(np.maximum(_value(p, log_x), -0.999)) - target

    starts = [p for _, p in sorted(starts, key=lambda s: s[0])[:STARTS]]
    ends = [least_squares(residual, p, method="lm" if len(x) >= 6 else "trf", max_nfev=1500) for p in starts]
    found = _value(min(ends, key=lambda e: e.cost).x, np.log(at) - middle)
    return np.where(found > 0.0, found, np.nan)


def _shape(nodes: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    c0, c1, d, f = np.moveaxis(nodes, -2, 0)
    return -c0 * log_x - c1 * f * np.logaddexp(0.0, (log_x - d) / f)


def _value(p: np.ndarray, log_x: np.ndarray) -> np.ndarray:
    a, log_b, c0, c1, d, log_f = p
    nodes = np.array([c0, c1, d, np.exp(np.clip(log_f, -8.0, 4.0))])[:, None]
    return a + np.exp(np.clip(log_b + _shape(nodes, log_x), -700.0, 700.0))
