"""Positive numbers carried by their logarithm, so that `N**alpha` costs one `exp` and no `log`.

A law is written as a formula, `A / N**alpha`. On arrays, `N**alpha` needs a logarithm for every row
and every evaluation, and XLA's float64 `log` costs four times its `exp`. The engine therefore hands
a law its inputs as `Positive`, whose logarithms were taken once, when the batch was made.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp


class Positive:
    """exp(log), not yet computed. Powers, products and quotients of such numbers stay logarithms."""

    __slots__ = ("log",)
    __array_ufunc__ = None  # NumPy arrays on the left let this class answer

    def __init__(self, log: jax.Array):
        self.log = log

    def __jax_array__(self) -> jax.Array:
        return jnp.exp(self.log)

    def __pow__(self, power: Any) -> Positive:
        return Positive(power * self.log)

    def __mul__(self, other: Any) -> Any:
        return Positive(self.log + other.log) if isinstance(other, Positive) else jnp.exp(self.log) * other

    def __truediv__(self, other: Any) -> Any:
        return Positive(self.log - other.log) if isinstance(other, Positive) else jnp.exp(self.log) / other

    def __rtruediv__(self, other: Any) -> jax.Array:
        return other * jnp.exp(-self.log)

    def __add__(self, other: Any) -> jax.Array:
        return jnp.exp(self.log) + other

    def __sub__(self, other: Any) -> jax.Array:
        return jnp.exp(self.log) - other

    def __rsub__(self, other: Any) -> jax.Array:
        return other - jnp.exp(self.log)

    def __neg__(self) -> jax.Array:
        return -jnp.exp(self.log)

    __rmul__ = __mul__
    __radd__ = __add__


def log(x: Any) -> jax.Array:
    """Natural logarithm; free for the engine's inputs, so laws import it instead of `jnp.log`."""
    return x.log if isinstance(x, Positive) else jnp.log(x)
