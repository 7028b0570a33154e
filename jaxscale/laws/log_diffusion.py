"""Ultra-slow diffusion: distance from the initial weights as a power of the logarithm of time."""

from jaxscale.law import Ours, Response, Variable, floor, law, log, positive, preset, term

STEPS = Variable("steps", "steps", "optimiser steps", span=(2.0, 1e9))
DISTANCE = Response("weight_distance", "", "distance of the weights from their start", scale=None)


@law(
    inputs={"t": STEPS},
    response=DISTANCE,
    # c by its size relative to the distances: ln t is about 10, so that c (ln t)^p is about the distance
    priors={"c0": floor(spread=1.0), "c": term({}, median=0.08), "p": positive(1.0, 0.25)},
    linear=("c0", "c"),
    rises=("t",),
    source=Ours("Hoffer et al. 2017, arXiv 1705.08741"),
    published={
        "hoffer2017": preset(
            "secondary", "at high learning rate; c differs from batch size to batch size", c0=0.0, p=1.0
        )
    },
    topic="theory",
)
def log_diffusion(t, *, c0, c, p):
    """y(t) = c0 + c (ln t)^p, the distance |w_t - w_0| after t > 1 steps at a high learning rate.

    Theory has p = 2 / alpha where the loss of weights at a distance d apart differs as d^(alpha / 2); the paper's
    networks have alpha = 2 and so p = 1.
    """
    return c0 + c * log(t) ** p
