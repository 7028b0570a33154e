"""Kaplan: a power of the model size, with data and compute to spare."""

from jaxscale.law import LOSS, PARAMS, Paper, exponent, law, preset, term


@law(
    inputs={"N": PARAMS},
    response=LOSS,
    priors={"Nc": term("N", "aN", root=True, median=2.5, spread=0.7), "aN": exponent(median=0.1)},
    linear=("Nc",),
    falls=("N",),
    source=Paper("Kaplan et al. 2020", arxiv="2001.08361"),
    published={"kaplan2020": preset("secondary", "WebText2", Nc=8.8e13, aN=0.076)},
    decides="N for a target loss",
)
def kaplan_n(N, *, Nc, aN):
    """L(N) = (Nc / N)^aN, in nats per token.

    N counts non-embedding parameters; models are trained to convergence. The joint law in N and D has other constants.
    """
    return (Nc / N) ** aN
