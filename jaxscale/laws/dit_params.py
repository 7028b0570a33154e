"""Diffusion transformers: the best model size of a compute budget."""

from jaxscale.law import FLOPS, Paper, Response, exponent, law, preset, term
from jaxscale.variables import COUNT

BEST_PARAMS = Response("params", "parameters", "best model size", scale=None, units=COUNT)


@law(
    inputs={"C": FLOPS},
    response=BEST_PARAMS,
    priors={"a": term("C", "-b", median=1.0), "b": exponent(median=0.5, spread=0.3)},
    linear=("a",),
    rises=("C",),
    source=Paper("Liang et al. 2024", arxiv="2410.08184"),
    published={"liang2024": preset("secondary", a=0.0009, b=0.5681, note="a has one digit: N* is known to 5 %")},
    decides="N for C",
    topic="vision",
)
def dit_params(C, *, a, b):
    """N(C) = a C^b, the parameters of the lowest loss for C FLOP.

    From the bottoms of parabolas at equal compute, 1e17 to 6e18 FLOP.
    """
    return a * C**b
