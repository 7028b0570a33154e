"""Checks of the formula alone: definition, numbers, slopes, views, units, coordinates."""

from __future__ import annotations

import pickle
import re

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.contract.bench import DRAWS, POINTS, Bench, Fault, has_units, range_of
from jaxscale.law import Ours, Paper

CERTAINTIES = ("verified", "recomputed", "secondary", "memory")


def definition(bench: Bench) -> str:
    """Source, formula, names and pickling."""
    law = bench.law
    if not isinstance(law.source, Paper | Ours):
        raise Fault(f"got a source of type {type(law.source).__name__}; expected Paper(...) or Ours(...)")
    if missing := [n for n in (*law.inputs, *law.params) if n not in re.findall(r"\w+", law.formula)]:
        raise Fault(
            f"got the formula {law.formula!r}, without {', '.join(missing)}; expected every input and parameter"
        )
    if stray := {*law.linear, *(p for values in law.published.values() for p in values)} - set(law.params):
        raise Fault(f"linear or published name {sorted(stray)}; expected parameters, {', '.join(law.params)}")
    for name, values in law.published.items():
        if values.certainty not in CERTAINTIES:
            raise Fault(f"preset {name!r} is {values.certainty!r}; expected one of {', '.join(CERTAINTIES)}")
    again = pickle.loads(pickle.dumps(law))
    if again.formula != law.formula or again.params != law.params:
        raise Fault(f"got {again!r} back from pickle; expected {law!r}")
    return "has a source, a formula with every name in it, and comes back from pickle"


def float64(bench: Bench) -> str:
    """The plain call keeps the precision it is given."""
    inputs = [jnp.asarray(v) for v in bench.inputs(bench.x).values()]
    plain = bench.law.mean(*inputs, **{p: float(v[0]) for p, v in bench.params.items()})
    if plain.dtype != np.float64 or plain.shape != (POINTS,):
        raise Fault(f"got {plain.dtype} of shape {plain.shape}; expected float64 of shape ({POINTS},), as the inputs")
    return "float64 in, float64 out, of the inputs' shape"


def values(bench: Bench) -> str:
    """Finite, and where the response can be."""
    bench.expect(np.isfinite(bench.values), bench.values, "a finite number")
    bench.expect(bench.supported(bench.values), bench.values, range_of(bench))
    return f"{range_of(bench)} at {DRAWS} prior draws x {POINTS} inputs, 1e-3 to 1e3 of the centre"


def gradient(bench: Bench) -> str:
    """Finite slopes that agree with finite differences, and every name matters."""
    law, model = bench.law, bench.model
    inputs = [jnp.asarray(v) for v in bench.inputs(bench.x).values()]
    slopes = jax.jit(jax.vmap(jax.jacrev(lambda p: law.mean(*inputs, **p))))(bench.params)
    for name in law.params:
        got = np.asarray(slopes[name])
        bench.expect(np.isfinite(got), got, f"a finite derivative with respect to {name}")
        if not got.any():
            raise Fault(f"got a derivative of 0 with respect to {name} everywhere; expected that {name} matters")
    by_input = bench.over_draws(lambda u: jax.jacrev(lambda x: model.mean_at(u, bench.lane | {"x": x}).sum())(bench.x))
    for symbol, got in by_input.items():
        if not got.any():
            raise Fault(f"got a derivative of 0 with respect to {symbol} everywhere; expected that {symbol} matters")
    near = {"x": {s: v[3] for s, v in bench.x.items()}} | bench.lane
    steps = 1e-5 * np.eye(model.size)

    def both(u: jax.Array) -> tuple[jax.Array, jax.Array]:
        at = lambda v: model.mean_at(v, near)  # noqa: E731
        return jax.grad(at)(u), jax.vmap(lambda d: (at(u + d) - at(u - d)) / 2e-5)(steps)

    exact, rough = bench.over_draws(both)
    size = bench.scale + np.abs(exact).max(axis=1)
    off = np.abs(exact - rough).max(axis=1) / size
    bench.expect(off < 1e-5, off, "0: derivatives equal to finite differences")
    return "derivatives are finite, equal finite differences, and every input and parameter matters"


