"""A population from posteriors that stand: draws of every group, weighted from their own priors to the population.

Given mu and tau, a group's likelihood is the mean over its draws of p(theta | mu, tau) / p0(theta), with p0 the density
they were drawn under. mu and tau are sampled by HMC under the product of these means; then each of their draws takes
one draw of every group, by weight. It is as good as the groups' draws are dense where the population lies, which the
gate of every group says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale import diagnose
from jaxscale.batch import Lane
from jaxscale.infer import hmc
from jaxscale.infer.importance import laplace_factor
from jaxscale.infer.point import refine
from jaxscale.infer.population import Joint, Member
from jaxscale.noise import Noise
from jaxscale.noise.special import HALF_LOG_2PI
from jaxscale.runtime import compiled

OUTER = 1000  # draws of each group that mu and tau are sampled with
WARM_UP, BLOCKS = 3, 10


class Weighted(NamedTuple):
    """What weights make of the groups' draws.

    Attributes:
        v: (CHAINS, draws, 2 pooled) mu and log tau.
        energy, diverging: (CHAINS, draws).
        chosen: (draws of all chains, groups) which draw of each group goes with it.
        pareto_k, ess: (groups,) of the weights, averaged over mu and tau.
    """

    v: np.ndarray
    energy: np.ndarray
    diverging: np.ndarray
    chosen: np.ndarray
    pareto_k: np.ndarray
    ess: np.ndarray


@dataclass(frozen=True)
class Outer:
    """Density of mu and log tau, (2 pooled,).

    The lane holds `middle` (pooled,), and of the groups' draws `theta` (groups, draws, pooled), in distances from the
    middle, and `drawn` (groups, draws), log p0.
    """

    joint: Joint

    @property
    def noise(self) -> Noise:
        """That of the model, as the search asks for it."""
        return self.joint.member.noise

    @property
    def size(self) -> int:
        """Length of the vector."""
        return 2 * len(self.joint.member.pooled)

    def log_density(self, v: jax.Array, lane: Lane) -> jax.Array:
        """() float."""
        mu, log_tau = jnp.split(v, 2)
        weights = log_weights(mu - lane["middle"], log_tau, lane["theta"], lane["drawn"])
        count = lane["drawn"].shape[1]
        return self.joint.prior(v) + jnp.sum(jax.nn.logsumexp(weights, axis=1) - float(np.log(count)))

    def values(self, v: jax.Array, lane: Lane) -> jax.Array:
        """mu and tau, (2 pooled,)."""
        mu, log_tau = jnp.split(v, 2)
        return jnp.concatenate([mu, jnp.exp(log_tau)])


def log_weights(mu: Any, log_tau: Any, theta: Any, drawn: Any) -> Any:
    """log p(theta | mu, tau) - log p0; theta (..., pooled), drawn (...)."""
    precise = jnp.exp(-2.0 * log_tau)
    # as products, which run at the speed of matrices
    squares = (theta * theta) @ precise - 2.0 * (theta @ (mu * precise)) + jnp.sum(mu * mu * precise)
    return -0.5 * squares - jnp.sum(log_tau + HALF_LOG_2PI) - drawn


def reweigh(
    joint: Joint, theta: Sequence[np.ndarray], drawn: Sequence[np.ndarray], v: np.ndarray, key: jax.Array
) -> Weighted:
    """The population of groups whose draws stand.

    Args:
        joint: the model.
        theta: of each group (draws, pooled), the pooled coordinates on the real line.
        drawn: of each group (draws,) log density that they were drawn under, beside the likelihood.
        v: (2 pooled,) about where mu and log tau are.
        key: random key.
    """
    middle = v[: len(v) // 2]
    some = [np.linspace(0, len(d), min(OUTER, min(map(len, drawn))), endpoint=False).astype(int) for d in drawn]
    lane = {
        "middle": middle,
        "theta": np.stack([t[at] for t, at in zip(theta, some, strict=True)]) - middle,
        "drawn": np.stack([d[at] for d, at in zip(drawn, some, strict=True)]),
    }
    outer = Outer(joint)
    centre, factor = _laplace(outer, lane, v)
    begin, walk, choose = (jax.random.fold_in(key, i) for i in range(3))
    start = centre[None] + jax.random.normal(begin, (hmc.CHAINS, outer.size)) @ factor.T
    state, kept = hmc.begin(centre, factor, start), []
    for i in range(WARM_UP + BLOCKS):
        warm = i < WARM_UP
        state, block = _block(outer, lane, centre, factor, state, jax.random.fold_in(walk, i), np.asarray(warm))
        kept += [] if warm else [jax.tree.map(np.asarray, block)]
    found = jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=1), *kept)
    flat = found.u.reshape(-1, outer.size)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(choose)))
    chosen, pareto_k, ess = np.empty((len(flat), len(theta)), int), np.empty(len(theta)), np.empty(len(theta))
    for g in range(len(theta)):
        weights = np.asarray(_all_weights(flat, middle, theta[g] - middle, drawn[g]))
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        total = np.cumsum(weights, axis=1)
        at = rng.uniform(size=len(flat)) * total[:, -1]
        chosen[:, g] = np.minimum((total < at[:, None]).sum(axis=1), weights.shape[1] - 1)
        log_mean = np.log(np.maximum(np.mean(weights / total[:, -1:], axis=0), 1e-300))
        pareto_k[g], ess[g] = diagnose.psis(log_mean)[1], diagnose.importance_ess(log_mean)
    return Weighted(found.u, found.energy, found.diverging, chosen, pareto_k, ess)


@compiled(static=(0,))
def carried(member: Member, values: Any, own: Lane, common: Lane) -> tuple[jax.Array, jax.Array]:
    """Draws of a fit by itself at the centre and scale that groups share.

    Args:
        member: the model.
        values: (draws, params) as reported.
        own, common: lanes, of which centre and scale are looked at.

    Returns:
        theta (draws, size) of every site on the real line, and (draws,) the log density that the pooled ones were
        drawn under, beside the likelihood. Sites that are not pooled keep their prior, at the shared centre.
    """
    priors = [(s, s.bijector) for s in member.sites]

    def place(params: dict[str, jax.Array], lane: Lane) -> jax.Array:
        at = (s.prior.coordinate(params[s.param], params, lane["centre"], lane["scale"]) for s, _ in priors)
        return jnp.stack([b.back(jnp.asarray(c)) for (_, b), c in zip(priors, at, strict=True)])

    def prior(theta: jax.Array, sites: Any) -> jax.Array:
        found = [
            priors[i][0].prior.dist.log_prob(priors[i][1].to(theta[i])) + priors[i][1].log_slope(theta[i])
            for i in sites
        ]
        return jnp.sum(jnp.stack(found)) if found else jnp.asarray(0.0)

    def moved(theta: jax.Array) -> jax.Array:
        coordinates = {s.name: b.to(theta[i]) for i, (s, b) in enumerate(priors)}
        return place(member.parameters(coordinates, common), own)

    def one(values: jax.Array) -> tuple[jax.Array, jax.Array]:
        theta = place(dict(zip(member.params, values, strict=True)), common)
        _, log_det = jnp.linalg.slogdet(jax.jacfwd(moved)(theta))
        others = [i for i in range(member.size) if i not in member.pooled]
        return theta, prior(moved(theta), range(member.size)) + log_det - prior(theta, others)

    return jax.vmap(one)(values)


@compiled(static=(0,), level=3)
def _block(outer: Outer, lane: Lane, centre: Any, factor: Any, state: hmc.State, key: Any, adapt: Any):
    return hmc.run_block(outer, lane, centre, factor, state, key, jnp.asarray(3), jnp.asarray(0.75), adapt)  # pyright: ignore


@compiled(static=(0,))
def _laplace(outer: Outer, lane: Lane, v: Any) -> tuple[jax.Array, jax.Array]:
    end, _, hessian, _ = refine(outer, lane, v)  # pyright: ignore
    return end, laplace_factor(hessian)


@jax.jit
def _all_weights(v: Any, middle: Any, theta: Any, drawn: Any) -> jax.Array:
    return jax.vmap(lambda mu, log_tau: log_weights(mu - middle, log_tau, theta, drawn))(*jnp.split(v, 2, axis=1))
