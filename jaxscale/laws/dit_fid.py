"""Diffusion transformers: image quality at the best size of a compute budget."""

from jaxscale.law import FLOPS, Paper, Response, exponent, law, preset, term

FID = Response("fid", "", "Frechet distance of image features; less is better", scale=None)


@law(
    inputs={"C": FLOPS},
    response=FID,
    priors={"a": term("C", "-b", median=1.0), "b": exponent(median=0.2, sign=-1.0)},
    linear=("a",),
    falls=("C",),
    source=Paper("Liang et al. 2024", arxiv="2410.08184"),
    published={"liang2024": preset("secondary", a=2.2566e6, b=-0.234)},
    decides="C for a target FID",
    topic="vision",
)
def dit_fid(C, *, a, b):
    """FID(C) = a C^b, with b < 0, at the size of the lowest loss for C FLOP.

    On features of CLIP-L, not of Inception: the numbers do not compare with most papers. Fitted from 1e17 to 6e18 FLOP.
    """
    return a * C**b
