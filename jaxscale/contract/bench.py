"""Where a law is proved: draws from its priors, extreme inputs, and a table simulated from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import jax
import numpy as np
import pandas as pd

from jaxscale.law import Law
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runs import Runs
from jaxscale.variables import Variable
from jaxscale.words import quoted

CENTRES = {
    "params": 1e9, "tokens": 2e10, "flops": 6e20, "tokens_per_param": 20.0,
    "examples": 1e5, "streams": 4.0, "samples": 100.0, "compute": 3000.0,
}  # fmt: skip
DRAWS, POINTS = 1000, 32
REACH = float(np.log(1e3))  # of the extreme inputs, about the centre
TINY = 1e-290  # below it float64 has fewer digits
RUNS, SPAN = 60, 3.5  # of the table that is fitted: rows, decades of each input
RUNS_A_PARAMETER = 8  # at least


class Fault(Exception):
    """A check that does not hold; the text says where, what was got and what was expected."""


class Bench:
    """One law with draws from its priors and extreme inputs; (DRAWS, POINTS) values are shared by the checks."""

    def __init__(self, law: Law, seed: int):
        self.law, self.seed = law, seed
        self.model = Model(law, get_noise(None, law.response))
        self.scale = law.response.scale or 1.0
        self.centre = {s: self._centre(s) for s in law.inputs}
        self.lane: dict[str, Any] = {"centre": self.centre, "scale": np.asarray(self.scale)}

    def _centre(self, symbol: str) -> float:
        variable, ends = self.law.inputs[symbol], self.ends(symbol)
        if variable.axis == "raw":
            return 0.0
        usual = np.log(CENTRES.get(variable.column, np.nan) / variable.per)
        inside = np.isfinite(usual) and ends[0] <= usual <= ends[1]
        return float(usual if inside else np.mean(ends) if np.isfinite(ends).all() else 0.0)

    def ends(self, symbol: str) -> tuple[float, float]:
        """Where an input may lie, as the engine carries it: the law's box, or what makes sense at all."""
        variable = self.law.inputs[symbol]
        low, high = self.law.box.get(symbol) or tuple(
            v / variable.per for v in variable.span or ((0.0, np.inf) if variable.axis == "log" else (0.0, 1.0))
        )
        if variable.axis == "raw":
            return low, high
        return float(np.log(low)) if low > 0 else -np.inf, float(np.log(high))

    @cached_property
    def x(self) -> dict[str, np.ndarray]:
        """Inputs as the engine carries them, (POINTS,) each: the centre, corners of the box, and points inside it."""
        rng = np.random.default_rng(self.seed)
        shape = (len(self.law.inputs), POINTS // 2)
        corners = np.where(rng.random(shape) < 0.5, -1.0, 1.0)
        corners[:, :3] = np.array([0.0, -1.0, 1.0])
        away = np.concatenate([corners, rng.uniform(-1.0, 1.0, shape)], axis=1)
        return {s: self.placed(s, a, REACH, rng) for s, a in zip(self.law.inputs, away, strict=True)}

    def placed(self, symbol: str, away: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
        """From -1 .. 1 to values of an input: `reach` about its centre, but inside its ends."""
        variable, (low, high) = self.law.inputs[symbol], self.ends(symbol)
        if variable.example is not None:
            return np.asarray(variable.example(rng, len(away)))
        if variable.axis == "raw":
            return low + (high - low) * 0.5 * (1.0 + away)
        low, high = max(low, self.centre[symbol] - reach), min(high, self.centre[symbol] + reach)
        return np.where(
            away < 0,
            self.centre[symbol] + away * (self.centre[symbol] - low),
            away * (high - self.centre[symbol]) + self.centre[symbol],
        )

    def inputs(self, x: Mapping[str, Any]) -> dict[str, Any]:
        """What a formula is given: raw inputs as they are, the others from their logarithms."""
        return {s: np.exp(x[s]) if v.axis == "log" else x[s] for s, v in self.law.inputs.items()}

    @cached_property
    def u(self) -> np.ndarray:
        """Flat vectors from the prior, (DRAWS, size)."""
        keys = jax.random.split(jax.random.key(self.seed), DRAWS)
        return np.asarray(jax.jit(jax.vmap(self.model.draw_prior))(keys))

    @cached_property
    def params(self) -> dict[str, np.ndarray]:
        """The paper's parameters, (DRAWS,) each."""
        return self.over_draws(lambda u: self.only(self.model.parameters(self.model.coordinates(u), self.lane)))

    @cached_property
    def values(self) -> np.ndarray:
        """The formula, mapped over draws; (DRAWS, POINTS)."""
        inputs = self.inputs(self.x).values()
        return np.asarray(jax.jit(jax.vmap(lambda p: self.law.mean(*inputs, **p)))(self.params))

    def only(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The law's parameters, without the noise's."""
        return {p: params[p] for p in self.law.params}

    def over_draws(self, function: Callable[[jax.Array], Any]) -> Any:
        """A function of a flat vector, jitted and mapped over the draws."""
        return jax.tree.map(np.asarray, jax.jit(jax.vmap(function))(self.u))

    def expect(self, ok: np.ndarray, got: np.ndarray, expected: str) -> None:
        """Raises at the first draw (and point) that is not ok; arrays are (DRAWS,) or (DRAWS, POINTS)."""
        ok = np.asarray(ok)
        if ok.all():
            return
        i, *point = np.unravel_index(int(np.argmin(ok)), ok.shape)
        place = {s: v[point[0]] for s, v in self.inputs(self.x).items()} if point else {}
        params = {p: float(v[i]) for p, v in self.params.items()}
        at = f"at {said(place)} " if point else ""
        raise Fault(f"{at}with {said(params)}: got {quoted(np.asarray(got)[(i, *point)], 10)}; expected {expected}")

    def close(self, got: Any, expected: np.ndarray, rel: float, meaning: str) -> None:
        """Raises where two arrays of values differ by more than `rel`."""
        got = np.asarray(got)
        floor = rel * self.scale if self.law.response.support == "real" else TINY
        ok = np.abs(got - expected) <= rel * np.abs(expected) + floor
        worst = float(np.max(np.where(ok, 0.0, np.abs(got - expected) / (np.abs(expected) + floor))))
        self.expect(ok, got, f"{meaning} to {quoted(rel)}, which it misses by up to {quoted(worst, 2)}")

    def supported(self, values: np.ndarray) -> np.ndarray:
        """Where values are finite and can be the response's mean."""
        support = self.law.response.support
        anywhere = np.full(values.shape, True)
        inside = {"positive": values > 0, "real": anywhere, "ordinal": anywhere}
        return np.isfinite(values) & inside.get(support, (values >= 0) & (values <= 1))


def said(values: Mapping[str, float]) -> str:
    """Names and values, for a sentence."""
    return ", ".join(f"{k} = {quoted(v) if np.ndim(v) == 0 else '[...]'}" for k, v in values.items())


def range_of(bench: Bench) -> str:
    """What the response's mean can be, in words."""
    kinds = {"positive": "a positive number", "real": "a finite number", "ordinal": "a finite number"}
    return kinds.get(bench.law.response.support, "a share from 0 to 1")


def has_units(variable: Variable) -> bool:
    """Whether a table may state the variable in another unit."""
    return variable.axis == "log" and (bool(variable.units) or variable.column in {"tokens_per_param", "compute"})


def simulated(bench: Bench, x: Mapping[str, np.ndarray], truth: Mapping[str, float], sd: float) -> Runs:
    """Runs at inputs that follow the law, with noise of this size on the scale of the default noise."""
    law, rng = bench.law, np.random.default_rng(bench.seed)
    inputs = bench.inputs(x)
    y = np.asarray(law(*inputs.values(), **truth))
    table = pd.DataFrame(law.by_column(inputs))
    if law.response.trials:
        trials = 40_000.0 if sd else 1e12
        table[law.response.trials] = trials
        y = rng.binomial(int(trials), y) if sd else np.round(y * trials)
    elif bench.model.noise.on == "log":
        y = y * np.exp(sd * rng.standard_normal(len(y)))
    else:
        y = y + sd * bench.scale * rng.standard_normal(len(y))
        y = np.clip(y, 0.0, 1.0) if law.response.support == "unit" else y
    return Runs(table.assign(**{law.response.column: y}))


def design(bench: Bench) -> dict[str, np.ndarray]:
    """Inputs of the runs that are fitted: a box of SPAN decades, or what an input may be, filled evenly.

    The fill is an additive recurrence.
    """
    law, rng = bench.law, np.random.default_rng(bench.seed)
    count, n = len(law.inputs), max(RUNS, RUNS_A_PARAMETER * len(law.free))
    ratio = np.polynomial.Polynomial([-1.0, -1.0, *[0.0] * (count - 1), 1.0]).roots()
    golden = float(ratio[np.isreal(ratio)].real.max())
    away = {s: 2.0 * ((0.5 + np.arange(1, n + 1) * golden ** -(j + 1.0)) % 1.0) - 1.0 for j, s in enumerate(law.inputs)}
    return {s: bench.placed(s, a, SPAN / 2 * np.log(10.0), rng) for s, a in away.items()}
