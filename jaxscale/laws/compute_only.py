"""Compute only: loss as a straight line in the logarithm of parameters times tokens, however they are split."""

import math
from dataclasses import dataclass

from numpyro import distributions as dist

from jaxscale.law import PARAMS, TOKENS, Paper, Response, law, log, positive, preset
from jaxscale.priors import Prior
from jaxscale.variables import NATS

LN10 = math.log(10.0)
# a line falls below zero somewhere, so the response may, and errors are not on its logarithm
LINE = Response("loss", "nats/token", "loss", support="real", on="raw", units=NATS)


@dataclass(frozen=True)
class Level(Prior):
    """The intercept a, by the loss at the table's centre: a = loss + b log10(N0 D0)."""

    @property
    def needs(self) -> frozenset[str]:
        """The slope."""
        return frozenset({"b"})

    def parameter(self, coordinate, params, log_centre, scale):
        """From the loss at the centre to a."""
        return coordinate * scale + params["b"] * (log_centre["N"] + log_centre["D"]) / LN10

    def coordinate(self, value, params, log_centre, scale):
        """And back."""
        return (value - params["b"] * (log_centre["N"] + log_centre["D"]) / LN10) / scale


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=LINE,
    priors={"a": Level(dist.LogNormal(math.log(2.0), 0.8), "exp", scaled=True), "b": positive(0.1, 1.2)},
    linear=("a", "b"),
    falls=("N", "D"),
    source=Paper("Guo 2024", arxiv="2404.19484"),
    published={"guo2024": preset("memory", "bits per character, not nats per token", a=1.240, b=0.031)},
)
def compute_only(N, D, *, a, b):
    """L(N, D) = a - b log10(N D), the same for every split of N D.

    A null model for laws that have an optimal split. The unit of L is the table's; the paper's is bits per character.
    """
    return a - b * (log(N) + log(D)) / LN10
