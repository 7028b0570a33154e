"""The Huber optimum of Chinchilla's law by NumPy and SciPy alone: nothing here knows of jaxscale or JAX.

The law is written L = e + a exp(-alpha n) + b exp(-beta d), with n and d the logarithms of N and D above their
smallest values. Amounts stay of order one however steep an exponent, so every limit of the law (no floor, no term, a
term that only the smallest run feels) is a finite point or one with a vanishing gradient, never an overflow.

Search: amounts by non-negative reweighted least squares on a grid of exponents; the best node of each of sixteen
blocks starts L-BFGS-B on (e, a, b, log alpha, log beta) with bounds; the best ends that differ are polished by damped
Newton with the exact Hessian in logs, amounts that are zero left out.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from newton import Parts, newton
from scipy.optimize import minimize
from tables import Simulated

DELTA = 1e-3
EXPONENTS = np.concatenate([np.geomspace(0.02, 2.0, 12), [3.0, 6.0, 12.0, 24.0]])
BLOCKS = 4  # a side
REWEIGHTED = 6
LEAST, LARGEST = 1e-4, 709.0  # exponent; logarithm of N^alpha and D^beta at the table's centre: float64 ends there
ZERO = 1e-10  # an amount below this is none
FLAT, STEEP = 0.01, 5.0  # exponents that are named: a term nearly constant, one that the smallest run alone feels
POLISHED, DISTINCT = 4, 1e-9  # ends that are polished, and how far apart they are, relative
SUPPORTS = np.array([s for s in itertools.product((False, True), repeat=3) if any(s)])


@dataclass(frozen=True)
class Data:
    """Log inputs above their smallest values, and log loss, each (n,); the largest alpha and beta."""

    n: np.ndarray
    d: np.ndarray
    y: np.ndarray
    steepest: tuple[float, float]


@dataclass(frozen=True)
class Best:
    """What a search found.

    Attributes:
        value: the summed loss.
        place: (5,) e, a, b, alpha, beta.
        agree: share of the starts that ended within 1e-3 of the best: of its value for Huber, absolute for a mode.
        left: the squared Newton decrement there, relative to the value for Huber.
    """

    value: float
    place: np.ndarray
    agree: float
    left: float


def data_of(table: Simulated) -> Data:
    """The numbers of one table."""
    n, d = np.log(table.params), np.log(table.tokens)
    return Data(n - n.min(), d - d.min(), np.log(table.loss), (LARGEST / n.mean(), LARGEST / d.mean()))


def summed(r: np.ndarray) -> np.ndarray:
    """Huber's loss summed over the last axis."""
    size = np.abs(r)
    small = np.minimum(size, DELTA)
    return (small * (size - 0.5 * small)).sum(axis=-1)


def value_slope(theta: np.ndarray, data: Data) -> tuple[float, np.ndarray]:
    """Loss and gradient at (e, a, b, log alpha, log beta)."""
    alpha, beta = np.exp(theta[3:])
    x, z = np.exp(-alpha * data.n), np.exp(-beta * data.d)
    mean = np.maximum(theta[0] + theta[1] * x + theta[2] * z, 1e-12)
    r = data.y - np.log(mean)
    g = -np.clip(r, -DELTA, DELTA) / mean
    gx, gz = g * x, g * z
    steep = (-alpha * theta[1] * (gx @ data.n), -beta * theta[2] * (gz @ data.d))
    return float(summed(r)), np.array([g.sum(), gx.sum(), gz.sum(), *steep])


def in_logs(q: np.ndarray, data: Data) -> Parts:
    """Loss, gradient and Hessian at (log e, log a, log b, log alpha, log beta)."""
    with np.errstate(over="ignore"):
        e, a, b, alpha, beta = np.exp(np.minimum(q, 50.0))
    n, d = alpha * data.n, beta * data.d
    x, z = a * np.exp(-n), b * np.exp(-d)
    mean = e + x + z
    r = data.y - np.log(np.maximum(mean, 1e-300))
    inside = np.abs(r) < DELTA
    psi = np.clip(r, -DELTA, DELTA)
    g = -psi / mean
    slopes = np.stack([np.full_like(x, e), x, z, -n * x, -d * z])
    gradient = slopes @ g
    hessian = (slopes * ((inside + psi) / mean**2)) @ slopes.T
    hessian[[0, 1, 2], [0, 1, 2]] += gradient[:3]
    for amount, power, steps, part in ((1, 3, n, x), (2, 4, d, z)):
        hessian[amount, power] += gradient[power]
        hessian[power, amount] += gradient[power]
        hessian[power, power] += g @ (part * (steps * steps - steps))
    return float(summed(r)), gradient, hessian


