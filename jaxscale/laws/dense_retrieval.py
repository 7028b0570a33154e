"""Dense retrieval: contrastive entropy in model size and annotated pairs."""

from jaxscale.law import PARAMS, Paper, Response, Variable, exponent, floor, law, preset, term

PAIRS = Variable("pairs", "pairs", "annotated query-passage pairs", {"1": 1.0, "K": 1e3, "M": 1e6, "B": 1e9})
ENTROPY = Response("contrastive_entropy", "nats", "contrastive entropy")
IN_N, IN_D = "fitted in N alone, with D unlimited", "fitted in D alone, with N unlimited"


@law(
    inputs={"N": PARAMS, "D": PAIRS},
    response=ENTROPY,
    priors={
        "delta": floor(0.5),
        "A": term("N", "alpha", root=True),
        "alpha": exponent(median=0.5),
        "B": term("D", "beta", root=True),
        "beta": exponent(median=0.8),
    },
    linear=("delta",),
    falls=("N", "D"),
    source=Paper("Fang et al. 2024", arxiv="2403.18684"),
    published={
        "joint": preset("secondary", "rounded", A=3.6e4, B=7.1e3, alpha=0.56, beta=1.31, delta=0.03),
        "ms_marco_n": preset("secondary", IN_N, A=3.22e4, alpha=0.53, delta=0.04),
        "ms_marco_d": preset("secondary", IN_D, B=3.49e3, beta=1.05),
        "t2ranking_n": preset("secondary", IN_N, A=9.89e6, alpha=0.53, delta=0.14),
        "t2ranking_d": preset("secondary", IN_D, B=6.04e4, beta=0.50),
    },
    decides="N and D",
    topic="other",
)
def dense_retrieval(N, D, *, delta, A, alpha, B, beta):
    """L(N, D) = [(A / N)^(alpha / beta) + B / D]^beta + delta, the contrastive entropy.

    D counts annotated query-passage pairs. With D without limit it is (A / N)^alpha + delta, with N without limit
    (B / D)^beta + delta; the joint constants are not those of the fits in one of them.
    """
    return ((A / N) ** (alpha / beta) + B / D) ** beta + delta
