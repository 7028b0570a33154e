"""Eight bugs, planted in the real engine while a block runs; a harness that misses one proves nothing.

    with planted("missing Jacobian"):
        js.fit_many(...)

Each is a model or a noise that is wrong in one place, or a function of the engine that is. Models and noises are told
apart by their class, so that the bug's compiled programs never meet the engine's; functions that are replaced run
outside of compiled programs, or their programs are compiled anew.
"""

from __future__ import annotations

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from sbc import Setting

from jaxscale.batch import keys_of, lane_of
from jaxscale.engine import shard
from jaxscale.infer import cascade
from jaxscale.model import Model, Site
from jaxscale.noise import Noise
from jaxscale.status import Health

Patch = tuple[Any, str, Any]  # where, name, what stands there meanwhile

# Few rows, so that prior, slopes and padding weigh; importance sampling, because it is cheap. Chains, because they
# couple where they share a key, however resampling mixes weighted draws. An offset, because float32 is harmless
# where a loss is not far from zero.
PLAIN = Setting("hestness", "normal", rows=8, method="importance", draws=400, ranked=19)
CHAINS = Setting("kaplan_n", "normal", rows=11, method="hmc", draws=2000, ranked=19)
OFFSET = replace(PLAIN, noise="normal/raw", rows=11, priors={"gamma": dist.LogNormal(np.log(50.0), 0.5)})


# ---- in the model ----------------------------------------------------------------------------


class WrongPriorScale(Model):
    """Half the spread that every prior states, as where a variance is taken for a standard deviation."""

    @cached_property
    def sites(self) -> tuple[Site, ...]:  # noqa: D102
        return tuple(replace(s, prior=s.prior.with_dist(_narrower(s.prior.dist))) for s in super().sites)


def _narrower(prior: Any) -> Any:
    if isinstance(prior, dist.LogNormal):
        return dist.LogNormal(prior.loc, 0.5 * prior.scale)
    return dist.HalfNormal(0.5 * prior.scale) if isinstance(prior, dist.HalfNormal) else prior


class MissingJacobian(Model):
    """The density of the coordinates, taken for that of the flat vector."""

    def _coordinates(self, u: jax.Array) -> tuple[dict[str, jax.Array], jax.Array]:
        values, slope = super()._coordinates(u)
        return values, jnp.zeros_like(slope)


# ---- in the noise ----------------------------------------------------------------------------


def _model_with(noise_bug: Callable[[type[Noise]], type[Noise]]) -> Callable[[Any, Noise], Model]:
    """In place of `Model`: the same with a noise of another class."""

    def model(law: Any, noise: Noise) -> Model:
        options = {k: v for k, v in vars(noise).items() if k in type(noise).__dataclass_fields__}
        return Model(law, noise_bug(type(noise))(**options))

    return model


@functools.cache
def _sigma_squared(noise: type[Noise]) -> type[Noise]:
    class SigmaSquared(noise):
        """A variance where the distribution takes a standard deviation."""

        def summed(self, mean, params, lane):
            return super().summed(mean, {**params, "sigma": params["sigma"] ** 2}, lane)

    return SigmaSquared


@functools.cache
def _cancelling(noise: type[Noise]) -> type[Noise]:
    class Cancelling(noise):
        """The sum of squares expanded, in float32: of large numbers whose difference is the noise nothing is left."""

        def summed(self, mean, params, lane):
            w, y, m = (a.astype(jnp.float32) for a in (lane["w"], lane["y"], self.link(mean)))
            squares = (jnp.sum(w * y * y) - 2 * jnp.sum(w * y * m) + jnp.sum(w * m * m)).astype(jnp.float64)
            log_scale = jnp.log(params["sigma"]) + 0.5 * jnp.log(2.0 * jnp.pi)
            return -jnp.sum(lane["w"]) * log_scale - 0.5 * squares / params["sigma"] ** 2

    return Cancelling


# ---- in how tables are packed and keys are made -----------------------------------------------


