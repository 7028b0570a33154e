"""Bahri: data and model terms whose exponents theory ties to a regime."""

from jaxscale.law import EXAMPLES, LOSS, PARAMS, Ours, exponent, floor, law, preset, term


@law(
    inputs={"D": EXAMPLES, "P": PARAMS},
    response=LOSS,
    priors={
        "E": floor(),
        "cD": term("D", "alphaD"),
        "alphaD": exponent(median=0.5),
        "cP": term("P", "alphaP"),
        "alphaP": exponent(median=0.5),
    },
    linear=("E", "cD", "cP"),
    falls=("D", "P"),
    source=Ours("Bahri et al. 2021, arXiv 2102.06701"),
    published={
        "variance_limited_data": preset(alphaD=1.0, note="the model is the bottleneck, data are many"),
        "variance_limited_width": preset(alphaP=0.5, note="1 / width, the width of a deep net being sqrt(P)"),
        "variance_limited_linear": preset(alphaP=1.0, note="models linear in their parameters"),
    },
    decides="D, P",
    topic="theory",
)
def bahri_regimes(D, P, *, E, cD, alphaD, cP, alphaP):
    """L(D, P) = E + cD / D^alphaD + cP / P^alphaP, for D examples and P parameters.

    Where a quantity is no bottleneck the loss nears its limit as 1 / D, or as 1 / width: fix that exponent by its
    prior, such as {"alphaD": 1.0}. Where it is the bottleneck, alphaD = alphaP, about 4 / d on data of d intrinsic
    dimensions, and at least 2 / d.
    """
    return E + cD / D**alphaD + cP / P**alphaP
