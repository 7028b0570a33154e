"""Shapes of one family at any size, so that what an exact count says becomes a smooth function of parameters."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxscale.decide.architecture import CONVENTIONS, Architecture
from jaxscale.decide.cost import Cost
from jaxscale.errors import ConfigError
from jaxscale.runtime import float64

if TYPE_CHECKING:
    from jax import Array

DEGREE = 3  # every count is a cubic in the factor by which layers, width and heads grow together
STEPS = 16  # of Newton's method, from above: three would do from a start as near as ours
ROUND = 64  # inner widths of discrete shapes are multiples of it, as kernels like them


@dataclass(frozen=True)
class Family:
    """Shapes that share an architecture's proportions: layers, width, heads and inner widths grow by one factor.

    Vocabulary, context, head_dim, the number of experts and the share of key and value heads stay. Between the whole
    numbers of real shapes the counts are read off the cubic that passes through them exactly.

    Attributes:
        base: any member.
    """

    base: Architecture

    def params(self, scale: Any, convention: str = "total", context: int | None = None) -> Any:
        """Parameters of the member whose layers and width are `scale` times those of `base`; any shape, traceable."""
        return _plainly(_at(self._cubic("params", convention, context), scale))

    def scale(self, params: Any, convention: str = "total", context: int | None = None) -> Any:
        """The factor at which the family has that many parameters; any shape, traceable."""
        cubic = self._cubic("params", convention, context)
        with float64():
            n = jnp.asarray(params, dtype=float)
            # each term alone needs a scale that is too large; the least of them is at most a third of a decade off
            bounds = [(n / c) ** (1 / k) for k, c in enumerate(cubic) if k and c > 0]
            s = functools.reduce(jnp.minimum, bounds)
            for _ in range(STEPS):
                s = s - (_at(cubic, s) - n) / _at(_derivative(cubic), s)
            return _plainly(s)

    def convert(self, params: Any, given: str, wanted: str, context: int | None = None) -> Any:
        """Parameters counted by one convention, in another.

        `jaxscale.protocols.total_params` is its short form for models like Chinchilla's, with one fitted constant.

        Args:
            params: of any shape, positive.
            given: their convention, of `CONVENTIONS`.
            wanted: the other.
            context: tokens of a sequence, for "effective".
        """
        return self.params(self.scale(params, given, context), wanted, context)

    def training_flop(self, params: Any, convention: str = "total", context: int | None = None, **counted: bool) -> Any:
        """FLOP per training token of the member with that many parameters; options as of the Architecture's."""
        cubic = self._cubic("training_flop", context, **counted)
        return _plainly(_at(cubic, self.scale(params, convention, context)))

    def serving_flop(
        self, params: Any, convention: str = "total", context: int | None = None, serve_context: int | None = None
    ) -> Any:
        """FLOP per served token, the mean over a sequence of `serve_context` tokens written one by one.

        Args:
            params: of any shape, positive.
            convention: theirs, of `CONVENTIONS`.
            context: tokens of a training sequence, for "effective".
            serve_context: of a served one; `context` unless given.
        """
        cubic = self._cubic("forward_flop", context if serve_context is None else serve_context)
        return _plainly(_at(cubic, self.scale(params, convention, context)))

    def near(self, params: float, convention: str = "total", context: int | None = None) -> Architecture:
        """The shape in whole numbers that comes nearest to that size.

        Raises:
            ConfigError: the size is not positive and finite.
        """
        if not (math.isfinite(params) and params > 0):
            raise ConfigError(f"params is {params!r}; expected a number above 0")
        scale = float(self.scale(params, convention, context))
        layers = {max(1, r(scale * self.base.layers)) for r in (math.floor, math.ceil)}
        heads = {max(1, r(scale * self.base.heads)) for r in (math.floor, math.ceil)}
        made = [self._rounded(*pair, scale) for pair in itertools.product(sorted(layers), sorted(heads))]
        return min(made, key=lambda a: abs(math.log(a.params(convention, context) / params)))

    def ladder(
        self, sizes: Sequence[float], convention: str = "total", context: int | None = None
    ) -> list[Architecture]:
        """`near` for each size, without repetitions."""
        return list(dict.fromkeys(self.near(n, convention, context) for n in sizes))

    def _cubic(self, count: str, *args: Any, **options: bool) -> tuple[float, ...]:
        if count == "params" and args[0] not in CONVENTIONS:
            self.base.params(args[0])  # raises
        return _cubic(self.base, count, args, tuple(sorted(options.items())))

    def _rounded(self, layers: int, heads: int, scale: float) -> Architecture:
        base = self.base
        ratio = heads / base.heads
        few = heads * base.kv_heads / base.heads
        keys = min((d for d in range(1, heads + 1) if heads % d == 0), key=lambda d: abs(math.log(d / few)))
        plain = base.width == base.heads * base.head_dim
        width = heads * base.head_dim if plain else _multiple(ratio * base.width, ROUND)
        latent = base.latent and replace(
            base.latent, kv_rank=_multiple(ratio * base.latent.kv_rank, ROUND),
            q_rank=_multiple(ratio * base.latent.q_rank, ROUND) if base.latent.q_rank else 0,
        )  # fmt: skip
        inner = {f: _multiple(ratio * getattr(base, f), ROUND) for f in ("ffn", "expert_ffn", "shared_ffn")
                 if getattr(base, f)}  # fmt: skip
        share = {f: min(layers, round(scale * getattr(base, f))) for f in ("dense_layers", "windowed_layers")}
        if base.windowed_layers == base.layers:
            share["windowed_layers"] = layers
        return replace(base, layers=layers, heads=heads, kv_heads=keys, width=width, latent=latent, **inner, **share)


