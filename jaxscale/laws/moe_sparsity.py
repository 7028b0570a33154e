"""Mixtures of experts: loss by total parameters, tokens and the share of experts that sleep."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, Variable, exponent, floor, law, preset, term

SPARSITY = Variable("sparsity", "share", "inactive share of the experts", axis="raw", span=(0.0, 0.98))


@law(
    inputs={"N": PARAMS, "D": TOKENS, "S": SPARSITY},
    response=LOSS,
    priors={
        "a": term("N", "alpha"),
        "alpha": exponent(),
        "b": term("D", "beta"),
        "beta": exponent(),
        "c": term({}),
        "lam": exponent(median=0.15, sign=-1.0),
        "d": term("N", "gamma"),
        "delta": exponent(median=0.15),
        "gamma": exponent(median=0.15),
        "e": floor(),
    },
    linear=("e", "a", "b", "c", "d"),
    source=Paper("Abnar et al. 2025", arxiv="2501.12370"),
    published={
        "abnar2025": preset(
            "secondary",
            "R2 0.99 in the fit, 0.68 on held-out runs at S = 0.98",
            a=16612.50,
            alpha=0.5962,
            b=5455.67,
            beta=0.3954,
            c=0.4598,
            lam=-0.1666,
            d=17.26,
            delta=0.1603,
            gamma=0.1595,
            e=0.94,
        )
    },
    decides="N, D, S",
    active=lambda at: at["params"] * (1.0 - at["sparsity"]),
    topic="architecture",
)
def moe_sparsity(N, D, S, *, a, alpha, b, beta, c, lam, d, delta, gamma, e):
    """L(N, D, S) = a / N^alpha + b / D^beta + c / (1 - S)^lam + d / ((1 - S)^delta N^gamma) + e, in nats per token.

    N counts all parameters, the sleeping experts included; S = (experts - active experts) / experts. Training takes
    about 6 N_active D FLOP. lam is negative: the term in c falls as S grows, the one in d rises.
    """
    awake = 1.0 - S
    return a / N**alpha + b / D**beta + c * awake**-lam + d / N**gamma * awake**-delta + e
