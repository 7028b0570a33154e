"""Where searches begin: many draws of the nonlinear coordinates, the linear ones solved (variable projection)."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane
from jaxscale.model import Model
from jaxscale.noise import LeastSquares

CANDIDATES = 16  # a start
# Boxes that candidates are drawn in, in prior standard deviations about the prior's middle: of the default
# exponent .1 to .9, .02 to .25, .25 to 2 and 4 to 100.
CENTRE, LOW, HIGH, STEEP = (-1.6, 1.6), (-3.9, -0.3), (-0.3, 2.7), (3.7, 8.3)
NEAR = (-0.4, 0.4)  # of effects of either sign, most of which are small: far from all of them another mode lies
RIDGE = 1e-9
LEAST_COORDINATE = 1e-3
LEAST_RESIDUAL = 1e-5  # of the response's scale
FEW = 64  # rows; with a hundred runs no second mode was seen in thousands of tables


def starts(model: Model, lane: Lane, key: jax.Array) -> jax.Array:
    """The best candidate of each box; (1 + 2 searched, size).

    What is neither linear nor the noise's is searched: one box lies at the centre, and for each such
    coordinate one far below and one far above, since the best candidates of the prior all lie in one basin.
    Given a candidate the linear coordinates are non-negative weighted least squares. The noise is that of
    the residuals; with few runs, from all boxes but the centre, it has a tight core and heavy tails, which
    is where a second mode lies when some disagree with the rest.
    """
    low, high = _boxes(model)
    middle, spread = _prior_scales(model)
    low, high = middle[None, :] + spread[None, :] * low, middle[None, :] + spread[None, :] * high
    boxes, size = low.shape
    share = jax.random.uniform(key, (boxes, CANDIDATES, size))
    drawn = low[:, None, :] + (high - low)[:, None, :] * share
    solved = jax.vmap(jax.vmap(lambda u: solve_linear(model, lane, u)))(drawn)
    tight = (jnp.arange(boxes) > 0) & (lane["w"].shape[0] <= FEW)
    settled, score = jax.vmap(jax.vmap(lambda u, t: _settle_noise(model, lane, u, t), (0, None)))(solved, tight)
    best = jnp.argmin(jnp.where(jnp.isfinite(score), score, jnp.inf), axis=1)
    return settled[jnp.arange(boxes), best]


def _boxes(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (boxes, size), in prior standard deviations."""
    noise = model.noise.priors
    searched = [i for i, s in enumerate(model.sites) if i not in model.linear and s.param not in noise]
    signed = [i for i in searched if model.sites[i].prior.bijector == "real"]
    ends = np.tile(np.array(CENTRE), (1 + 2 * len(searched), model.size, 1))
    far = STEEP if isinstance(model.noise, LeastSquares) else HIGH
    for box, i in enumerate(searched):
        below, above = ends[1 + 2 * box], ends[2 + 2 * box]
        below[searched], above[searched] = HIGH, HIGH if far is STEEP else CENTRE
        below[signed] = above[signed] = NEAR
        below[i], above[i] = LOW, far
    return ends[..., 0], ends[..., 1]


@functools.lru_cache(maxsize=64)
def _prior_scales(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Median and standard deviation of the prior of each entry of the flat vector."""
    with jax.ensure_compile_time_eval():
        draws = np.asarray(jax.vmap(model.draw_prior)(jax.random.split(jax.random.key(0), 2000)))
    return np.median(draws, axis=0), draws.std(axis=0)


def solve_linear(model: Model, lane: Lane, u: jax.Array) -> jax.Array:
    """Replace the linear coordinates of u by their weighted least squares, within what each may be."""
    if not model.linear:
        return u
    sites = [model.sites[i] for i in model.linear]

    def mean(linear: jax.Array) -> jax.Array:
        coordinates = model.coordinates(u) | {s.name: linear[i] for i, s in enumerate(sites)}
        return model.mean(model.parameters(coordinates, lane), lane["x"])

    ones = jnp.ones(len(sites))
    basis = jax.jacfwd(mean)(ones)  # the mean is linear, so anywhere will do, and 0^(1/alpha) has no slope
    y, weight = _raw_target(model, lane)
    target = y - (mean(ones) - basis.sum(axis=1))
    gram = basis.T @ (weight[:, None] * basis)
    moment = basis.T @ (weight * target)
    low, high = ends(model)
    active = jnp.ones(len(sites), dtype=bool)
    solution = ones
    for _ in sites:  # drop what comes out negative, solve again
        masked = jnp.where(active[:, None] & active[None, :], gram, 0.0)
        ridge = jnp.where(active, RIDGE * jnp.diag(gram), 1.0)
        solution = jnp.linalg.solve(masked + jnp.diag(ridge), jnp.where(active, moment, 0.0))
        active = active & (solution > jnp.minimum(low, 0.0))
    solution = jnp.clip(solution, low, high)
    return model.flat(model.coordinates(u) | {s.name: solution[i] for i, s in enumerate(sites)})


def ends(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Least and largest linear coordinates that a search may reach."""
    kinds = [model.sites[i].prior.bijector for i in model.linear]
    low = [-np.inf if k == "real" else LEAST_COORDINATE for k in kinds]
    high = [1.0 - LEAST_COORDINATE if k == "sigmoid" else np.inf for k in kinds]
    return np.array(low), np.array(high)


def _raw_target(model: Model, lane: Lane) -> tuple[jax.Array, jax.Array]:
    """The response in its own unit, and weights that make its errors those of the noise's scale."""
    if "trials" in lane:
        return lane["y"] / lane["trials"], lane["w"] * lane["trials"]
    y = model.noise.unlink(lane["y"])
    return y, lane["w"] / (y * y) if model.noise.on == "log" else lane["w"]


def _settle_noise(model: Model, lane: Lane, u: jax.Array, tight: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Set the noise's coordinates from the residuals; the score is their mean size, or that of most where tight."""
    r = jnp.abs(model.noise.residual(model.mean_at(u, lane), lane))
    weight = lane["w"] / jnp.sum(lane["w"])
    mean = jnp.sum(weight * r)
    most = jnp.sum(weight * jnp.sqrt(jnp.sqrt(r))) ** 4  # like the median, which would have to sort
    least_squares = isinstance(model.noise, LeastSquares)
    score = mean if least_squares else jnp.where(tight, most, mean)
    unit = lane["scale"] if model.noise.on == "raw" else jnp.asarray(1.0)
    typical = jnp.maximum(jnp.where(tight, most, mean), LEAST_RESIDUAL * unit) / unit
    begin = model.noise.begin(typical, tight)
    if not least_squares:
        for i, site in enumerate(model.sites):
            if site.param in begin and site.param in model.noise.priors:
                u = u.at[i].set(site.bijector.back(begin[site.param]))
    return u, score
