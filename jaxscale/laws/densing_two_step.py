"""Densing law, second stage: score from the loss of the answer; and the effective size that a score is worth."""

from dataclasses import dataclass, replace

import jax
import numpy as np

from jaxscale.law import SCORE, Paper, Variable, law, relative, share
from jaxscale.priors import Prior
from jaxscale.variables import NATS

ANSWER_LOSS = Variable("loss", "nats", "loss of the answer", NATS, span=(0.05, 20.0))


@dataclass(frozen=True)
class Room(Prior):
    """A share of the room that is left above the parameter d."""

    above: str = "d"

    def parameter(self, coordinate, params, log_centre, scale):  # noqa: D102
        return coordinate * (1.0 - params[self.above])

    def coordinate(self, value, params, log_centre, scale):  # noqa: D102
        return value / (1.0 - params[self.above])


@law(
    inputs={"L": ANSWER_LOSS},
    response=SCORE,
    priors={
        "c": Room(share(0.7, 1.2).dist, "sigmoid"),
        "gamma": replace(relative("L", -1.0, median=5.0, spread=0.7), sign=-1.0),
        "l": relative("L", spread=0.5),
        "d": share(0.2, 1.0),
    },
    falls=("L",),
    source=Paper("Xiao et al. 2024", arxiv="2412.04315"),
    topic="downstream",
    after="densing_loss",
)
def densing_two_step(L, *, c, gamma, l, d):  # noqa: E741
    """S(L) = c / (1 + exp(-gamma (L - l))) + d, with gamma < 0, for the loss L of the answer in nats.

    d is the score of guessing and c + d <= 1 the best one. The coefficients were not published.
    """
    return c * jax.nn.sigmoid(gamma * (L - l)) + d


def effective_size(S, D0=1e12, *, a, alpha, b, beta, c, gamma, l, d):  # noqa: E741
    """Parameters of the reference model that reaches score S with D0 tokens; density is this over the true size.

    NaN where S is not between d and c + d, or needs a loss that no size reaches with D0 tokens: there the score only
    bounds the density.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        loss = l - np.log(c / (np.asarray(S, float) - d) - 1.0) / gamma
        return ((loss - b * D0**-beta) / a) ** (-1.0 / alpha)
