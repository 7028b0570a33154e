"""Coverage of repeated sampling: problems solved by at least one of k samples."""

from jax import numpy as jnp

from jaxscale.law import SAMPLES, SOLVED, Paper, exponent, law, preset, term

LEAST_SQUARES = "log-log least squares on the public MATH samples, recomputed by us"


@law(
    inputs={"k": SAMPLES},
    response=SOLVED,
    priors={"a": term("k", "-b", median=1.0, sign=-1.0), "b": exponent(sign=-1.0)},
    rises=("k",),
    source=Paper("Brown et al. 2024", arxiv="2407.21787", where="appendix C"),
    published={
        "pythia_12b": preset("recomputed", LEAST_SQUARES, a=-4.165, b=-0.371),
        "pythia_2.8b": preset("recomputed", LEAST_SQUARES, a=-4.192, b=-0.339),
        "pythia_70m": preset("recomputed", LEAST_SQUARES, a=-7.889, b=-0.192),
    },
    decides="k for a target coverage",
    topic="inference",
)
def coverage_exp_power(k, *, a, b):
    """c(k) = exp(a k^b), with a < 0 and b < 0."""
    return jnp.exp(a * k**b)
