"""Porian: the best batch size as a power of the model size."""

from jaxscale.law import PARAMS, Paper, Response, exponent, law, preset, term


@law(
    inputs={"N": PARAMS},
    response=Response("batch_size_seqs", "sequences", "batch size in sequences", scale=None),
    priors={"k": term({"N": "-a"}, median=1.0), "a": exponent(median=0.6, spread=0.5)},
    linear=("k",),
    source=Paper("Porian et al. 2024", arxiv="2406.19146"),
    published={
        "porian2024": preset("secondary", k=0.00037, a=0.703),
        "porian2024_rounded": preset("secondary", "160 (N / 108e6)^(2/3)", k=160.0 / 108e6 ** (2 / 3), a=2 / 3),
    },
    rises=("N",),
    decides="the batch size",
    topic="learning rate",
)
def porian_hp(N, *, k, a):
    """B(N) = k N^a, the batch size in sequences of 2048 tokens.

    N counts all linear layers with the head, without embeddings. The learning rate is `porian_lr`; with them
    Adam's beta2 is 0.99 up to 220M parameters and 0.95 above.
    """
    return k * N**a
