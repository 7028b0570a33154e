"""Laws that give their mean only as the root of an equation, with exact derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

STEPS = 12  # of Newton on logarithms, which doubles the digits each time near the root


def decreasing_root(right: Callable[[jax.Array], jax.Array], low: Any) -> jax.Array:
    """The y > 0 of y = right(y), for a `right` that falls as y grows; elementwise.

    Derivatives are those of the implicit function theorem: they cost one evaluation of the equation's slope, not
    those of the search.

    Args:
        right: right-hand side, elementwise in y; its logarithm is convex in log y, as of sums of powers, so that
            Newton's steps from below never pass the root.
        low: (n,) a number below the root, above zero.
    """

    def equation(y: jax.Array) -> jax.Array:
        return y - right(y)

    def search(_: Callable[[jax.Array], jax.Array], below: jax.Array) -> jax.Array:
        def step(_: int, t: jax.Array) -> jax.Array:
            value, slope = jax.jvp(lambda t: jnp.log(right(jnp.exp(t))), (t,), (jnp.ones_like(t),))
            return t + (value - t) / (1.0 - slope)

        return jnp.exp(jax.lax.fori_loop(0, STEPS, step, jnp.log(below)))

    def divide(slope: Callable[[jax.Array], jax.Array], value: jax.Array) -> jax.Array:
        return value / slope(jnp.ones_like(value))

    below = jax.lax.stop_gradient(jnp.asarray(low))
    return jnp.asarray(jax.lax.custom_root(equation, below, search, divide))