def _padding_counts(*args: Any, **kwargs: Any) -> dict[str, Any]:
    lane = lane_of(*args, **kwargs)
    return lane | {"w": np.ones_like(lane["w"])}


def _centre_upside_down(*args: Any, **kwargs: Any) -> dict[str, Any]:
    lane = lane_of(*args, **kwargs)
    return lane | {"centre": {s: -v for s, v in lane["centre"].items()}}


def _one_key(seed: int, names: Any) -> np.ndarray:
    return np.repeat(keys_of(seed, ["fit"]), len(names), axis=0)


# ---- in the chains' beginning ------------------------------------------------------------------


def _unprepared(model: Model) -> Any:
    """Programs whose chains begin at draws of the prior, where a sampler without a search for the mode begins."""
    run = copy.copy(PROGRAMS(model))

    def resample(proposal: Any, keys: jax.Array) -> jax.Array:
        split = jax.vmap(lambda k: jax.random.split(k, cascade.hmc.CHAINS))
        return jax.vmap(jax.vmap(model.draw_prior))(split(keys))

    vars(run)["resample"] = resample
    return run


PROGRAMS = cascade.programs


# ---- the list ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bug:
    """One of the eight.

    Attributes:
        what: what is wrong, for people.
        setting: where it is looked for.
        patches: what stands in the engine's place meanwhile.
        simulations: of a short study, which must catch it.
    """

    what: str
    setting: Setting
    patches: tuple[Patch, ...]
    simulations: int = 400


def _unusable(health: Health) -> list[str]:
    """What is left of the gate when it is open: draws must exist."""
    weights = not health.weighted or health.ess_weights > 0.0
    return [] if health.finite and weights else ["nothing that can be drawn from"]


BUGS: Mapping[str, Bug] = {
    "wrong prior scale": Bug("every prior half as wide", PLAIN, ((shard, "Model", WrongPriorScale),)),
    "missing Jacobian": Bug("no slope of the maps from the real line", PLAIN, ((shard, "Model", MissingJacobian),)),
    "sigma squared": Bug("a variance for a standard deviation", PLAIN,
                         ((shard, "Model", _model_with(_sigma_squared)),)),
    "mask ignored": Bug("padding counts as data", PLAIN, ((shard, "lane_of", _padding_counts),)),
    "pivot sign": Bug("the centre of the inputs upside down", PLAIN, ((shard, "lane_of", _centre_upside_down),)),
    "reused key": Bug("one key for all fits", CHAINS, ((shard, "keys_of", _one_key),), 200),
    "truncated warm-up": Bug(
        "short chains from the prior, without warm-up", replace(CHAINS, draws=400),
        ((cascade, "SHORT", replace(cascade.SHORT, warm_up=0)), (cascade, "programs", _unprepared)), 200,
    ),
    "float32 cancellation": Bug("sum of squares expanded in float32", OFFSET,
                                ((shard, "Model", _model_with(_cancelling)),), 200),
}  # fmt: skip


SETTINGS = {"plain": PLAIN, "chains": CHAINS, "offset": OFFSET}


def setting_of(name: str) -> Setting:
    """Where a bug is looked for; "none, plain" is the engine without one, in one of SETTINGS."""
    return BUGS[name].setting if name in BUGS else SETTINGS[name.removeprefix("none, ")]


@contextlib.contextmanager
def planted(name: str, gate: bool = True) -> Iterator[None]:
    """The engine with a bug, or with none ("none, ..."), inside the block, its gate open or not."""
    # recipes are shared by what they say, which a bug does not change: those of the engine wait outside
    patches: list[Patch] = [(shard, "_RECIPES", {}), *(BUGS[name].patches if name in BUGS else ())]
    if not gate:
        patches.append((Health, "failures", property(_unusable)))
    kept = [(where, what, vars(where)[what]) for where, what, _ in patches]
    try:
        for where, what, new in patches:
            setattr(where, what, new)
        yield
    finally:
        for where, what, old in kept:
            setattr(where, what, old)
