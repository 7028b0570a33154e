"""Projektor: accuracy from the optimal-transport distance to the validation set and the mixture."""

import numpy as np
import numpyro.distributions as dist

from jaxscale.law import Paper, Response, Variable, law, relative

DISTANCE = Variable(
    "ot_distance", "", "optimal-transport distance from the sample to the validation set", span=(1.0, 1e3)
)
SHARES = [
    Variable(f"share_{j}", "share", f"share of source {j} in the sample", axis="raw", span=(0.0, 1.0)) for j in (1, 2)
]
PERFORMANCE = Response("performance", "share", "accuracy, or its logit", support="real", on="raw", better="higher")
SLOPE = relative("T", -1.0).with_dist(dist.Normal(0.0, 0.3))  # on what it adds at the table's centre


@law(
    inputs={"T": DISTANCE, "p1": SHARES[0], "p2": SHARES[1]},
    response=PERFORMANCE,
    priors=dict.fromkeys(("b0", "b1", "b2", "q1", "q2"), SLOPE)
    | dict.fromkeys(("c1", "c2"), dist.Normal(0.0, 0.3))
    | {"c0": dist.Normal(0.6, 0.3)},
    linear=("b0", "b1", "b2", "q1", "q2", "c0", "c1", "c2"),
    source=Paper("Kang et al. 2023", arxiv="2307.02460"),
    decides="the mixture",
    topic="mixture",
)
def projektor_ot(T, p1, p2, *, b0, b1, b2, q1, q2, c0, c1, c2):
    """perf(T, p1, p2) = (b0 + b1 p1 + b2 p2 + q1 p1^2 + q2 p2^2) T + c0 + c1 p1 + c2 p2.

    Two sources beside the one whose share is what remains; with p1 + p2 = 1 the coefficients are not identified
    apart. The authors' code has no squares without T. One table a pilot size; `at_size` goes from two of them to any
    other. Coefficients were not published.
    """
    return (b0 + b1 * p1 + b2 * p2 + q1 * p1**2 + q2 * p2**2) * T + c0 + c1 * p1 + c2 * p2


def at_size(n, first, second, at_first, at_second):
    """Second stage: performance at n samples, log-linear through those at two pilot sizes; give it draws of both.

    An accuracy from far beyond the pilots can pass 1: cap it there.
    """
    way = np.log(np.asarray(n) / first) / np.log(second / first)
    return way * np.asarray(at_second) + (1.0 - way) * np.asarray(at_first)
