"""Observational scaling, first stage: a family's capability score is linear in log compute."""

import numpy as np
import numpyro.distributions as dist

from jaxscale.law import FLOPS, Paper, Response, law, log

CAPABILITY = Response(
    "capability_1", "", "first principal component of benchmark scores", support="real", on="raw", better="higher"
)


@law(
    inputs={"C": FLOPS.counted_in(1e21, "10^21 FLOP")},
    response=CAPABILITY,
    priors={"theta": dist.Normal(0.5, 0.5), "nu0": dist.Normal(0.0, 2.0)},
    linear=("theta", "nu0"),
    source=Paper("Ruan et al. 2024", arxiv="2405.10938"),
    topic="downstream",
    fixed_units=True,
)
def capability_log_compute(C, *, theta, nu0):
    """S(C) = theta ln C + nu0, within one family of models; C in 10^21 FLOP.

    S is the first principal component of the standardised scores of many models. Its sign and scale are those of the
    matrix it was taken from, so coefficients hold for that matrix only.
    """
    return theta * log(C) + nu0


def equivalent_flops(S, *, theta, nu0):
    """FLOP with which the family would reach capability S."""
    return 1e21 * np.exp((S - nu0) / theta)
