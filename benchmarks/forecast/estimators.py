"""The estimators of Alabdulmohsin et al. (arXiv 2209.06640), rewritten from what their code does, all curves at once.

    M1  y = b x^c                        M3  y = b (1/x + g)^c
    M2  y = e + b x^c                    M4  (y - e) / (e0 - y)^a = b x^c

All minimise squared differences of the logarithms of both sides. M1 is a regression; M3 turns between a regression and
the best of the g's that single points ask for; M2 and M4 turn between a regression and steps of e and e0: first small
steps down the gradient, then damped Newton ones. Regressions of M4 keep log b, -c and a at zero or above, and take the
column of e0 from its first value, as theirs do. The limits of e and e0 are theirs: a margin from the data, and for
error rates one above.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

MARGIN = 1e-3  # between e or e0 and the data
TURNS = 10_000
DESCENDING = 100  # turns that take gradient steps
STEPS, RATE = 1000, 1e-8  # of gradient descent in a turn
NEWTON, DAMPED = 100, 0.1
SETTLED = 1e-10  # of b, in a turn; theirs is absolute, ours relative where b is above one
SUBSETS = np.array([s for s in itertools.product((0.0, 1.0), repeat=3) if any(s)])


class Curves(NamedTuple):
    """Curves of one table, padded to one length: log x, y and whether there is a point, (curves, points) each."""

    log_x: np.ndarray
    y: np.ndarray
    there: np.ndarray


def padded(curves: list[tuple[np.ndarray, np.ndarray]]) -> Curves:
    """Pairs of x and y, each (points,)."""
    longest = max(len(x) for x, _ in curves)
    log_x, y, there = (np.zeros((len(curves), longest)) for _ in range(3))
    for i, (x, values) in enumerate(curves):
        n = len(x)
        log_x[i], y[i] = np.log(x[-1]), values[-1]
        log_x[i, :n], y[i, :n], there[i, :n] = np.log(x), values, 1.0
    return Curves(log_x, y, there)


def m1(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of one curve (points,), the value at other x."""
    return np.exp(np.polyval(np.polyfit(np.log(x), np.log(y), 1), np.log(at)))


