"""Porian: the compute-optimal model size as a power of compute, for five stages of a corrected recipe."""

from jaxscale.law import FLOPS, Paper, Response, exponent, law, preset, term

ANCHOR = 5.88e23  # FLOP, at which the optimal sizes on RefinedWeb were given
SIZE = "k from the optimal size given at 5.88e23 FLOP"


@law(
    inputs={"C": FLOPS},
    response=Response("params", "parameters", "optimal model size", scale=None),
    priors={"k": term({"C": "-a"}, median=1.0), "a": exponent(median=0.5, spread=0.4)},
    linear=("k",),
    source=Paper("Porian et al. 2024", arxiv="2406.19146"),
    published={
        "refinedweb_kaplan": preset("secondary", SIZE, k=3e12 / ANCHOR**0.835, a=0.835),
        "refinedweb_head": preset("secondary", f"+ FLOP of the head; {SIZE}", k=787e9 / ANCHOR**0.706, a=0.706),
        "refinedweb_warmup": preset("secondary", f"+ shorter warm-up; {SIZE}", k=292e9 / ANCHOR**0.602, a=0.602),
        "refinedweb_cosine": preset("secondary", f"+ cosine decay; {SIZE}", k=183e9 / ANCHOR**0.571, a=0.571),
        "refinedweb_tuned": preset("secondary", f"+ tuned optimiser; {SIZE}", k=77e9 / ANCHOR**0.497, a=0.497),
        "openwebtext2_kaplan": preset("secondary", a=0.864),
        "openwebtext2_head": preset("secondary", a=0.699),
        "openwebtext2_warmup": preset("secondary", a=0.603),
        "openwebtext2_cosine": preset("secondary", a=0.574),
        "openwebtext2_tuned": preset("secondary", a=0.518),
    },
    rises=("C",),
    decides="N for C",
)
def porian_alloc(C, *, k, a):
    """N(C) = k C^a, the model size that is best for C FLOP.

    N counts all linear layers with the head, without embeddings.
    """
    return k * C**a
