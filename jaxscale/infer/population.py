"""Partial pooling: groups whose parameters are drawn from a population, sampled jointly.

A site's coordinate on the real line (`Model.apart`) is theta_g ~ Normal(mu, tau) over groups; mu has the site's own
prior, tau a log-normal one in that prior's standard deviations: no two groups are exactly alike. The groups' densities
are those of the model, with the priors of the pooled sites exchanged.

Neither theta_g nor its non-centred form is fit to walk in: the first has a funnel where tau is small, the second ties
mu and tau to every group that knows its own parameters. So each group is walked in z_g, standard normal a posteriori
if its likelihood is Gaussian in the flat vector, whatever mu and tau are: u_g = m(mu, tau) + C(mu, tau) z_g, with m and
C the moments of that approximation. Without data this is the non-centred form, with many runs the centred one. The
density is exact either way; only the walk depends on the approximation.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from jaxscale.batch import Lane
from jaxscale.infer.importance import LEAST_PRECISION
from jaxscale.infer.point import refine
from jaxscale.model import Model
from jaxscale.noise.special import HALF_LOG_2PI
from jaxscale.runtime import compiled

SPREAD, DOUBT = 0.2, 0.8  # median and log sd of tau's prior, in prior sds of the site: 90 % between .05 and .75
PRIOR_DRAWS = 20_000
ROUNDS = 12  # of the search for mu and tau
NEWTON = 30  # steps to the mode of log tau


@dataclass(frozen=True)
class Member(Model):
    """The model of one group under a population that its lane holds as `mu` and `tau`, (size,) each.

    `pooled` are places of sites. Of the others these entries only tell the walk how wide the prior is.
    """

    pooled: tuple[int, ...] = ()

    @cached_property
    def alone(self) -> Model:
        """The same model of a table by itself, whose compiled programs ordinary fits share."""
        return Model(self.law, self.noise)

    def log_prior(self, coordinates: Mapping[str, jax.Array], lane: Lane) -> jax.Array:
        """Of the pooled sites, the population's; never theirs added and taken away, which far out leaves rounding."""
        found = []
        for i, site in enumerate(self.sites):
            value = coordinates[site.name]
            if i in self.pooled:
                place, mu, tau = site.bijector.back(value), lane["mu"][i], lane["tau"][i]
                drawn = -0.5 * ((place - mu) / tau) ** 2 - jnp.log(tau) - HALF_LOG_2PI
                found.append(drawn - site.bijector.log_slope(place))
            else:
                found.append(jnp.asarray(site.prior.dist.log_prob(value)))
        return jnp.sum(jnp.stack(found))

    def summed_log_likelihood(self, u: jax.Array, lane: Lane) -> jax.Array:
        """Of all rows; () float."""
        params = self.parameters(self.coordinates(u), lane)
        return self.noise.summed(self.mean(params, lane["x"]), params, lane)


class Maps(NamedTuple):
    """mu, tau (size,); and for every group u = centre + factor z with the log slope of that map."""

    mu: Any
    tau: Any
    centre: Any
    factor: Any
    slope: Any