def m3(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Of one curve (points,), the value at other x."""
    log_y, g, last = np.log(y), 0.0, 1.0
    c = log_b = 0.0
    for _ in range(TURNS):
        c, log_b = np.polyfit(np.log(1.0 / x + g), log_y, 1)
        c = max(0.0, c)
        if c > 0.0:
            asked = np.exp((log_y - log_b) / c) - 1.0 / x
            tried = np.array([g, *asked[asked >= 0.0]])
            misfit = np.sum((log_y - log_b - c * np.log(1.0 / x + tried[:, None])) ** 2, axis=1)
            g = tried[np.argmin(misfit)]
        settled, last = abs(np.exp(log_b) - last) < SETTLED, np.exp(log_b)
        if settled:
            break
    return np.exp(log_b) * (1.0 / at + g) ** c


def m2_and_m4(curves: Curves, form: str, roof: float | None = None) -> dict[str, np.ndarray]:
    """Parameters e, e0, log_b, c, a of every curve, (curves,) each; `form` is M2 or M4, `roof` the largest e0."""
    with jax.enable_x64():
        found = _fitted(form == "M4", np.inf if roof is None else roof + MARGIN, *(jnp.asarray(v) for v in curves))
        return {k: np.asarray(v) for k, v in found._asdict().items()}


def value(params: dict[str, float], at: np.ndarray) -> np.ndarray:
    """y of M2 or M4 at x, (points,): the root by bisection."""
    right = np.exp(params["log_b"] + params["c"] * np.log(at))
    if abs(params["a"]) < 1e-5:
        return params["e"] + right
    low, high = np.zeros_like(right), np.full_like(right, params["e0"] - params["e"])
    width = params["e0"] - params["e"]
    for _ in range(60):
        middle = 0.5 * (low + high)
        above = middle > right * (width - middle) ** params["a"]
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return params["e"] + 0.5 * (low + high)


class _State(NamedTuple):
    e: jax.Array
    e0: jax.Array
    log_b: jax.Array
    c: jax.Array
    a: jax.Array
    turn: jax.Array
    gap: jax.Array


@functools.partial(jax.jit, static_argnums=(0, 1))
def _fitted(bent: bool, roof: float, log_x: jax.Array, y: jax.Array, there: jax.Array) -> _State:
    return jax.vmap(lambda x, v, w: _one(bent, roof, x, v, w))(log_x, y, there)


def _one(bent: bool, roof: float, log_x: jax.Array, y: jax.Array, there: jax.Array) -> _State:
    count = jnp.sum(there)
    least = jnp.min(jnp.where(there > 0, y, jnp.inf)) - MARGIN
    most = jnp.max(jnp.where(there > 0, y, -jnp.inf)) + MARGIN
    columns = jnp.stack([jnp.ones_like(y), -log_x, jnp.log(1.0 - y) if bent else jnp.zeros_like(y)])

    def mean(values: jax.Array) -> jax.Array:
        return jnp.sum(there * values) / count

    def regressed(state: _State) -> _State:
        weights = _least_squares(columns * there, jnp.log(y - state.e) * there, bent)
        return state._replace(log_b=weights[0], c=-weights[1], a=weights[2])

    def slopes(state: _State) -> tuple[jax.Array, jax.Array, jax.Array]:
        left = jnp.log(y - state.e) - (state.a * jnp.log(state.e0 - y) if bent else 0.0)
        residual = left - state.log_b - state.c * log_x
        return residual, -mean(residual / (y - state.e)), -state.a * mean(residual / (state.e0 - y))

    def kept(state: _State, e: jax.Array, e0: jax.Array) -> _State:
        e = jnp.minimum(jnp.maximum(e, 0.0), least)
        return state._replace(e=e, e0=jnp.minimum(jnp.maximum(e0, most), roof) if bent else state.e0)

    def descent(_: Any, state: _State) -> _State:
        _, of_e, of_e0 = slopes(state)
        return kept(state, state.e - RATE * of_e, state.e0 - RATE * of_e0)

    def newton(_: Any, state: _State) -> _State:
        residual, of_e, of_e0 = slopes(state)
        curve_e = mean((1.0 - residual) / (y - state.e) ** 2)
        curve_e0 = state.a * mean((state.a + residual) / (state.e0 - y) ** 2)
        step_e = jnp.where(jnp.abs(curve_e) > 1e-5, of_e / curve_e, 0.0)
        step_e0 = jnp.where(jnp.abs(curve_e0) > 1e-5, of_e0 / curve_e0, 0.0)
        return kept(state, state.e - DAMPED * step_e, state.e0 - DAMPED * step_e0)

    def turn(state: _State, steps: int, step: Callable[[int, _State], _State]) -> _State:
        next_ = jax.lax.fori_loop(0, steps, step, regressed(state))
        before, after = jnp.exp(state.log_b), jnp.exp(next_.log_b)
        return next_._replace(turn=state.turn + 1, gap=jnp.abs(after - before) / jnp.maximum(1.0, after))

    def on(state: _State) -> jax.Array:
        return (state.turn < TURNS) & ((state.turn <= DESCENDING + 2) | (state.gap >= SETTLED))

    zero = jnp.zeros(())
    first = _State(least, jnp.ones(()), zero, zero - 0.5, zero, jnp.zeros((), int), zero + jnp.inf)
    # two loops, not a branch in one: mapped over curves, both sides of a branch would be computed
    descended = jax.lax.fori_loop(0, DESCENDING, lambda _, s: turn(s, STEPS, descent), first)
    return jax.lax.while_loop(on, lambda s: turn(s, NEWTON, newton), descended)


def _least_squares(columns: jax.Array, target: jax.Array, bent: bool) -> jax.Array:
    """Weights (3,) of columns (3, points): of two, or of three that are zero or above, the best of all supports."""
    square, with_target = columns @ columns.T, columns @ target
    if not bent:
        return jnp.append(jnp.linalg.solve(square[:2, :2], with_target[:2]), 0.0)

    def on_support(keep: jax.Array) -> jax.Array:
        system = square * keep[:, None] * keep[None] + jnp.diag(1.0 - keep)
        return jnp.linalg.solve(system, with_target * keep)

    tried = jax.vmap(on_support)(jnp.asarray(SUBSETS))
    misfit = jnp.sum((tried @ columns - target[None]) ** 2, axis=1)
    return tried[jnp.argmin(jnp.where((tried >= 0.0).all(axis=1), misfit, jnp.inf))]
