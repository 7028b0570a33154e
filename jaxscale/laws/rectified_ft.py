"""Rectified scaling law of fine-tuning: a power law behind a pre-learned data size."""

from jaxscale.law import EXAMPLES, LOSS, Paper, exponent, floor, law, relative, term


@law(
    inputs={"D": EXAMPLES},
    response=LOSS,
    priors={
        "E": floor(),
        "B": term("D", "beta", beside="Dl", median=1.0),
        "Dl": relative("D", "beta"),
        "beta": exponent(median=0.5),
    },
    linear=("E", "B"),
    falls=("D",),
    source=Paper("Lin et al. 2024", arxiv="2402.02314", where="eq. 4"),
    decides="D for a target loss",
    topic="fine-tuning",
)
def rectified_ft(D, *, E, B, Dl, beta):
    """L(D) = E + B / (Dl + D^beta), for D > 0 fine-tuning examples, in nats.

    Dl is the pre-learned data size, in units of D^beta. Published are errors, not coefficients: mean
    RMS deviation of log loss 0.0065 on 30 FLAN curves.
    """
    return E + B / (Dl + D**beta)
