"""Generative recommenders: normalised entropy, linear in the logarithm of compute."""

import numpyro.distributions as dist

from jaxscale.law import FLOPS, Paper, Response, law, log, preset

ENTROPY = Response("normalized_entropy", "", "normalised entropy", support="real", on="raw")


@law(
    inputs={"C": FLOPS.counted_in(8.64e19, "PF-days")},
    response=ENTROPY,
    priors={"a": dist.Normal(0.6, 0.2), "b": dist.Normal(0.0, 0.01)},
    linear=("a", "b"),
    source=Paper("Zhai et al. 2024", arxiv="2402.17152"),
    published={"hstu": preset("secondary", "fitted from 1e3 to 1e6 PF-days", a=0.549, b=5.3e-3)},
    decides="C",
    topic="other",
    fixed_units=True,
)
def genrec_ne(C, *, a, b):
    """NE(C) = a - b ln C, with C in PF-days.

    The paper speaks of a power law and fits this line.
    """
    return a - b * log(C)
