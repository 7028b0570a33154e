"""Generative recommenders: hit rate, linear in the logarithm of compute."""

import numpyro.distributions as dist

from jaxscale.law import FLOPS, Paper, Response, law, log, preset

HIT_RATE = Response("hit_rate", "share", "share of hits among the first 100", support="real", on="raw", better="higher")


@law(
    inputs={"C": FLOPS.counted_in(8.64e19, "PF-days")},
    response=HIT_RATE,
    priors={"a": dist.Normal(0.2, 0.2), "b": dist.Normal(0.0, 0.03)},
    linear=("a", "b"),
    source=Paper("Zhai et al. 2024", arxiv="2402.17152"),
    published={"hstu": preset("secondary", "HR@100, fitted from 1e3 to 1e6 PF-days", a=0.15, b=0.0195)},
    decides="C",
    topic="other",
    fixed_units=True,
)
def genrec_log_compute(C, *, a, b):
    """HR(C) = a + b ln C, with C in PF-days.

    The paper speaks of a power law and fits this line; no line stays between 0 and 1, so do not go far beyond the
    runs. Earlier recommenders stop at 0.28 to 0.29.
    """
    return a + b * log(C)
