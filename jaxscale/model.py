"""Law + noise -> one NumPyro model, and the flat log density the engine works on.

The NumPyro model is the single source of truth: the flat density is held by a test to its log density
at the coordinates plus the log slope of the maps from the real line, and is written without NumPyro's
handlers because those take longer to trace than XLA to run. Everything is a pure function of a
flat vector u and a lane (see batch.py), so that vmap gives batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpyro

from jaxscale.batch import Lane
from jaxscale.law import Law
from jaxscale.noise import Noise
from jaxscale.positive import Positive
from jaxscale.priors import BIJECTORS, Bijector, Prior, in_float64

ALONG_A_RUN = ("tokens", "steps", "examples", "flops")
IMPOSSIBLE = -1e30  # log density where the model gives no finite one


@dataclass(frozen=True)
class Site:
    """One coordinate: a NumPyro sample site and one entry of the flat vector."""

    name: str
    param: str
    prior: Prior

    @property
    def bijector(self) -> Bijector:
        """Map from the flat vector's entry to the coordinate."""
        return BIJECTORS[self.prior.bijector]


def _is_factor(prior: Prior) -> bool:
    return bool(prior.powers) and prior.scaled and prior.bijector == "exp" and prior.sign > 0


@dataclass(frozen=True)
class Model:
    """A law under a noise. Hash and equality are those of the pair, so compiled programs are shared."""

    law: Law
    noise: Noise

    @cached_property
    def sites(self) -> tuple[Site, ...]:
        """The law's free parameters in their order, then the noise's."""
        named = {p: prior for p in self.law.params if isinstance(prior := self.law.priors[p], Prior)}
        found = []
        for param, prior in (named | dict(self.noise.priors)).items():
            plain = not (prior.scaled or prior.powers or prior.root or prior.above) and prior.sign > 0
            prior = prior.with_dist(in_float64(prior.dist))
            found.append(Site(param if plain else f"{param}_coordinate", param, prior))
        return tuple(found)

    @property
    def size(self) -> int:
        """Length of the flat vector."""
        return len(self.sites)

    @cached_property
    def params(self) -> tuple[str, ...]:
        """Names of everything reported: the law's parameters, then the noise's."""
        return (*self.law.params, *self.noise.priors)

    @cached_property
    def free(self) -> tuple[int, ...]:
        """Places in `params` of what is not fixed."""
        sampled = {s.param for s in self.sites}
        return tuple(i for i, p in enumerate(self.params) if p in sampled)

    @cached_property
    def linear(self) -> tuple[int, ...]:
        """Places in the flat vector of the coordinates that the mean is linear in."""
        return tuple(i for i, s in enumerate(self.sites) if s.param in self.law.linear)

    @cached_property
    def _factors(self) -> frozenset[str]:
        """Coefficients of powers of the inputs: as Positive they join the power's exponent, before its `exp`."""
        return frozenset(s.param for s in self.sites if _is_factor(s.prior))

    @cached_property
    def amounts(self) -> tuple[int, ...]:
        """Places of the amounts that add up to the mean at the centre: the floor and the terms.

        Runs fix their sum far better than its split, so the flat vector holds the logarithm of the sum and
        how it is divided. With one coordinate an amount the posterior is a thin sheet that bends where an
        amount nears zero, and samplers fall off it.
        """
        places = [i for i in self.linear if self.sites[i].prior.scaled and self.sites[i].prior.bijector == "exp"]
        if not self.noise.apart:  # what varies along a run is known far better than the rest, so it is broken off first
            along = {s for s, v in self.law.inputs.items() if v.column in ALONG_A_RUN}
            places[1:] = sorted(places[1:], key=lambda i: not along & set(self.sites[i].prior.powers))
        return tuple(places) if len(places) > 1 else ()

    # ---- from the flat vector to what it means -----------------------------------------------

    def coordinates(self, u: jax.Array) -> dict[str, jax.Array]:
        """Flat vector (size,) -> coordinate of each site."""
        return self._coordinates(u)[0]

    def _coordinates(self, u: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        """Coordinates, and the log of the map's Jacobian determinant."""
        values, slope = {}, jnp.asarray(0.0)
        for i, site in enumerate(self.sites):
            if i not in self.amounts:
                values[site.name] = site.bijector.to(u[i])
                slope = slope + site.bijector.log_slope(u[i])
        if self.amounts:
            last, *broken = self.amounts
            log_rest = u[last]
            slope = slope + log_rest
            for i in broken:  # stick-breaking; what is left at the end is the first amount, the floor
                values[self.sites[i].name] = jnp.exp(log_rest + jax.nn.log_sigmoid(u[i]))
                slope = slope + log_rest + jax.nn.log_sigmoid(u[i]) + jax.nn.log_sigmoid(-u[i])
                log_rest = log_rest + jax.nn.log_sigmoid(-u[i])
            values[self.sites[last].name] = jnp.exp(log_rest)
        return values, slope

    def flat(self, coordinates: Mapping[str, Any]) -> jax.Array:
        """Inverse of `coordinates`."""
        u = [s.bijector.back(jnp.asarray(coordinates[s.name])) for s in self.sites]
        if self.amounts:
            last, *broken = self.amounts
            rest = coordinates[self.sites[last].name]
            for i in reversed(broken):  # adding up from the end, where a small floor keeps its digits
                amount = coordinates[self.sites[i].name]
                u[i] = jnp.log(amount) - jnp.log(rest)
                rest = rest + amount
            u[last] = jnp.log(rest)
        return jnp.stack(u)

    def parameters(self, coordinates: Mapping[str, Any], lane: Lane) -> dict[str, Any]:
        """Coordinates -> the paper's parameters and the noise's."""
        by_param = {s.param: (s.prior, coordinates[s.name]) for s in self.sites}
        out: dict[str, Any] = {}
        for name in (*self.law.order, *self.noise.priors):
            if name in by_param:
                prior, value = by_param[name]
                out[name] = prior.parameter(value, out, lane["centre"], lane["scale"])
            else:
                fixed = self.law.priors[name]
                assert isinstance(fixed, float)
                out[name] = jnp.asarray(fixed)
        return {name: out[name] for name in self.params}

    def values(self, u: jax.Array, lane: Lane) -> jax.Array:
        """Flat vector (size,) -> what is reported, in the order of `params`; (params,)."""
        found = self.parameters(self.coordinates(u), lane)
        return jnp.stack([found[p] for p in self.params])

    def from_parameters(self, params: Mapping[str, Any], lane: Lane) -> jax.Array:
        """The paper's parameters and the noise's -> flat vector."""
        return self.flat(
            {s.name: s.prior.coordinate(params[s.param], params, lane["centre"], lane["scale"]) for s in self.sites}
        )

    def mean(self, params: Mapping[str, Any], x: Mapping[str, Any]) -> jax.Array:
        """The law at inputs x, which are logarithms but for raw ones."""
        inputs = (Positive(x[s]) if v.axis == "log" else x[s] for s, v in self.law.inputs.items())
        values = {p: Positive(jnp.log(params[p])) if p in self._factors else params[p] for p in self.law.params}
        return jnp.asarray(self.law.mean(*inputs, **values))

    def mean_at(self, u: jax.Array, lane: Lane) -> jax.Array:
        """Flat vector -> the law's mean in every row."""
        return self.mean(self.parameters(self.coordinates(u), lane), lane["x"])

    # ---- the model ---------------------------------------------------------------------------

    def numpyro(self, lane: Lane) -> None:
        """The NumPyro model of one lane."""
        coordinates = {s.name: numpyro.sample(s.name, s.prior.dist) for s in self.sites}
        params = self.parameters(coordinates, lane)
        for name, value in params.items():
            if name not in coordinates:
                numpyro.deterministic(name, value)
        self.noise.observe(self.mean(params, lane["x"]), params, lane)

    def log_density(self, u: jax.Array, lane: Lane) -> jax.Array:
        """Log posterior density of the flat vector, up to a constant; () float."""
        return self._traced_once(u, lane)

    @cached_property
    def _traced_once(self) -> Callable[[jax.Array, Lane], jax.Array]:
        """A jit inside lets every program that calls the density share one trace."""
        return jax.jit(self._log_density)

    def _log_density(self, u: jax.Array, lane: Lane) -> jax.Array:
        coordinates, slope = self._coordinates(u)
        return _possible(self.log_joint(coordinates, lane) + slope)

    def log_joint(self, coordinates: Mapping[str, jax.Array], lane: Lane) -> jax.Array:
        """Log density of the coordinates and the data, () float."""
        params = self.parameters(coordinates, lane)
        return self.log_prior(coordinates, lane) + self.noise.summed(self.mean(params, lane["x"]), params, lane)

    def log_prior(self, coordinates: Mapping[str, jax.Array], lane: Lane) -> jax.Array:
        """Log density of the coordinates, () float; the lane tells some kinds of models what their priors are."""
        return jnp.sum(jnp.stack([jnp.asarray(s.prior.dist.log_prob(coordinates[s.name])) for s in self.sites]))

    def log_likelihood(self, u: jax.Array, lane: Lane) -> jax.Array:
        """Of every row, as a density of the response in its own unit (so that scales compare)."""
        params = self.parameters(self.coordinates(u), lane)
        per_row = self.noise.per_row(self.mean(params, lane["x"]), params, lane)
        return jnp.asarray(per_row - lane["y"] if self.noise.on == "log" else per_row)

    def apart(self, u: jax.Array) -> jax.Array:
        """Each site's coordinate by itself on the real line; (size,). The flat vector mixes the amounts."""
        coordinates = self.coordinates(u)
        return jnp.stack([s.bijector.back(coordinates[s.name]) for s in self.sites])

    def new_runs(self, u: jax.Array, lane: Lane, key: jax.Array) -> jax.Array:
        """One new observation in every row, in the response's own unit; of counts, the share."""
        params = self.parameters(self.coordinates(u), lane)
        return self.noise.foretold(key, self.mean(params, lane["x"]), params, lane)

    def draw_prior(self, key: jax.Array) -> jax.Array:
        """One flat vector from the prior."""
        keys = jax.random.split(key, self.size)
        return self.flat({s.name: s.prior.dist.sample(k) for s, k in zip(self.sites, keys, strict=True)})


@jax.custom_jvp
def _possible(total: jax.Array) -> jax.Array:
    """The log density, or IMPOSSIBLE where it is not finite; slopes pass by.

    Their `where` would have every row ask again, in its own loop, whether the total is finite.
    """
    return jnp.where(jnp.isfinite(total), total, IMPOSSIBLE)


@_possible.defjvp
def _(primals, tangents):
    return _possible(*primals), tangents[0]
