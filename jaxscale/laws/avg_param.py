"""Average parameters: Chinchilla for models that are pruned while they train."""

from jaxscale.law import LOSS, TOKENS, Paper, Variable, exponent, floor, law, term
from jaxscale.variables import COUNT

AVERAGE_PARAMS = Variable("avg_params", "parameters", "active parameters, mean over tokens", COUNT, span=(1e3, 1e15))


@law(
    inputs={"Navg": AVERAGE_PARAMS, "D": TOKENS},
    response=LOSS,
    priors={"E": floor(), "A": term("Navg", "alpha"), "alpha": exponent(), "B": term("D", "beta"), "beta": exponent()},
    linear=("E", "A", "B"),
    falls=("Navg", "D"),
    source=Paper("Jin et al. 2025", arxiv="2501.12486"),
    decides="Navg, D",
    active=lambda at: at["avg_params"],
    topic="architecture",
)
def avg_param(Navg, D, *, E, A, alpha, B, beta):
    """L(Navg, D) = E + A / Navg^alpha + B / D^beta, in nats per token.

    Navg is the mean over training tokens of the parameters that are active; a dense model has its size. Training
    costs exactly 6 Navg D. The paper prints no coefficients.
    """
    return E + A / Navg**alpha + B / D**beta


def pruned_average(params, sparsity, begin=0.25, end=0.75):
    """Navg of a model pruned on a cubic schedule from `params` to (1 - sparsity) params.

    Between the shares `begin` and `end` of the tokens, N(t) = params (1 - sparsity (1 - (1 - u)^3)), where u goes
    from 0 to 1. The paper's best schedule begins after a quarter of training and ends after three.
    """
    return params * (1.0 - sparsity * (0.75 * (end - begin) + (1.0 - end)))
