"""Priors on what a practitioner can have an opinion on, and the way from there to a paper's parameters.

The engine samples *coordinates*: the floor and what each term contributes at the geometric centre of
the table's inputs, both relative to the response's scale, and exponents. A paper's parameter follows
from its coordinate: A = contribution * N0^alpha. So a prior depends on inputs, never on outcomes, and
not on units.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist


@dataclass(frozen=True)
class Bijector:
    """From an unconstrained real u to a coordinate; `log_slope` is log |d coordinate / d u|."""

    to: Callable[[jax.Array], jax.Array]
    back: Callable[[jax.Array], jax.Array]
    log_slope: Callable[[jax.Array], jax.Array]


BIJECTORS: Mapping[str, Bijector] = {
    "real": Bijector(lambda u: u, lambda c: c, lambda u: jnp.zeros_like(u)),
    "exp": Bijector(jnp.exp, jnp.log, lambda u: u),
    "sigmoid": Bijector(
        jax.nn.sigmoid,
        lambda c: jnp.log(c) - jnp.log1p(-c),
        lambda u: jax.nn.log_sigmoid(u) + jax.nn.log_sigmoid(-u),
    ),
}

Exponent = str | float  # the name of a parameter, with a minus in front for its negative, or a number


@dataclass(frozen=True)
class Prior:
    """A NumPyro distribution on a coordinate, and how the parameter follows from it.

    Attributes:
        dist: the distribution of the coordinate.
        bijector: name of the map from the real line to the coordinate.
        scaled: the coordinate is relative to the response's scale.
        powers: the parameter is the coordinate times the product of centre(input)**power.
        beside: name of the parameter that stands beside the input: Dl in B / (Dl + D^beta).
        root: name of the exponent that the parameter stands under: A in (A / N)^alpha.
        sign: -1 for parameters that a paper writes as negative.
        above: the parameter lies between this other parameter and `below`.
        below: upper end of the range where `above` is given.
    """

    dist: dist.Distribution
    bijector: str
    scaled: bool = False
    powers: Mapping[str, Exponent] = field(default_factory=dict)
    beside: str | None = None
    root: str | None = None
    sign: float = 1.0
    above: str | None = None
    below: float = 1.0

    @property
    def needs(self) -> frozenset[str]:
        """Names of the parameters from which this one is computed."""
        names = [p.lstrip("-") for p in self.powers.values() if isinstance(p, str)]
        return frozenset(names + [n for n in (self.beside, self.root, self.above) if n])

    def _centre(self, params: Mapping[str, Any], log_centre: Mapping[str, Any]) -> Any:
        total = 0.0
        for symbol, power in self.powers.items():
            if isinstance(power, str):
                value = params[power.lstrip("-")]
                power = -value if power.startswith("-") else value
            total = total + power * log_centre[symbol]
        return jnp.exp(total) + (params[self.beside] if self.beside else 0.0)

    def parameter(self, coordinate: Any, params: Mapping[str, Any], log_centre: Mapping[str, Any], scale: Any) -> Any:
        """The paper's parameter at this coordinate, other parameters being known."""
        value = coordinate * scale if self.scaled else coordinate
        if self.root:
            value = value ** (1.0 / params[self.root])
        if self.powers:
            value = value * self._centre(params, log_centre)
        if self.above:
            value = params[self.above] + (self.below - params[self.above]) * value
        return self.sign * value

    def coordinate(self, value: Any, params: Mapping[str, Any], log_centre: Mapping[str, Any], scale: Any) -> Any:
        """Inverse of `parameter`."""
        value = self.sign * value
        if self.above:
            value = (value - params[self.above]) / (self.below - params[self.above])
        if self.powers:
            value = value / self._centre(params, log_centre)
        if self.root:
            value = value ** params[self.root]
        return value / scale if self.scaled else value

    def with_dist(self, new: Any) -> Prior:
        """This prior with another distribution on the same coordinate."""
        return dataclasses.replace(self, dist=new, bijector=_bijector_for(new))


def _bijector_for(distribution: Any) -> str:
    support = distribution.support
    if support in (dist.constraints.positive, dist.constraints.nonnegative):
        return "exp"
    if support == dist.constraints.unit_interval:
        return "sigmoid"
    return "real"


def as_prior(spec: Any, name: str) -> Prior | float:
    """A `Prior`, a NumPyro distribution on the parameter itself, or a number that fixes it."""
    if isinstance(spec, Prior):
        return spec
    if isinstance(spec, dist.Distribution):
        return Prior(spec, _bijector_for(spec))
    if isinstance(spec, int | float):
        return float(spec)
    raise TypeError(
        f"the prior of {name!r} is a {type(spec).__name__}; "
        "give floor(), term(), exponent(), a number or a NumPyro distribution"
    )


