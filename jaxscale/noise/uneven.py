"""Scatter that is not the same for all runs: it changes with scale, or was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.noise.plain import StudentT
from jaxscale.priors import Prior, as_prior


@dataclass(frozen=True)
class Heteroscedastic(StudentT):
    """Student-t whose scale is a power of the run's size: sigma / size^sigma_slope.

    Size is compute over 1e20 FLOP, at which the scale is sigma; of laws without compute, their first input.
    """

    name: ClassVar[str] = "heteroscedastic"
    says: ClassVar[str] = "the scatter grows or shrinks with scale"

    @property
    def needs(self) -> tuple[str, ...]:
        """Each row's size."""
        return ("size",)

    @property
    def priors(self) -> Mapping[str, Prior]:
        """As Student-t's, sigma at the centre of the table; the slope: 90 % within a factor of 2.6 a decade."""
        plain = dict(super().priors)
        slope = as_prior(dist.Normal(0.0, 0.25), "sigma_slope")
        assert isinstance(slope, Prior)
        return {
            "sigma_slope": slope,
            "sigma": dataclasses.replace(plain["sigma"], powers={"size": "sigma_slope"}),
            "nu": plain["nu"],
        }

    def scale(self, params, lane):
        """Of each row."""
        return params["sigma"] * jnp.exp(-params["sigma_slope"] * lane["size"])


@dataclass(frozen=True)
class KnownSd(StudentT):
    """Student-t whose scale joins what was measured, in a column such as loss_sd, and a learned rest, sigma.

    A new run is foretold as if it were measured without error.
    """

    name: ClassVar[str] = "known_sd"
    says: ClassVar[str] = "the measurement's error is known, and adds to the scatter between runs"

    @property
    def needs(self) -> tuple[str, ...]:
        """Standard deviation of each row."""
        return ("sd",)

    def scale(self, params, lane):
        """Of each row."""
        return jnp.sqrt(params["sigma"] ** 2 + lane["sd"] ** 2) if "sd" in lane else params["sigma"]
