"""Porian: the best learning rate as a power of the model size."""

from jaxscale.law import PARAMS, Paper, Response, exponent, law, preset, term


@law(
    inputs={"N": PARAMS},
    response=Response("lr", "", "peak learning rate", scale=None),
    priors={"k": term({"N": "-a"}, median=1.0), "a": exponent(median=0.3, spread=0.5, sign=-1.0)},
    linear=("k",),
    source=Paper("Porian et al. 2024", arxiv="2406.19146"),
    published={
        "porian2024": preset("secondary", k=3.7, a=-0.36),
        "porian2024_rounded": preset(
            "secondary", "0.0047 (N / 108e6)^(-1/3)", k=0.0047 * 108e6 ** (1 / 3), a=-1 / 3
        ),
    },
    falls=("N",),
    decides="the learning rate",
    topic="learning rate",
)  # fmt: skip
def porian_lr(N, *, k, a):
    """lr(N) = k N^a, with a < 0.

    N counts all linear layers with the head, without embeddings. The batch size is `porian_hp`.
    """
    return k * N**a
