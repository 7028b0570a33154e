"""Stacking: by how much the small model is to grow."""

from jaxscale.law import FLOPS, PARAMS, Paper, Response, exponent, law, positive, preset
from jaxscale.laws.gstack import level, log10_power
from jaxscale.priors import Prior

GROWTH = Response("growth_factor", "times", "size of the large model relative to the small one")


@law(
    inputs={"N": PARAMS, "C": FLOPS},
    response=GROWTH,
    priors={
        "a": exponent(median=0.9, spread=0.4),
        "b": Prior(positive(30.0, 0.7).dist, "exp", sign=-1.0),
        "c": level(median=4.0),
    },
    source=Paper("Du et al. 2024", arxiv="2405.15319", where="appendix F, eq. 50"),
    published={
        "du2024": preset(a=1.01, b=-29.88, c=-7.36, note="from models of 1.1B and 3B; the authors trust it little")
    },
    decides="g",
    topic="architecture",
    fixed_units=True,
)
def gstack_factor(N, C, *, a, b, c):
    """g(N, C) = 10^(a log10 N + b / log10 C + c), with b < 0, the growth factor.

    N counts non-embedding parameters of the large model, C the FLOP of all training; the law holds in FLOP only. The
    paper takes 4 throughout, and finds 2 to 4 good. Far above 3B this law gives growth beyond reason: 24 at 8B.
    """
    return 10.0 ** (log10_power(N, C, a, b) + c)
