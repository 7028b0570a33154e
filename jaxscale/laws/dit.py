"""Diffusion transformers: the lowest training loss of a compute budget."""

from jaxscale.law import FLOPS, Paper, Response, exponent, law, preset, term

DIFFUSION_LOSS = Response("loss", "", "diffusion training loss")


@law(
    inputs={"C": FLOPS},
    response=DIFFUSION_LOSS,
    priors={"a": term("C", "-b", median=1.0), "b": exponent(median=0.03, sign=-1.0)},
    linear=("a",),
    falls=("C",),
    source=Paper("Liang et al. 2024", arxiv="2410.08184"),
    published={
        "liang2024": preset("secondary", a=2.3943, b=-0.0273),
        "liang2024_cross_attention": preset("secondary", b=-0.0385, note="the exponent alone"),
    },
    decides="C for a target loss",
    topic="vision",
)
def dit(C, *, a, b):
    """L(C) = a C^b, with b < 0, at the best size for C FLOP.

    Fitted from 1e17 to 6e18 FLOP. There is no floor, so losses far beyond are too low. `dit_params` and `dit_tokens`
    are the sizes and data of the same optimum, `dit_fid` its image quality.
    """
    return a * C**b
