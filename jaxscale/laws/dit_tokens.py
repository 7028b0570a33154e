"""Diffusion transformers: the best amount of training data of a compute budget."""

from jaxscale.law import FLOPS, Paper, Response, exponent, law, preset, term
from jaxscale.variables import COUNT

BEST_TOKENS = Response("tokens", "tokens", "best number of training tokens", scale=None, units=COUNT)


@law(
    inputs={"C": FLOPS},
    response=BEST_TOKENS,
    priors={"a": term("C", "-b", median=1.0), "b": exponent(median=0.5, spread=0.3)},
    linear=("a",),
    rises=("C",),
    source=Paper("Liang et al. 2024", arxiv="2410.08184"),
    published={"liang2024": preset("secondary", a=186.8535, b=0.4319)},
    decides="D for C",
    topic="vision",
)
def dit_tokens(C, *, a, b):
    """D(C) = a C^b, the training tokens of the lowest loss for C FLOP.

    From the bottoms of parabolas at equal compute, 1e17 to 6e18 FLOP. With `dit_params`, N D = C / 5.95.
    """
    return a * C**b
