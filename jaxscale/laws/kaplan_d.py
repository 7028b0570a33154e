"""Kaplan: a power of the size of the data set, with a model large enough."""

from jaxscale.law import LOSS, TOKENS, Paper, exponent, law, preset, term


@law(
    inputs={"D": TOKENS},
    response=LOSS,
    priors={"Dc": term("D", "aD", root=True, median=2.5, spread=0.7), "aD": exponent(median=0.1)},
    linear=("Dc",),
    falls=("D",),
    source=Paper("Kaplan et al. 2020", arxiv="2001.08361"),
    published={"kaplan2020": preset("secondary", "WebText2", Dc=5.4e13, aD=0.095)},
    decides="D for a target loss",
    topic="data",
)
def kaplan_d(D, *, Dc, aD):
    """L(D) = (Dc / D)^aD, in nats per token.

    D is the size of the data set, read several times with early stopping, not the tokens that training saw. The joint
    law in N and D has other constants.
    """
    return (Dc / D) ** aD
