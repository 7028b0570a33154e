"""D-CPT across domains: a domain's learnability as a further input."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, Variable, exponent, law, term
from jaxscale.laws.dcpt import PRIORS, SHARE

LEARNABLE = Variable("learnability", "", "domain-specific learnable coefficient")


@law(
    inputs={"N": PARAMS, "D": TOKENS, "r": SHARE, "K": LEARNABLE},
    response=LOSS,
    priors=PRIORS | {"F": term("K", "mu"), "mu": exponent()},
    linear=("E", "A", "B", "C", "F"),
    source=Paper("Que et al. 2024", arxiv="2406.01375"),
    decides="r",
    topic="continual pre-training",
)
def dcpt_cross(N, D, r, K, *, E, A, alpha, B, eta, beta, C, eps, gamma, F, mu):
    """L(N, D, r, K) = E + A / N^alpha + B r^eta / D^beta + C / (r + eps)^gamma + F / K^mu, in nats per token.

    As dcpt, for several domains at once. K tells a domain by two numbers from a short run, K = w1 / k1 + w2 k2: k1 is
    the domain's loss before training, k2 the early rate at which it falls, w1 and w2 weigh them. The coefficients were
    not published.
    """
    return E + A / N**alpha + B / D**beta * r**eta + C * (r + eps) ** -gamma + F / K**mu