def views(bench: Bench) -> str:
    """Plain, jitted, mapped, differentiated, and through the engine's log inputs: one number."""
    law, model = bench.law, bench.model
    inputs = [jnp.asarray(v) for v in bench.inputs(bench.x).values()]
    draws = [{p: float(v[i]) for p, v in bench.params.items()} for i in range(DRAWS)]
    plain = np.stack([np.asarray(law.mean(*inputs, **p)) for p in draws])
    bench.close(np.stack([np.asarray(law(*inputs, **p)) for p in draws]), plain, 1e-12, "the jitted law to equal it")
    bench.close(bench.values, plain, 1e-12, "jax.vmap to equal the plain call")
    first = jax.jit(jax.vmap(jax.value_and_grad(lambda p: law.mean(*(v[0] for v in inputs), **p))))(bench.params)[0]
    differentiated = plain.copy()
    differentiated[:, 0] = np.asarray(first)
    bench.close(differentiated, plain, 1e-12, "jax.value_and_grad to equal the plain call")
    engine = bench.over_draws(lambda u: model.mean_at(u, bench.lane | {"x": bench.x}))
    bench.close(engine, plain, 1e-10, "the engine's view (log inputs) to equal the plain call")
    return "jit, vmap, grad and the engine's log inputs all equal the plain call"


def units(bench: Bench) -> str:
    """The same coordinates give the same curve in any unit of the inputs."""
    model = bench.model
    if bench.law.fixed_units:
        return "the formula holds in the paper's units only"
    measured = [s for s, v in bench.law.inputs.items() if has_units(v)]
    for symbol in measured:
        shift = {s: np.log(1e3) * (s == symbol) for s in bench.law.inputs}
        moved = bench.lane | {"centre": {s: c + shift[s] for s, c in bench.centre.items()}}
        moved["x"] = {s: v + shift[s] for s, v in bench.x.items()}
        got = bench.over_draws(lambda u, moved=moved: model.mean_at(u, moved))
        bench.close(got, bench.values, 1e-9, f"the curve not to change with the unit of {symbol}")
    return f"the curve does not depend on the unit of {', '.join(measured)}" if measured else "no input has units"


def linear(bench: Bench) -> str:
    """The mean is linear in the coordinates that the law names."""
    model = bench.model
    sites = [model.sites[i] for i in model.linear]
    if not sites:
        return "none named"

    def parts(u: jax.Array):
        known = model.coordinates(u)
        here = jnp.stack([known[s.name] for s in sites])

        def mean(c: jax.Array) -> jax.Array:
            coordinates = known | {s.name: c[i] for i, s in enumerate(sites)}
            return model.mean(model.parameters(coordinates, bench.lane), bench.x)

        ones = jnp.ones(len(sites))
        basis = jax.jacfwd(mean)(ones)
        bent = jax.jacfwd(jax.jacfwd(mean))(here) * jnp.outer(here, here)[None]
        return (
            mean(ones) + basis @ (here - ones),
            jnp.abs(bent).max(axis=(1, 2)),
            jnp.abs(basis) @ (jnp.abs(here) + ones) + jnp.abs(mean(here)),
        )

    straight, bent, size = bench.over_draws(parts)
    size = np.maximum(size, np.finfo(float).tiny)  # nothing, where every input is zero
    names = ", ".join(s.param for s in sites)
    bench.expect(bent <= 1e-9 * size, bent / size, f"0: no second derivative in the coordinates of {names}")
    ok = np.abs(straight - bench.values) <= 1e-9 * size
    bench.expect(ok, straight, f"the mean, {bench.law.formula.split(' = ')[0]}, from its basis in {names}")
    return f"the mean is linear in the coordinates of {names}"


def coordinates(bench: Bench) -> str:
    """To the paper's parameters and back."""
    model = bench.model
    drawn = bench.over_draws(lambda u: jnp.stack([*model.coordinates(u).values()]).sum())
    bench.expect(np.isfinite(drawn), drawn, "finite coordinates; does a prior's bijector suit its distribution?")

    def there_and_back(u: jax.Array):
        first = model.parameters(model.coordinates(u), bench.lane)
        return first, model.parameters(model.coordinates(model.from_parameters(first, bench.lane)), bench.lane)

    first, again = bench.over_draws(there_and_back)
    for name in model.params:
        ok = np.abs(again[name] - first[name]) <= 1e-9 * np.abs(first[name])
        bench.expect(ok, again[name], f"{name} to come back from its coordinate")
    return "parameters -> coordinates -> parameters returns them"
