"""Gadre: over-training law in compute and tokens per parameter, one exponent for both terms."""

from jaxscale.law import FLOPS, LOSS, TOKENS_PER_PARAM, Paper, exponent, floor, law, preset, term

FIVE_RUNS = "least squares on the five runs of the repository, C4 evaluation loss"


@law(
    inputs={"C": FLOPS, "M": TOKENS_PER_PARAM},
    response=LOSS,
    priors={
        "E": floor(),
        "a": term({"C": "eta", "M": "-eta"}),
        "b": term({"C": "eta", "M": "eta"}),
        "eta": exponent(median=0.15),
    },
    linear=("E", "a", "b"),
    source=Paper("Gadre et al. 2024", arxiv="2403.08540", where="eq. 4"),
    published={
        "c4": preset("recomputed", FIVE_RUNS, E=1.5083, a=141.28, b=189.52, eta=0.1212),
        "redpajama": preset("recomputed", FIVE_RUNS, E=1.8366, a=212.24, b=366.69, eta=0.1364),
        "refinedweb": preset("recomputed", FIVE_RUNS, E=1.7345, a=157.12, b=246.21, eta=0.1272),
    },
    decides="N, D",
)
def gadre(C, M, *, E, a, b, eta):
    """L(C, M) = E + (a M^eta + b M^-eta) C^-eta, with C = 6 N D and M = D / N, in nats per token.

    The same as E + A / N^(2 eta) + B / D^(2 eta) with A = a 6^-eta and B = b 6^-eta.
    """
    return E + (a * M**eta + b * M**-eta) * C**-eta
