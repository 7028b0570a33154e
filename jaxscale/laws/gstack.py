"""Stacking: how long to train the small model before it is stacked into the large one."""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.law import FLOPS, PARAMS, Paper, Response, exponent, law, log, positive, preset
from jaxscale.priors import Prior
from jaxscale.variables import COUNT

LN10 = 2.302585092994046
GROWTH_TOKENS = Response("growth_tokens", "tokens", "tokens of the small model", scale=None, units=COUNT)


def log10_power(N, C, a, b):
    """a log10 N + b / log10 C."""
    return (a * log(N) / LN10) + b * LN10 / log(C)


@dataclass(frozen=True)
class Level(Prior):
    """The constant c, by what the law gives at the centre of the table's inputs."""

    @property
    def needs(self):
        """The slopes."""
        return frozenset({"a", "b"})

    def parameter(self, coordinate, params, log_centre, scale):
        """From 10^(all of the exponent) at the centre to c."""
        return jnp.log10(coordinate * scale) - self._rest(params, log_centre)

    def coordinate(self, value, params, log_centre, scale):
        """Inverse of `parameter`."""
        return 10.0 ** (value + self._rest(params, log_centre)) / scale

    def _rest(self, params, log_centre):
        return params["a"] * log_centre["N"] / LN10 + params["b"] * LN10 / log_centre["C"]


def level(median=1.0, spread=1.0):
    """A prior on the law's value at the centre, in units of the response's scale: log-normal."""
    return Level(dist.LogNormal(math.log(median), spread), "exp", scaled=True)


@law(
    inputs={"N": PARAMS, "C": FLOPS},
    response=GROWTH_TOKENS,
    priors={"a": exponent(median=0.9, spread=0.4), "b": positive(100.0, 0.7), "c": level()},
    source=Paper("Du et al. 2024", arxiv="2405.15319"),
    published={"du2024": preset(a=0.88, b=163.27, c=-5.74)},
    decides="d",
    topic="architecture",
    fixed_units=True,
)
def gstack(N, C, *, a, b, c):
    """d(N, C) = 10^(a log10 N + b / log10 C + c), the tokens on which the small model is trained first.

    N counts non-embedding parameters of the large model, C the FLOP of all training. The logarithm of C stands below
    a stroke, so the law holds in FLOP only. The small model has N / g parameters; `gstack_factor` gives g, for which
    the paper takes 4.
    """
    return 10.0 ** (log10_power(N, C, a, b) + c)