def exact_cost(
    family: Family | Architecture, convention: str = "total", context: int | None = None,
    serve_context: int | None = None, **counted: bool,
) -> Cost:  # fmt: skip
    """A cost model for the planner that counts every matrix product of a family's shapes.

    Args:
        family: of shapes; of an architecture's proportions if that is given.
        convention: how the law's N counts parameters, of `CONVENTIONS`.
        context: tokens of a training sequence; the architecture's own unless given.
        serve_context: of a served one; `context` unless given.
        counted: causal, recompute and so on, as in `Architecture.training_flop`.

    Returns:
        A Cost; train takes "params" and "tokens", serve takes "params".
    """
    family = Family(family) if isinstance(family, Architecture) else family

    def train(at: Mapping[str, Array]) -> Array:
        with float64():
            return family.training_flop(at["params"], convention, context, **counted) * at["tokens"]

    def serve(at: Mapping[str, Array]) -> Array:
        return family.serving_flop(at["params"], convention, context, serve_context)

    said = f", context {family.base.context if context is None else context}"
    return Cost(f"exact ({convention} N{said})", train, serve)


@functools.lru_cache(maxsize=256)
def _cubic(base: Architecture, count: str, args: tuple[Any, ...], options: tuple[tuple[str, bool], ...]):
    """Coefficients, the constant first, of the polynomial through the members at 1, 2, 3 and 4 times the base."""
    values = [Fraction(getattr(_grown(base, k), count)(*args, **dict(options))) for k in range(1, DEGREE + 2)]
    found = [Fraction(0)] * (DEGREE + 1)
    for i, value in enumerate(values, start=1):  # Lagrange's form, in fractions so that nothing is rounded
        term = [value]
        for j in range(1, DEGREE + 2):
            if j != i:
                shifted = [Fraction(0), *term]
                term = [(a - j * b) / (i - j) for a, b in zip(shifted, [*term, Fraction(0)], strict=True)]
        found = [a + b for a, b in zip(found, term, strict=True)]
    return tuple(float(c) for c in found)


def _grown(base: Architecture, k: int) -> Architecture:
    names = ("layers", "width", "heads", "kv_heads", "ffn", "expert_ffn", "shared_ffn", "dense_layers",
             "windowed_layers")  # fmt: skip
    latent = base.latent and replace(base.latent, kv_rank=k * base.latent.kv_rank, q_rank=k * base.latent.q_rank)
    return replace(base, latent=latent, **{name: k * getattr(base, name) for name in names})


def _at(coefficients: Sequence[float], s: Any) -> Any:
    with float64():
        s = jnp.asarray(s, dtype=float)
        return functools.reduce(lambda total, c: total * s + c, reversed(coefficients), jnp.zeros_like(s))


def _plainly(value: Any) -> Any:
    """NumPy's, which is float64 in any mode of JAX; what is being traced as it is."""
    return value if isinstance(value, Tracer) else np.asarray(value)[()]


def _derivative(coefficients: Sequence[float]) -> tuple[float, ...]:
    return tuple(k * c for k, c in enumerate(coefficients) if k)


def _multiple(value: float, unit: int) -> int:
    return max(unit, unit * round(value / unit))
