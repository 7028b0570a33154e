"""The polish of both references: Newton with damping, by eigenvalues, until rounding ends it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

STEPS = 300
DONE = 1e-15  # of the value's unit: the squared Newton decrement, twice what another step promises
LONGEST = 3.0  # of a component of one step
Parts = tuple[float, np.ndarray, np.ndarray]


def newton(parts: Callable[[np.ndarray], Parts], q: np.ndarray, unit: float) -> tuple[float, np.ndarray, float]:
    """Go down from q.

    Args:
        parts: value, gradient and Hessian at a vector.
        q: where to begin; a good point already.
        unit: of the value.

    Returns:
        Value, place, and the squared Newton decrement left, in the unit.
    """
    value, gradient, hessian = parts(q)
    damping, left = 1e-3, np.inf
    for _ in range(STEPS):
        curvature, axes = np.linalg.eigh(hessian / unit)
        curvature = np.maximum(np.abs(curvature), 1e-14 * np.abs(curvature).max())
        along = axes.T @ gradient / unit
        left = float(along @ (along / curvature))
        if left < DONE and damping < 1e-6:
            break
        new = q - np.clip(axes @ (along / (curvature + damping)), -LONGEST, LONGEST)
        tried = parts(new)
        if tried[0] < value and all(np.isfinite(part).all() for part in tried):
            q, (value, gradient, hessian), damping = new, tried, damping / 10.0
        elif damping > 1e12:  # rounding: no shorter step goes down either
            break
        else:
            damping = max(damping, 1e-10) * 6.0
    return value, q, left