@dataclass(frozen=True)
class Joint:
    """All groups and their population, in the coordinates that are walked in: v (2 pooled,) and z (groups, size).

    v is mu and log tau of the pooled sites. The lane holds the groups' lanes, packed and with a leading group axis, and
    of each the quadratic that its likelihood is like: `at` (size,), where it was expanded, `slope` (size,) and
    `precision` (size, size).
    """

    member: Member
    groups: int

    def population(self, v: jax.Array) -> tuple[jax.Array, jax.Array]:
        """mu and tau of every site, (size,) each; of sites that are not pooled, the prior's."""
        pooled = np.array(self.member.pooled)
        middle, spread = prior_scales(self.member)
        mu, log_tau = jnp.split(v, 2)
        return jnp.asarray(middle).at[pooled].set(mu), jnp.asarray(spread).at[pooled].set(jnp.exp(log_tau))

    def prior(self, v: jax.Array) -> jax.Array:
        """Log density of mu and log tau; () float."""
        return jnp.sum(self._site_priors(jnp.stack(jnp.split(v, 2), axis=-1)))

    def _site_priors(self, x: jax.Array) -> jax.Array:
        _, spread = prior_scales(self.member)
        found = []
        for k, i in enumerate(self.member.pooled):
            site, usual = self.member.sites[i], float(np.log(SPREAD * spread[i]))
            mu, log_tau = x[..., k, 0], x[..., k, 1]
            prior = site.prior.dist.log_prob(site.bijector.to(mu)) + site.bijector.log_slope(mu)
            found.append(prior - 0.5 * ((log_tau - usual) / DOUBT) ** 2 - float(np.log(DOUBT)) - HALF_LOG_2PI)
        return jnp.stack(found, axis=-1)

    def site_densities(self, x: jax.Array, theta: jax.Array) -> jax.Array:
        """Log density of every pooled site's mu and log tau x (..., pooled, 2), given theta (..., groups, pooled)."""
        mu, log_tau = x[..., None, :, 0], x[..., None, :, 1]
        drawn = -0.5 * ((theta - mu) * jnp.exp(-log_tau)) ** 2 - log_tau - HALF_LOG_2PI
        return self._site_priors(x) + jnp.sum(drawn, axis=-2)

    def middle(self, mu: jax.Array, tau: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The flat vector at mu, and its slope in units of tau: (size,), (size, size)."""
        place = functools.partial(flat_of, self.member)
        return place(mu), jax.jacfwd(place)(mu) * tau[None, :]

    def maps(self, v: jax.Array, lane: Lane) -> Maps:
        """How the groups follow from their z, given mu and tau."""
        size = self.member.size
        mu, tau = self.population(v)
        begin, tilt = self.middle(mu, tau)

        def one(at, slope, precision):
            root = jnp.linalg.cholesky(jnp.eye(size) + tilt.T @ precision @ tilt)
            pull = solve_triangular(root, tilt.T @ (slope + precision @ (at - begin)), lower=True)
            factor = solve_triangular(root, tilt.T, lower=True).T  # tilt root^-T
            return begin + factor @ pull, factor, -jnp.sum(jnp.log(jnp.diag(root)))

        centre, factor, slopes = jax.vmap(one)(lane["at"], lane["slope"], lane["precision"])
        return Maps(mu, tau, centre, factor, slopes + jnp.linalg.slogdet(tilt)[1])

    def flat(self, maps: Maps, z: jax.Array) -> jax.Array:
        """The groups' flat vectors, (groups, size)."""
        return maps.centre + jnp.einsum("gij,gj->gi", maps.factor, z)

    def back(self, maps: Maps, u: jax.Array) -> jax.Array:
        """Inverse of `flat`."""
        return jnp.linalg.solve(maps.factor, (u - maps.centre)[..., None])[..., 0]

    def group_densities(self, maps: Maps, z: jax.Array, lane: Lane) -> jax.Array:
        """Log density of every group's z (groups, size) given the population; (groups,)."""
        density = lambda u, g: self.member.log_density(u, g | {"mu": maps.mu, "tau": maps.tau})  # noqa: E731
        return jax.vmap(density)(self.flat(maps, z), lane["groups"]) + maps.slope

    def density(self, v: jax.Array, z: jax.Array, lane: Lane) -> jax.Array:
        """Log density of everything; () float."""
        return self.prior(v) + jnp.sum(self.group_densities(self.maps(v, lane), z, lane))

    def values(self, v: jax.Array, u: jax.Array, lane: Lane) -> jax.Array:
        """mu and tau of the pooled sites, then every group's parameters; (2 pooled + groups params,)."""
        count = len(self.member.pooled)
        params = jax.vmap(self.member.values)(u, lane["groups"])
        return jnp.concatenate([v[:count], jnp.exp(v[count:]), params.reshape(-1)])


def flat_of(model: Model, place: jax.Array) -> jax.Array:
    """Inverse of `Model.apart`: (size,) on the real line, site by site -> flat vector."""
    return model.flat({s.name: s.bijector.to(place[i]) for i, s in enumerate(model.sites)})


@functools.lru_cache(maxsize=64)
def prior_scales(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Median and standard deviation of every site's prior on the real line; (size,) each."""
    with jax.ensure_compile_time_eval():
        draws = jax.vmap(model.draw_prior)(jax.random.split(jax.random.key(0), PRIOR_DRAWS))
        places = np.asarray(jax.vmap(model.apart)(draws))
    return np.median(places, axis=0), places.std(axis=0)


# ---- where the walk begins ------------------------------------------------------------------------


def begin(joint: Joint, lanes: Lane, u: np.ndarray) -> tuple[Lane, np.ndarray, np.ndarray]:
    """The lane of the joint density, and where mu and log tau are and how far they are known, (2 pooled,) each.

    They are sought by expectation-maximisation with a Laplace approximation of every group.

    Args:
        joint: the model.
        lanes: the groups' lanes, with a leading group axis.
        u: (groups, size) modes of the groups by themselves.
    """
    member, pooled = joint.member, np.array(joint.member.pooled)
    middle, spread = prior_scales(member)
    groups, usual = joint.groups, np.log(SPREAD * spread[pooled])
    places = np.array(apart(member, u))
    # from the crowd inwards: a group may by itself have its mode where some runs are met exactly and sigma is nothing
    mu, tau = middle.copy(), spread.copy()
    mu[pooled] = np.median(places, axis=0)[pooled]
    off = 1.5 * np.median(np.abs(places - mu), axis=0)[pooled]
    tau[pooled] = np.clip(off, np.exp(usual - DOUBT), np.exp(usual + DOUBT))
    # with no more runs than parameters a mode runs off to a sigma of nothing, and would take the population along
    told = np.flatnonzero(np.sum(lanes["w"] > 0, axis=1) > member.size)
    told = told if len(told) > 1 else np.arange(groups)
    flat = _flat(member, np.clip(places, mu - 2.0 * tau, mu + 2.0 * tau))
    for _ in range(ROUNDS):
        everyone = {"mu": np.tile(mu, (groups, 1)), "tau": np.tile(tau, (groups, 1))}
        flat, places, known = _modes(member, lanes | everyone, flat)
        theta = np.asarray(places)[told][:, pooled]
        noisy = np.minimum(np.asarray(known)[told][:, pooled], tau[pooled] ** 2)
        precise = len(theta) / tau[pooled] ** 2
        weight = precise + spread[pooled] ** -2.0
        mu[pooled] = (precise * theta.mean(axis=0) + middle[pooled] / spread[pooled] ** 2) / weight
        squares = np.sum((theta - mu[pooled]) ** 2 + noisy, axis=0)
        tau[pooled] = np.exp(np.minimum(_mode_of_log_tau(len(theta), squares, usual), usual + DOUBT))
    at, slope, precision = _quadratics(member, lanes, flat)
    noisy = noisy.mean(axis=0)
    share = (tau[pooled] ** 2 / (tau[pooled] ** 2 + noisy)) ** 2
    wide = np.concatenate(
        [np.sqrt((tau[pooled] ** 2 + noisy) / len(told)), (2.0 * len(told) * share + DOUBT**-2.0) ** -0.5]
    )
    lane = {"groups": lanes, "at": at, "slope": slope, "precision": precision}
    return lane, np.concatenate([mu[pooled], np.log(tau[pooled])]), wide


def _mode_of_log_tau(groups: int, squares: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Given sums of squared distances from mu: Newton, from where the slope is steep and the curve one-sided."""
    x = np.minimum(0.5 * np.log(squares / groups), usual)
    for _ in range(NEWTON):
        pull = squares * np.exp(-2.0 * x)
        x = x + (pull - groups - (x - usual) / DOUBT**2) / (2.0 * pull + DOUBT**-2.0)
    return x


@compiled(static=(0,))
def apart(member: Member, u: Any) -> jax.Array:
    """Of many flat vectors (..., size), every site's coordinate on the real line."""
    return jax.vmap(member.apart)(u.reshape(-1, member.size)).reshape(u.shape)


@compiled(static=(0,))
def _flat(member: Member, places: jax.Array) -> jax.Array:
    return jax.vmap(lambda place: flat_of(member, place))(places)


@compiled(static=(0,))
def _modes(member: Member, lanes: Lane, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The groups' modes under the population, where they are on the real line, and variances there."""

    def one(lane: Lane, u: jax.Array):
        end, _, hessian, _ = refine(member, lane, u)
        end = jnp.where(jnp.isfinite(end).all(), end, u)
        curvature, axes = jnp.linalg.eigh(hessian)
        along = jax.jacfwd(member.apart)(end) @ axes
        known = jnp.maximum(jnp.abs(curvature), LEAST_PRECISION)[None, :]
        return end, member.apart(end), jnp.sum(along**2 / known, axis=1)

    return jax.vmap(one)(lanes, u)


@compiled(static=(0,))
def _quadratics(member: Member, lanes: Lane, u: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The likelihood of every group as a quadratic about u, concave: where, slope and precision."""

    def one(lane: Lane, u: jax.Array):
        slope = jax.grad(member.summed_log_likelihood)
        hessian = jnp.nan_to_num(jax.jacfwd(slope)(u, lane))
        curvature, axes = jnp.linalg.eigh(-hessian)
        return u, jnp.nan_to_num(slope(u, lane)), (axes * jnp.maximum(curvature, 0.0)[None, :]) @ axes.T

    return jax.vmap(one)(lanes, u)
