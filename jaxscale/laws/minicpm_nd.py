"""MiniCPM: additive power laws in billions of parameters and tokens, for the loss per byte."""

from jaxscale.law import PARAMS, TOKENS, Paper, Response, exponent, floor, law, preset, term

PER_BYTE = Response("loss", "nats/byte", "loss per byte")
UNNAMED = "one of code, English and Chinese Wikihow, Ultratext, Chinese Yayi"


@law(
    inputs={"N": PARAMS.counted_in(1e9, "billion parameters"), "D": TOKENS.counted_in(1e9, "billion tokens")},
    response=PER_BYTE,
    priors={
        "L0": floor(spread=1.0),
        "CN": term("N", "alpha", median=0.15),
        "alpha": exponent(),
        "CD": term("D", "beta", median=0.15),
        "beta": exponent(),
    },
    linear=("L0", "CN", "CD"),
    falls=("N", "D"),
    source=Paper("Hu et al. 2024", arxiv="2404.06395", where="figure 10"),
    published={
        "average": preset(CN=0.0715, alpha=0.29, CD=0.300, beta=0.23, L0=0.31, note="mean over five corpora"),
        "corpus_1": preset(CN=0.0514, alpha=0.35, CD=0.390, beta=0.18, L0=0.40, note=UNNAMED),
        "corpus_2": preset(CN=0.0332, alpha=0.37, CD=0.217, beta=0.34, L0=0.17, note=UNNAMED),
        "corpus_3": preset(CN=0.0808, alpha=0.26, CD=0.297, beta=0.18, L0=0.27, note=UNNAMED),
        "corpus_4": preset(CN=0.0754, alpha=0.30, CD=0.292, beta=0.30, L0=0.25, note=UNNAMED),
        "corpus_5": preset(CN=0.153, alpha=0.19, CD=0.376, beta=0.17, L0=0.35, note=UNNAMED),
    },
    decides="N, D",
)
def minicpm_nd(N, D, *, L0, CN, alpha, CD, beta):
    """L(N, D) = CN N^-alpha + CD D^-beta + L0, in nats per byte, for N and D in billions.

    N counts non-embedding parameters. The paper does not say that its logarithm is the natural one.
    """
    return CN * N**-alpha + CD * D**-beta + L0
