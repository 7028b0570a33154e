"""What every observation model is, and what several of them share.

Each works on a scale, "log" or "raw". The Bayesian ones have priors and a NumPyro distribution; the
point ones have a loss of the residual and serve replication. Units: on the log scale residuals are
relative; on the raw scale priors are relative to the response's scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro
import numpyro.distributions as dist

from jaxscale.errors import ConfigError
from jaxscale.noise.special import log
from jaxscale.priors import Prior, positive
from jaxscale.variables import Response

LEAST_MEAN = 1e-12  # of a mean on the log scale, or of a probability
SIMULATED = 256  # rows from which a noise's information is found
TIGHT = 0.2  # scale of a start with a tight core, over the usual residual


@dataclass(frozen=True)
class Noise:
    """Base: `on` is "log", "raw" or None for the response's own scale."""

    on: str | None = None

    name: ClassVar[str] = ""
    says: ClassVar[str] = ""  # what it believes of the runs, for people
    bayesian: ClassVar[bool] = True
    apart: ClassVar[bool] = True  # whether rows are independent given the parameters
    supports: ClassVar[tuple[str, ...]] = ("positive", "unit", "real")

    def on_scale(self, response: Response) -> Noise:
        """This noise with its scale settled for a response.

        Raises:
            ConfigError: the noise cannot describe this response.
        """
        on = self.on or response.on
        if response.support not in self.supports:
            raise ConfigError(f"noise {self.name!r} does not describe a response of kind {response.support!r}")
        if on == "log" and response.support == "real":
            raise ConfigError(f"{response.column} can be negative: noise {self.name!r} must be on the raw scale")
        return dataclasses.replace(self, on=on)

    @property
    def spec(self) -> str:
        """The text that `get_noise` reads as this noise."""
        given = [f for f in dataclasses.fields(self) if f.name != "on" and getattr(self, f.name) != f.default]
        options = ",".join(f"{f.name}={_text(getattr(self, f.name))}" for f in given)
        return f"{self.name}{':' if options else ''}{options}/{self.on}"

    @property
    def needs(self) -> tuple[str, ...]:
        """What rows carry beside inputs and response: of "size", "sd", "run", "annealed"; see batch.py."""
        return ()

    @property
    def priors(self) -> Mapping[str, Prior]:
        """Priors of the noise's own parameters."""
        return {}

    def begin(self, typical: Any, tight: Any) -> Mapping[str, Any]:
        """Coordinates that a search starts from; what is not named starts at a draw from the prior.

        Args:
            typical: () size of a residual, in the unit of the priors.
            tight: () whether to start from a tight core, where a second mode may lie.
        """
        return {}

    def link(self, mean: Any) -> Any:
        """The law's mean on the scale of the noise."""
        return log(jnp.maximum(mean, LEAST_MEAN)) if self.on == "log" else mean

    def unlink(self, value: Any) -> Any:
        """Back to the response's own scale."""
        return jnp.exp(value) if self.on == "log" else value

    def residual(self, mean: Any, lane: Mapping[str, Any]) -> jax.Array:
        """Observed minus mean, on the scale of the noise; y in the lane is on that scale already."""
        return lane["y"] - self.link(mean)

    def distribution(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> dist.Distribution:
        """Of an observation on the scale of the noise."""
        raise NotImplementedError

    def per_row(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """Log density of each row on the scale of the noise; (rows,)."""
        return jnp.asarray(self.distribution(mean, params, lane).log_prob(lane["y"]))

    def summed(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """Weighted log density of all rows on the scale of the noise; () float.

        It must equal what `observe` tells NumPyro. A noise writes it out where that is faster.
        """
        per_row = self.per_row(mean, params, lane)
        return jnp.sum(jnp.where(lane["w"] > 0, lane["w"] * per_row, 0.0))

    def observe(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> None:
        """The observed rows as a site of a NumPyro model."""
        used = lane["w"] > 0
        with numpyro.handlers.mask(mask=used), numpyro.handlers.scale(scale=jnp.where(used, lane["w"], 1.0)):
            numpyro.sample("y", self.distribution(mean, params, lane), obs=lane["y"])

    def sample(self, key: jax.Array, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """One observation for each mean, in the response's own unit; of counts, the share of successes."""
        return self.unlink(self.distribution(mean, params, lane).sample(key))

    def foretold(self, key: jax.Array, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """As `sample`, for forecasts of many draws, where a noise has a faster way; simulations keep their seeds."""
        return self.sample(key, mean, params, lane)

    def seen(self, shown: jax.Array, lane: Mapping[str, Any]) -> jax.Array:
        """What `sample` gives, as `y` of a lane holds it."""
        return self.link(shown)

    def information(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """What one new row tells of the mean: Fisher's information on the scale of the noise; as mean and params.

        One over it is the variance of a normal observation that tells as much. The noise's own variance may be
        infinite where this is not. By simulation, unless a noise writes it out.
        """
        at = self.link(mean)

        def squared(total: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            seen = {**lane, "y": self.seen(self.sample(key, mean, params, lane), lane)}
            # every row's density depends on its own mean alone, so one tangent of ones gives each its own slope
            density = lambda link: self.per_row(self.unlink(link), params, seen)  # noqa: E731
            slope = jax.jvp(density, (at,), (jnp.ones_like(at),))[1]
            return total + slope * slope, None

        begin = jnp.zeros(jnp.broadcast_shapes(jnp.shape(mean), *(jnp.shape(v) for v in params.values())))
        total, _ = jax.lax.scan(squared, begin, jax.random.split(jax.random.key(0), SIMULATED))
        return total / SIMULATED

    def effective(self, params: Mapping[str, Any], lane: Mapping[str, Any]) -> Any | None:
        """Independent rows that would fix a common level as well as these do; None where rows are independent."""
        return None

    def suspicion(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array | None:
        """Probability that each row is not what the law describes, such as an outlier; (rows,).

        None where the noise knows no such rows.
        """
        return None


def _text(value: Any) -> str:
    """An option as it is written."""
    return "learned" if value is None else str(value).lower() if isinstance(value, bool) else f"{value:g}"


@dataclass(frozen=True)
class Scattered(Noise):
    """Noise with a learned scale `sigma`, whose start values come from the residuals."""

    def begin(self, typical, tight):
        """sigma from the residuals."""
        return {"sigma": jnp.where(tight, TIGHT * typical, typical)}


def scale_prior(on: str | None, median: float = 0.015, spread: float = 1.6) -> Prior:
    """Of a standard deviation: by default 90 % between 0.1 % and 20 %.

    Seeds of one run differ by 0.1-1 %, digitised or untuned ones by more.
    """
    return dataclasses.replace(positive(median=median, spread=spread), scaled=on == "raw")
