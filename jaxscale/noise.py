"""Observation models: how a measured run scatters about the law.

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
import numpyro.distributions as dist

from jaxscale.errors import ConfigError
from jaxscale.priors import Prior, positive
from jaxscale.variables import Response

LEAST_MEAN = 1e-12  # of a mean on the log scale, or of a probability


@dataclass(frozen=True)
class Noise:
    """Base: `on` is "log", "raw" or None for the response's own scale."""

    on: str | None = None

    name: ClassVar[str] = ""
    bayesian: ClassVar[bool] = True
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
    def priors(self) -> Mapping[str, Prior]:
        """Priors of the noise's own parameters."""
        return {}

    def link(self, mean: Any) -> Any:
        """The law's mean on the scale of the noise."""
        return jnp.log(jnp.maximum(mean, LEAST_MEAN)) if self.on == "log" else mean

    def unlink(self, value: Any) -> Any:
        """Back to the response's own scale."""
        return jnp.exp(value) if self.on == "log" else value

    def residual(self, mean: Any, lane: Mapping[str, Any]) -> jax.Array:
        """Observed minus mean, on the scale of the noise; y in the lane is on that scale already."""
        return lane["y"] - self.link(mean)

    def distribution(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> dist.Distribution:
        """Of an observation on the scale of the noise."""
        raise NotImplementedError

    def summed(self, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """Weighted log density of all rows on the scale of the noise; () float.

        It must equal what `distribution` gives. A noise writes it out where that is faster.
        """
        per_row = self.distribution(mean, params, lane).log_prob(lane["y"])
        return jnp.sum(jnp.where(lane["w"] > 0, lane["w"] * per_row, 0.0))

    def sample(self, key: jax.Array, mean: Any, params: Mapping[str, Any], lane: Mapping[str, Any]) -> jax.Array:
        """One observation for each mean, in the response's own unit; of counts, the share of successes."""
        return self.unlink(self.distribution(mean, params, lane).sample(key))


@dataclass(frozen=True)
class _Scattered(Noise):
    """Noise with a learned scale: start values of the mode search come from the residuals."""

    @property
    def _sigma(self) -> Prior:
        # 90 % between 0.1 % and 20 %: seeds of one run differ by 0.1-1 %, digitised or untuned ones by more
        return dataclasses.replace(positive(median=0.015, spread=1.6), scaled=self.on == "raw")


def log_gamma_half_step(z: jax.Array) -> jax.Array:
    """log Gamma(z + 1/2) - log Gamma(z) for z > 0, to 1e-12.

    Stirling's series after eight steps of the recurrence: two logarithms in place of XLA's two log gammas,
    and of the two digammas of their slopes, which took a seventh of a gradient.
    """
    numerator = denominator = jnp.ones_like(z)
    for j in range(8):
        numerator, denominator = numerator * (z + j), denominator * (z + j + 0.5)
    far = z + 8.0
    series = 0.0
    for term in (-31 / 18432, 17 / 14336, -1 / 640, 1 / 192, -1 / 8):
        series = series / (far * far) + term
    return jnp.log(numerator / denominator) + 0.5 * jnp.log(far) + series / far


@dataclass(frozen=True)
class StudentT(_Scattered):
    """Student-t with learned scale and degrees of freedom: a few bad runs do not move the law."""

    name: ClassVar[str] = "student_t"

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma, and nu: 90 % between 1.5 and 41, from near-Cauchy to near-normal.

        Log-normal rather than Gamma (Juarez & Steel 2010), whose tail in log nu is a wall that HMC runs into.
        """
        return {"sigma": self._sigma, "nu": positive(median=8.0, spread=1.0)}

    def distribution(self, mean, params, lane):  # noqa: D102
        return dist.StudentT(params["nu"], self.link(mean), params["sigma"])

    def summed(self, mean, params, lane):
        """The normalising constants once, not in every row: gradients cost two thirds."""
        nu, sigma = params["nu"], params["sigma"]
        q = self.residual(mean, lane) ** 2 / (nu * sigma**2)
        log_peak = log_gamma_half_step(0.5 * nu) - 0.5 * jnp.log(nu * jnp.pi * sigma**2)
        return jnp.sum(lane["w"]) * log_peak - 0.5 * (nu + 1.0) * jnp.sum(lane["w"] * jnp.log1p(q))


@dataclass(frozen=True)
class Normal(_Scattered):
    """Normal with learned scale."""

    name: ClassVar[str] = "normal"

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma."""
        return {"sigma": self._sigma}

    def distribution(self, mean, params, lane):  # noqa: D102
        return dist.Normal(self.link(mean), params["sigma"])


@dataclass(frozen=True)
class Binomial(Noise):
    """k successes of n trials, the law's mean being the probability."""

    name: ClassVar[str] = "binomial"
    supports: ClassVar[tuple[str, ...]] = ("count",)

    def residual(self, mean, lane):
        """Pearson residual of the share of successes."""
        p = jnp.clip(mean, LEAST_MEAN, 1.0 - LEAST_MEAN)
        return (lane["y"] / lane["trials"] - p) * jnp.sqrt(lane["trials"] / (p * (1.0 - p)))

    def distribution(self, mean, params, lane):  # noqa: D102
        return dist.BinomialProbs(jnp.clip(mean, LEAST_MEAN, 1.0 - LEAST_MEAN), lane["trials"])

    def sample(self, key, mean, params, lane):
        """By JAX's own sampler: NumPyro's fails in float64."""
        p = jnp.clip(mean, LEAST_MEAN, 1.0 - LEAST_MEAN)
        trials = jnp.broadcast_to(lane["trials"], p.shape)
        return jax.random.binomial(key, trials, p, dtype=p.dtype) / trials


class Rounded(dist.Distribution):
    """A logistic number rounded to whole levels from `least` to `most`, the ends taking what lies beyond them."""

    arg_constraints: ClassVar = {"loc": dist.constraints.real, "scale": dist.constraints.positive}

    def __init__(self, loc: Any, scale: Any, least: int, most: int):
        self.loc, self.scale, self.least, self.most = loc, scale, least, most
        super().__init__(jnp.broadcast_shapes(jnp.shape(loc), jnp.shape(scale)))

    @property
    def support(self) -> Any:
        """The levels."""
        return dist.constraints.integer_interval(self.least, self.most)

    def log_prob(self, value: Any, intermediates: Any = None) -> jax.Array:
        """log P(level), (...)."""
        up = jnp.where(value >= self.most, 50.0, (value + 0.5 - self.loc) / self.scale)
        down = jnp.where(value <= self.least, -50.0, (value - 0.5 - self.loc) / self.scale)
        # s(up) - s(down) without a difference of two numbers near one
        return jax.nn.log_sigmoid(up) + jax.nn.log_sigmoid(-down) + jnp.log(-jnp.expm1(jnp.minimum(down - up, -1e-12)))

    def sample(self, key: Any, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """Levels, sample_shape + batch_shape."""
        scatter = jax.random.logistic(key, sample_shape + self.batch_shape)
        return jnp.clip(jnp.round(self.loc + self.scale * scatter), self.least, self.most)


@dataclass(frozen=True)
class Ordered(Noise):
    """Whole levels in an order, such as grades from 1 to 10: the law's mean, a logistic error, then rounding."""

    least: int = 1
    most: int = 10

    name: ClassVar[str] = "ordered"
    supports: ClassVar[tuple[str, ...]] = ("ordinal",)

    def on_scale(self, response: Response) -> Noise:
        """With the levels of the response."""
        settled = super().on_scale(response)
        least, most = response.levels or (self.least, self.most)
        return dataclasses.replace(settled, least=least, most=most)

    @property
    def priors(self) -> Mapping[str, Prior]:
        """sigma, in levels: 90 % between a tenth and 2.6 of one."""
        return {"sigma": positive(median=0.5, spread=1.0)}

    def distribution(self, mean, params, lane):  # noqa: D102
        return Rounded(mean, params["sigma"], self.least, self.most)


@dataclass(frozen=True)
class LeastSquares(Noise):
    """Point fit by squared residuals, for replication; no posterior."""

    name: ClassVar[str] = "least_squares"
    bayesian: ClassVar[bool] = False
    supports: ClassVar[tuple[str, ...]] = ("positive", "unit", "real", "count", "ordinal")

    def residual(self, mean, lane):
        """Observed minus mean; of a count, its share on the chosen scale."""
        y = self.link(lane["y"] / lane["trials"]) if "trials" in lane else lane["y"]
        return y - self.link(mean)

    def loss(self, r: Any) -> Any:
        """Of one residual."""
        return 0.5 * r * r

    def weight(self, r: Any) -> Any:
        """Derivative of the loss over the residual, for reweighted least squares."""
        return jnp.ones_like(r)


@dataclass(frozen=True)
class Huber(LeastSquares):
    """Point fit by Huber's loss, as in the Chinchilla papers (delta 1e-3 on log loss); no posterior."""

    delta: float = 1e-3

    name: ClassVar[str] = "huber"

    def loss(self, r):  # noqa: D102
        size = jnp.abs(r)
        return jnp.where(size <= self.delta, 0.5 * r * r, self.delta * (size - 0.5 * self.delta))

    def weight(self, r):  # noqa: D102
        return jnp.minimum(1.0, self.delta / jnp.maximum(jnp.abs(r), 1e-300))


NOISES: Mapping[str, type[Noise]] = {n.name: n for n in (StudentT, Normal, Binomial, Ordered, LeastSquares, Huber)}


def get_noise(spec: str | Noise | None, response: Response) -> Noise:
    """A noise by name ("student_t", "normal/raw", "huber"), or as an object, settled for a response.

    Raises:
        ConfigError: an unknown name or scale, or a noise that cannot describe the response.
    """
    if isinstance(spec, Noise):
        return spec.on_scale(response)
    name, _, on = (spec or response.noise).partition("/")
    if name not in NOISES or on not in ("", "log", "raw"):
        raise ConfigError(
            f"no noise is called {spec!r}; there are {', '.join(NOISES)}, each with /log or /raw behind it"
        )
    return NOISES[name](on or None).on_scale(response)
