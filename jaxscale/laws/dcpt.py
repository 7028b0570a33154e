"""D-CPT: continual pre-training on a mixture of general and domain text."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, Variable, exponent, floor, law, positive, term

SHARE = Variable("mixture_share", "share", "share of the corpus that is scored", axis="raw", span=(0.0, 1.0))
PRIORS = {
    "E": floor(),
    "A": term("N", "alpha"),
    "alpha": exponent(),
    "B": term("D", "beta"),
    "eta": exponent(median=0.5),
    "beta": exponent(),
    "C": term({}, median=0.2),
    "eps": positive(median=0.05, spread=0.7),
    "gamma": exponent(),
}


@law(
    inputs={"N": PARAMS, "D": TOKENS, "r": SHARE},
    response=LOSS,
    priors=PRIORS,
    linear=("E", "A", "B", "C"),
    source=Paper("Que et al. 2024", arxiv="2406.01375"),
    decides="r",
    topic="continual pre-training",
)
def dcpt(N, D, r, *, E, A, alpha, B, eta, beta, C, eps, gamma):
    """L(N, D, r) = E + A / N^alpha + B r^eta / D^beta + C / (r + eps)^gamma, in nats per token.

    r is the share of the corpus whose loss is L: fit the domain's loss against the domain's share and the general loss
    against the general share, 1 - r. L should fall in r, B eta r^(eta - 1) D^-beta < C gamma (r + eps)^(-gamma - 1):
    look at a fit before planning with it. The coefficients were not published.
    """
    return E + A / N**alpha + B / D**beta * r**eta + C * (r + eps) ** -gamma
