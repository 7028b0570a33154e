"""Densing law, first stage: loss of the answer in size and data, with nothing irreducible."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, exponent, law, term


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=LOSS,
    priors={"a": term("N", "alpha"), "alpha": exponent(), "b": term("D", "beta"), "beta": exponent()},
    linear=("a", "b"),
    falls=("N", "D"),
    source=Paper("Xiao et al. 2024", arxiv="2412.04315"),
    decides="N, D",
    topic="downstream",
)
def densing_loss(N, D, *, a, alpha, b, beta):
    """L(N, D) = a N^-alpha + b D^-beta, in nats.

    L is the negative log-likelihood of a task's answer given its question, not of running text, and has no floor. The
    paper's ladder is 5.2M to 828M parameters at 10 to 60 tokens a parameter; its coefficients were not published.
    """
    return a * N**-alpha + b * D**-beta
