"""Checks of what a law says about itself: where it falls and rises, and which laws it contains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.contract.bench import DRAWS, Bench, Fault
from jaxscale.law import Law, get_law

ROUNDING = 1e-9  # of the mean: a slope smaller than this is none


def directions(bench: Bench) -> str:
    """The mean falls and rises with the inputs as declared."""
    law, said = bench.law, {**dict.fromkeys(bench.law.falls, -1.0), **dict.fromkeys(bench.law.rises, 1.0)}
    if not said:
        return "none declared"
    x = {s: jnp.asarray(v) for s, v in bench.x.items()}
    for symbol, sign in said.items():

        def slope(u: jax.Array, symbol: str = symbol) -> jax.Array:
            along = lambda v: bench.model.mean_at(u, bench.lane | {"x": x | {symbol: v}})  # noqa: E731
            return jax.jvp(along, (x[symbol],), (jnp.ones_like(x[symbol]),))[1]

        got = bench.over_draws(slope)
        size = np.maximum(np.abs(bench.values), bench.scale)
        word = "rise" if sign > 0 else "fall"
        bench.expect(sign * got >= -ROUNDING * size, got, f"the mean to {word} with {symbol}")
    words = [f"{w} with {', '.join(s)}" for w, s in (("falls", law.falls), ("rises", law.rises)) if s]
    return f"the mean {' and '.join(words)}"


def nesting(bench: Bench) -> str:
    """The law equals those it contains where it says so."""
    law = bench.law
    for name, values in law.contains.items():
        inner = get_law(name)
        missing = {*inner.params, *inner.inputs} - {*law.params, *law.inputs}
        if missing:
            names = ", ".join(sorted(missing))
            raise Fault(f"got {name!r} among the laws it contains, which has {names}; expected names that both have")
        inputs = bench.inputs(bench.x)
        inputs |= {s: np.full_like(v, values[s]) for s, v in inputs.items() if s in values}
        params = {p: np.full(DRAWS, values[p]) if p in values else v for p, v in bench.params.items()}
        outer = _over(law, inputs, params)
        expected = _over(inner, {s: inputs[s] for s in inner.inputs}, {p: params[p] for p in inner.params})
        where = ", ".join(f"{k} = {v:g}" for k, v in values.items())
        bench.close(outer, expected, 1e-6, f"{law.name} to be {name} at {where}")
    return f"contains {', '.join(law.contains)}" if law.contains else "none declared"


def _over(law: Law, inputs: Mapping[str, Any], params: Mapping[str, Any]) -> np.ndarray:
    """A law at inputs (points,), mapped over draws of its parameters; (draws, points)."""
    return np.asarray(jax.jit(jax.vmap(lambda p: law.mean(*inputs.values(), **p)))(params))
