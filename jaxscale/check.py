"""The contract of a law, checked: what must hold before the engine may trust a formula.

    js.check_law("my_law.py")

runs every check below on draws from the law's own priors, at inputs from a thousandth to a thousand times
a plausible centre, and either returns a report or raises an AssertionError with a sentence.
"""

from __future__ import annotations

import pickle
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale import api
from jaxscale.law import Law, Ours, Paper, get_law
from jaxscale.proving import DRAWS, POINTS, Bench, Fault, design, has_units, range_of, said, simulated
from jaxscale.runtime import at_the_door
from jaxscale.words import quoted

LIGHT = ("definition", "float64", "values", "units", "published", "prior")
CERTAINTIES = ("verified", "recomputed", "secondary", "memory")
NOISE = 0.005


@dataclass(frozen=True)
class Report:
    """What was verified of a law.

    Attributes:
        law: its name.
        checks: name of a check -> what it verified, as a clause.
        seconds: how long it took.
    """

    law: str
    checks: Mapping[str, str]
    seconds: float

    def __str__(self) -> str:
        lines = [f"  {name:<12} {verified}" for name, verified in self.checks.items()]
        return "\n".join([f"{self.law}: {len(lines)} checks passed in {self.seconds:.1f} s", *lines])


@at_the_door
def check_law(law: str | Law, seed: int = 0, light: bool = False) -> Report:
    """Checks that a law keeps its contract with the engine; see docs/add_a_law.md for each check.

    Args:
        law: a law, its name, or the path of a Python file that defines one.
        seed: of the prior draws and of the simulated table.
        light: only the checks that take no fit and few compiled programs.

    Returns:
        A Report; its text lists what was verified.

    Raises:
        AssertionError: which check failed, at which inputs and parameters, what was got and expected.
        LawError: no such law.
    """
    began = time.perf_counter()
    law = get_law(law)
    bench, done = Bench(law, seed), {}
    for name, check in CHECKS.items():
        if light and name not in LIGHT:
            continue
        try:
            done[name] = check(bench)
        except Fault as fault:
            raise AssertionError(f"law {law.name!r}, check {name!r}: {fault}") from None
        except Exception as error:
            first = str(error).partition("\n")[0]
            raise AssertionError(
                f"law {law.name!r}, check {name!r}: the law does not run there; got {type(error).__name__}: {first}; "
                "expected a formula of jax.numpy, with log from jaxscale.law and no branch on values"
            ) from error
    return Report(law.name, done, time.perf_counter() - began)


# ---- the checks, in the order in which they run ----------------------------------------------------


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
        return mean(ones) + basis @ (here - ones), jnp.abs(bent).max(axis=(1, 2)), jnp.abs(basis) @ (here + ones)

    straight, bent, size = bench.over_draws(parts)
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


def published(bench: Bench) -> str:
    """Presets give values; what a paper leaves open is at its prior median."""
    law, model = bench.law, bench.model
    middle = model.coordinates(jnp.asarray(np.median(bench.u, axis=0)))
    by_param = {s.param: (s.prior, middle[s.name]) for s in model.sites}
    for name, preset in law.published.items():
        params: dict[str, Any] = {}
        for p in law.order:
            if p in preset or p not in by_param:
                params[p] = preset.get(p, law.priors[p])
            else:
                known, coordinate = by_param[p]
                params[p] = known.parameter(coordinate, params, bench.centre, bench.scale)
        inputs = bench.inputs(bench.x)
        got = np.asarray(law(*inputs.values(), **params))
        if not (ok := bench.supported(got)).all():
            i = int(np.argmin(ok))
            at = said({s: v[i] for s, v in inputs.items()})
            raise Fault(f"preset {name!r} at {at}: got {quoted(got[i])}; expected {range_of(bench)}")
    return f"{len(law.published)} presets give {range_of(bench)}" if law.published else "no presets"


def prior(bench: Bench) -> str:
    """What the priors say of the response at the centre, before any data."""
    at = bench.values[:, 0] / bench.scale
    kind = bench.law.response.support
    low, high, share = {"positive": (0.01, 100.0, 0.99), "real": (-100.0, 100.0, 0.99)}.get(kind, (1e-4, 1 - 1e-4, 0.9))
    inside = float(np.mean((at >= low) & (at <= high)))
    if inside < share:
        q = np.quantile(at, [0.05, 0.5, 0.95])
        at_centre = said({s: v[0] for s, v in bench.inputs(bench.x).items()})
        raise Fault(
            f"at {at_centre}: got {inside:.0%} of the prior draws between {low:g} and {high:g} "
            f"(5, 50, 95 %: {', '.join(quoted(v, 3) for v in q)}); expected at least {share:.0%}"
        )
    return f"{inside:.0%} of the draws at the centre lie between {low:g} and {high:g}"


def recovery(bench: Bench) -> str:
    """The point fit finds the curve again."""
    middle = np.median(bench.u, axis=0)
    for i, start in enumerate([middle, *(0.5 * (middle + bench.u[:2]))]):
        _recover(bench, start, "least_squares", 0.0, (0.002, 0.002), f"table {i + 1} without noise")
    _recover(bench, middle, None, NOISE, (0.01, 0.1), f"a table with {NOISE:.1%} noise")
    count = len(next(iter(design(bench).values())))
    return f"the fit of {count} simulated runs predicts within 0.2 %, a decade beyond them too"


def _recover(bench: Bench, u: np.ndarray, noise: str | None, sd: float, within: tuple[float, float], what: str):
    law, model, x = bench.law, bench.model, design(bench)
    centre = {s: v.mean() if law.inputs[s].axis == "log" else 0.0 for s, v in x.items()}
    lane = {"centre": centre, "scale": np.asarray(bench.scale)}
    truth = {p: float(v) for p, v in bench.only(model.parameters(model.coordinates(jnp.asarray(u)), lane)).items()}
    fit = api.fit(simulated(bench, x, truth, sd), law, noise=noise, method="point", seed=bench.seed, progress=False)
    if not fit.status.ok:
        raise Fault(f"{what}, simulated with {said(truth)}: got {fit.status}; expected an optimum")
    query = bench.inputs({s: _asked(bench, s, v) for s, v in x.items()})
    expected = np.asarray(law(*query.values(), **truth))
    got = fit.predict(pd.DataFrame(law.by_column(query)))["mean"].to_numpy()
    size = np.abs(expected) + (bench.scale if law.response.support == "real" else 0.0)
    for i, share in enumerate(within):
        if not abs(got[i] - expected[i]) <= share * size[i]:
            raise Fault(
                f"{what}, simulated with {said(truth)}, at {said({s: v[i] for s, v in query.items()})}: "
                f"got {quoted(got[i])} from the fit; expected {quoted(expected[i])} within {share:.1%}"
            )


def _asked(bench: Bench, symbol: str, values: np.ndarray) -> np.ndarray:
    """The middle of the design, and a decade beyond it where there is a beyond."""
    if bench.law.inputs[symbol].axis == "raw":
        return values[[0, int(np.argmax(values.reshape(len(values), -1).sum(axis=1)))]]
    return np.minimum([values.mean(), values.max() + np.log(10.0)], bench.ends(symbol)[1])


CHECKS: Mapping[str, Callable[[Bench], str]] = {
    f.__name__: f
    for f in (
        definition, coordinates, float64, values, gradient, views, units, linear, published, prior, recovery,
    )
}  # fmt: skip
