"""Programs behind `intervals`: the walk along a profile, and the refit of a table whose residuals were turned."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane
from jaxscale.infer.point import refine
from jaxscale.model import Model
from jaxscale.noise import Checkpoints
from jaxscale.runtime import emptied_for_room

STEP, STEPS = 0.4, 15  # of a profile's walk, in standard deviations by the curvature at the mode
PULL = 10.0  # of a profile towards its target, over the curvature at the mode


class Asked(NamedTuple):
    """What intervals are wanted of: the law's free parameters, and its curve at inputs.

    Attributes:
        model: law and noise.
        inputs: symbol -> (points,) in the law's units; of no points where the curve is not asked for.
    """

    model: Model
    inputs: dict[str, np.ndarray]

    @property
    def points(self) -> int:
        """Of the curve."""
        return len(next(iter(self.inputs.values())))

    @property
    def at(self) -> dict[str, np.ndarray]:
        """The inputs as a lane holds them."""
        axes = {s: v.axis for s, v in self.model.law.inputs.items()}
        return {s: np.log(v) if axes[s] == "log" else v for s, v in self.inputs.items()}

    @property
    def names(self) -> list[str]:
        """Of the quantities, in their order."""
        found = [self.model.params[i] for i in free_places(self.model)]
        return found + (["curve"] if self.points == 1 else [f"curve:{i}" for i in range(self.points)])


def free_places(model: Model) -> list[int]:
    """Places in `params` of the law's parameters that are not fixed."""
    return [i for i in model.free if model.params[i] in model.law.params]


def logged(model: Model, count: int) -> np.ndarray:
    """(count,) which quantities are positive, so that their logarithm is walked."""
    prior = {s.param: s.prior for s in model.sites}
    free = [prior[model.params[i]] for i in free_places(model)]
    positive = [p.bijector == "exp" and p.sign > 0 and p.above is None for p in free]
    return np.array(positive + [model.noise.on == "log"] * (count - len(free)))


class Programs(NamedTuple):
    """Compiled once for a law and a noise.

    Attributes:
        values: flat vectors (n, size), lane, inputs -> (n, quantities).
        profile: lane, mode, inverse Hessian there, inputs, places of the quantities (n,), sides (n,) of -1 or 1 -> what
            `profile` gives, (n, STEPS) each.
        middle: mode, lane -> where the noise expects each row, on its scale (rows,), and its slopes (rows, size).
        wild: lane, mode, changes of the response (n, rows) -> modes (n, size), decrements (n,).
    """

    values: Callable[..., Any]
    profile: Callable[..., Any]
    middle: Callable[..., Any]
    wild: Callable[..., Any]


@emptied_for_room
@functools.lru_cache(maxsize=16)
def programs(model: Model) -> Programs:
    """Those of a model."""
    free = np.array(free_places(model))

    def values(u: jax.Array, lane: Lane, at: Mapping[str, jax.Array]) -> jax.Array:
        params = model.parameters(model.coordinates(u), lane)
        found = jnp.stack([params[p] for p in model.params])[free]
        if not (points := next(iter(at.values())).shape[:1])[0]:
            return found
        return jnp.concatenate([found, jnp.broadcast_to(model.mean(params, at), points)])

    def profile(lane: Lane, u: jax.Array, inverse: jax.Array, at: Any, index: jax.Array, side: jax.Array) -> Any:
        """One walk of one quantity: its values, how far the log density fell, and the decrements; (STEPS,) each.

        Where the sum of density and a pull is largest, the density is the largest among all vectors of that value: so
        every stop is a point of the profile, whether or not the pull reached its target.
        """

        def place(v: jax.Array) -> jax.Array:
            plain = values(v, lane, at)
            positive = logged(model, len(plain))
            return jnp.where(positive, jnp.log(jnp.where(positive, plain, 1.0)), plain)[index]

        slope = jax.grad(place)(u)
        sd = jnp.sqrt(slope @ inverse @ slope)
        ahead = side * STEP * (inverse @ slope) / sd

        def stop(v: jax.Array, k: jax.Array) -> tuple[jax.Array, Any]:
            target = place(u) + side * STEP * k * sd
            v, _, _, left = refine(model, lane, v + ahead, lambda v: 0.5 * PULL * ((place(v) - target) / sd) ** 2)
            return v, (place(v), model.log_density(u, lane) - model.log_density(v, lane), left)

        return jax.lax.scan(stop, u, jnp.arange(1.0, STEPS + 1.0))[1]

    def middle(u: jax.Array, lane: Lane) -> jax.Array:
        mean = model.mean_at(u, lane)
        if isinstance(model.noise, Checkpoints):  # rows before the decay lie higher than the law
            return model.noise.distribution(mean, model.parameters(model.coordinates(u), lane), lane).mean
        return model.noise.link(mean)

    def wild(lane: Lane, u: jax.Array, shift: jax.Array) -> tuple[jax.Array, jax.Array]:
        end, _, _, left = refine(model, lane | {"y": lane["y"] + shift}, u)
        return end, left

    return Programs(
        jax.jit(jax.vmap(values, in_axes=(0, None, None))),
        jax.jit(jax.vmap(profile, in_axes=(None, None, None, None, 0, 0))),
        jax.jit(lambda u, lane: (middle(u, lane), jax.jacfwd(middle)(u, lane))),
        jax.jit(jax.vmap(wild, in_axes=(None, None, 0))),
    )