def projected(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Loss (16, 16) and (e, a, b) (16, 16, 3) of every pair of exponents."""
    x = np.exp(-EXPONENTS[:, None] * data.n)
    z = np.exp(-EXPONENTS[:, None] * data.d)
    side, rows = len(EXPONENTS), len(data.y)
    basis = np.empty((side, side, 3, rows))
    basis[:, :, 0], basis[:, :, 1], basis[:, :, 2] = 1.0, x[:, None], z[None]
    basis = basis.reshape(-1, 3, rows)
    y = np.exp(data.y)
    weight = np.broadcast_to(1.0 / (y * y), (len(basis), rows))
    for _ in range(REWEIGHTED):
        weighted = basis * weight[:, None]
        amounts = non_negative(weighted @ basis.transpose(0, 2, 1), weighted @ y)
        mean = np.maximum(np.einsum("gk,gkn->gn", amounts, basis), 1e-12)
        r = data.y - np.log(mean)
        weight = np.minimum(1.0, DELTA / np.maximum(np.abs(r), 1e-12)) / (mean * mean)
    return summed(r).reshape(side, side), amounts.reshape(side, side, 3)


def non_negative(gram: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Minimisers of x'Gx/2 - m'x over x >= 0: the best feasible of the solutions on every support; (g, 3)."""
    both = SUPPORTS[:, None, :, None] & SUPPORTS[:, None, None, :]
    ridge = 1e-12 * np.trace(gram, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    masked = np.where(both, gram + ridge, np.eye(3))
    right = np.where(SUPPORTS[:, None], moment, 0.0)
    found = np.linalg.solve(masked, right[..., None])[..., 0]
    gain = np.where((found >= 0.0).all(axis=-1), (found * right).sum(axis=-1), -1.0)
    return found[np.argmax(gain, axis=0), np.arange(len(moment))]


def first_guesses(data: Data) -> np.ndarray:
    """The best node of each block of the grid, the best block first; (16, 5) theta."""
    loss, amounts = projected(data)
    width = len(EXPONENTS) // BLOCKS
    found = []
    for i, j in itertools.product(range(BLOCKS), repeat=2):
        block = loss[i * width : (i + 1) * width, j * width : (j + 1) * width]
        k, m = np.unravel_index(np.argmin(block), block.shape)
        k, m = k + i * width, m + j * width
        found.append((loss[k, m], [*amounts[k, m], *np.log(EXPONENTS[[k, m]])]))
    return np.array([theta for _, theta in sorted(found)])


def polish(theta: np.ndarray, data: Data, unit: float) -> tuple[float, np.ndarray, float]:
    """Newton in logs, what is at a bound staying there: loss, (5,) theta, squared decrement left over the unit."""
    kept = theta[:3] > ZERO
    inside = theta[3:] < np.log(data.steepest) - 1e-9
    free = np.flatnonzero([*kept, *(kept[1:] & inside)])
    top = np.log([np.inf] * 3 + list(data.steepest))[free]
    base = np.concatenate([np.where(kept, np.log(np.maximum(theta[:3], ZERO)), -np.inf), theta[3:]])

    def full(q: np.ndarray) -> np.ndarray:
        out = base.copy()
        out[free] = q
        return out

    def parts(q: np.ndarray) -> Parts:
        value, gradient, hessian = in_logs(full(q), data)
        return value if (q <= top).all() else np.inf, gradient[free], hessian[np.ix_(free, free)]

    value, q, left = newton(parts, base[free], unit)
    end = full(q)
    return value, np.concatenate([np.exp(end[:3]), end[3:]]), left


def kind(place: np.ndarray) -> str:
    """Where an optimum lies: limits that logarithms cannot reach, exponents that are no power law."""
    amounts, exponents = place[:3], place[3:]
    said = {
        "no floor": amounts[0] < ZERO,
        "no term": amounts[1:].min() < ZERO,
        "steep": exponents.max() > STEEP,
        "flat": exponents.min() < FLAT,
    }
    found = [name for name, true in said.items() if true]
    return ", ".join(found) or "inside"


def different(ends: list[tuple[float, np.ndarray]], apart: float, count: int) -> list[np.ndarray]:
    """Places of the best ends, at most `count`, whose values lie apart."""
    ends = sorted(ends, key=lambda end: end[0])
    chosen = ends[:1]
    for end in ends[1:]:
        if len(chosen) < count and end[0] - chosen[-1][0] > apart:
            chosen.append(end)
    return [place for _, place in chosen]


def search(data: Data) -> Best:
    """The best optimum of many starts."""
    guesses = first_guesses(data)
    unit = value_slope(guesses[0], data)[0]

    def scaled(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = value_slope(theta, data)
        return value / unit, slope / unit

    bounds = [(0.0, None)] * 3 + [(np.log(LEAST), np.log(top)) for top in data.steepest]
    options = {"maxiter": 150, "ftol": 1e-13, "gtol": 1e-9, "maxcor": 20}
    ends = [minimize(scaled, g, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for g in guesses]
    chosen = different([(float(end.fun), end.x) for end in ends], DISTINCT, POLISHED)
    polished = sorted((polish(theta, data, unit) for theta in chosen), key=lambda found: found[0])
    value, theta, left = polished[0]
    agree = float(np.mean([end.fun * unit <= value * (1 + 1e-3) for end in ends]))
    return Best(value, np.concatenate([theta[:3], np.exp(theta[3:])]), agree, left)
