"""ParScale: parallel streams as a multiplier of parameters."""

from jaxscale.law import LOSS, PARAMS, STREAMS, Paper, exponent, floor, law, log, positive, preset, term


@law(
    inputs={"N": PARAMS, "P": STREAMS},
    response=LOSS,
    priors={
        "E": floor(),
        "A": term("N", "alpha", root=True),
        "alpha": exponent(),
        "k": positive(median=0.3, spread=1.0),
    },
    linear=("E", "A"),
    falls=("N", "P"),
    source=Paper("Chen et al. 2025", arxiv="2505.10475", where="eq. 5"),
    published={
        "stack_v2_python": preset("recomputed", E=0.69095, A=1.1306e7, alpha=0.18922, k=0.39357),
        "pile": preset("recomputed", E=1.28833, A=1.9775e8, alpha=0.19620, k=0.33448),
    },
    decides="N, P",
    active=lambda at: at["params"] * at["streams"],
    topic="architecture",
)
def parscale(N, P, *, E, A, alpha, k):
    """L(N, P) = E + (A / (N (k ln P + 1)))^alpha, in nats per token.

    N counts non-embedding parameters, P parallel streams.
    """
    return E + (A / (N * (k * log(P) + 1.0))) ** alpha
