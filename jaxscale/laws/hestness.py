"""Hestness: a power law of the training set with a floor."""

from jaxscale.law import EXAMPLES, LOSS, Paper, exponent, floor, law, term


@law(
    inputs={"m": EXAMPLES},
    response=LOSS,
    priors={"gamma": floor(), "alpha": term("m", "-beta_g"), "beta_g": exponent(sign=-1.0)},
    linear=("gamma", "alpha"),
    falls=("m",),
    source=Paper("Hestness et al. 2017", arxiv="1712.00409", where="eq. 2"),
    decides="m for a target loss",
    topic="data",
)
def hestness(m, *, alpha, beta_g, gamma):
    """eps(m) = alpha * m^beta_g + gamma, with beta_g < 0, for m training examples.

    Published exponents: word language models -0.066, character -0.094, ImageNet cross-entropy -0.35,
    speech -0.30; no full set of coefficients with a floor.
    """
    return alpha * m**beta_g + gamma
