"""Kaplan: a power of the training compute, at the best model size for it."""

from jaxscale.law import FLOPS, LOSS, Paper, exponent, law, preset, term


@law(
    inputs={"C": FLOPS.counted_in(8.64e19, "PF-days")},
    response=LOSS,
    priors={"Cc": term("C", "aC", root=True, median=2.5, spread=0.7), "aC": exponent(median=0.08)},
    linear=("Cc",),
    falls=("C",),
    source=Paper("Kaplan et al. 2020", arxiv="2001.08361"),
    published={
        "kaplan2020": preset(
            "secondary",
            "least compute C_min, as if trained at batches far below the critical one",
            Cc=3.1e8,
            aC=0.050,
        ),
        "kaplan2020_fixed_batch": preset("secondary", "compute at one fixed batch size", Cc=1.6e7, aC=0.057),
    },
    decides="C for a target loss",
)
def kaplan_c(C, *, Cc, aC):
    """L(C) = (Cc / C)^aC, in nats per token, for C in PF-days (8.64e19 FLOP each).

    C leaves out embeddings, as N does in this paper. The two published rows are of two quantities: compute at one
    fixed batch size, and C_min = C / (1 + B / B_crit(L)).
    """
    return (Cc / C) ** aC
