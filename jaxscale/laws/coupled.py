"""Coupled: Chinchilla's two terms under one power, which Busbridge's supervised models follow."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, exponent, floor, law, preset, term


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=LOSS,
    priors={
        "E": floor(),
        "A": term("N", "alpha"),
        "alpha": exponent(median=0.4, spread=0.4),
        "B": term("D", "beta"),
        "beta": exponent(median=0.4, spread=0.4),
        "k": exponent(median=0.6, spread=0.3),
    },
    linear=("E",),
    falls=("N", "D"),
    contains={"chinchilla": {"k": 1.0}},
    source=Paper("Busbridge et al. 2025", arxiv="2502.08606"),
    published={
        "busbridge2025": preset(
            E=1.220, A=3355.0, alpha=0.408, B=18186.0, beta=0.431, k=0.452, note="table 6, supervised, 73 runs"
        )
    },
    decides="N, D",
)
def coupled(N, D, *, E, A, alpha, B, beta, k):
    """L(N, D) = E + (A / N^alpha + B / D^beta)^k, in nats per token.

    k is the paper's gamma; with k = 1 this is Chinchilla's law. N is counted as in the paper, which warns that leaving
    embeddings out biases the fit.
    """
    return E + (A / N**alpha + B / D**beta) ** k