def in_float64(distribution: dist.Distribution) -> dist.Distribution:
    """The same distribution with float64 leaves, whatever mode it was made in."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, dtype=np.float64), distribution)


# ---- the words a law is written with -------------------------------------------------------------


def floor(spread: float = 2.0) -> Prior:
    """The irreducible part, in units of the response's scale: half-normal, so that zero is allowed."""
    return Prior(dist.HalfNormal(spread), "exp", scaled=True)


def exponent(median: float = 0.3, spread: float = 0.7, sign: float = 1.0) -> Prior:
    """A power's exponent: log-normal; by default 90 % between 0.095 and 0.95."""
    return Prior(dist.LogNormal(float(np.log(median)), spread), "exp", sign=sign)


def term(
    inputs: str | Mapping[str, Exponent],
    power: Exponent | None = None,
    *,
    median: float = 0.5,
    spread: float = 1.0,
    beside: str | None = None,
    root: bool = False,
    sign: float = 1.0,
) -> Prior:
    """A coefficient, by what its term contributes at the centre of the table's inputs.

    `term("N", "alpha")` is a prior on A * N0^-alpha, for the term A / N^alpha, in units of the
    response's scale; `term({"C": "eta", "M": "-eta"})` on a * C0^-eta * M0^eta. With `root` the
    coefficient stands under the power too, (A / N)^alpha, and the prior is on (A / N0)^alpha. `beside`
    names a parameter added to the power, B / (Dl + D^beta), and the prior is on B / (Dl + D0^beta).
    By default log-normal, 90 % between 0.1 and 2.6.
    """
    powers = {inputs: power} if isinstance(inputs, str) else dict(inputs)
    if any(p is None for p in powers.values()):
        raise TypeError("term() takes an input and its exponent, or a mapping of inputs to exponents")
    law_power = next(iter(powers.values())) if root else None
    return Prior(
        dist.LogNormal(float(np.log(median)), spread),
        "exp",
        scaled=True,
        powers=dict.fromkeys(powers, 1.0) if root else {k: p for k, p in powers.items() if p is not None},
        beside=beside,
        root=law_power if isinstance(law_power, str) else None,
        sign=sign,
    )


def relative(inputs: str, power: Exponent = 1.0, *, median: float = 1.0, spread: float = 2.0) -> Prior:
    """A location on an input's axis (a midpoint, a pre-learned size), relative to the table's centre."""
    return Prior(dist.LogNormal(float(np.log(median)), spread), "exp", powers={inputs: power})


def positive(median: float, spread: float) -> Prior:
    """Any other positive number: log-normal."""
    return Prior(dist.LogNormal(float(np.log(median)), spread), "exp")


def share(centre: float = 0.5, spread: float = 1.5) -> Prior:
    """A number between 0 and 1: logit-normal."""
    logit = float(np.log(centre) - np.log1p(-centre))
    return Prior(_logit_normal(logit, spread), "sigmoid")


def between(above: str, below: float = 1.0, *, spread: float = 1.5) -> Prior:
    """A number between another parameter and `below`: logit-normal on the share of the way."""
    return Prior(_logit_normal(0.0, spread), "sigmoid", above=above, below=below)


def _logit_normal(centre: float, spread: float) -> dist.Distribution:
    return dist.TransformedDistribution(dist.Normal(centre, spread), dist.transforms.SigmoidTransform())


def kept_prior(given: Any) -> Any:
    """A user's prior as JSON: a number, or a NumPyro distribution of numbers by name; None for any other."""
    if isinstance(given, int | float):
        return float(given)
    kind = type(given).__name__
    if getattr(dist, kind, None) is not type(given):
        return None
    arguments = set(inspect.signature(type(given)).parameters) - {"validate_args"}
    if arguments != set(given.arg_constraints):  # a truncated distribution, which is made of another one
        return None
    values = {k: np.asarray(getattr(given, k)) for k in given.arg_constraints}
    plain = all(v.ndim == 0 and np.issubdtype(v.dtype, np.number) for v in values.values())
    return {"distribution": kind, **{k: float(v) for k, v in values.items()}} if plain else None


def given_prior(kept: float | Mapping[str, Any]) -> Any:
    """What `kept_prior` wrote, as `fit` takes it."""
    if not isinstance(kept, Mapping):
        return kept
    values = {k: v for k, v in kept.items() if k != "distribution"}
    return getattr(dist, kept["distribution"])(**values)
