"""Synthetic images: a power law of the number of generated training images."""

from jaxscale.law import EXAMPLES, LOSS, Paper, exponent, floor, law, term


@law(
    inputs={"D": EXAMPLES},
    response=LOSS,
    priors={"E": floor(), "A": term("D", "k", median=2.0), "k": exponent(median=0.2)},
    linear=("E", "A"),
    falls=("D",),
    source=Paper("Fan et al. 2023", arxiv="2312.04567"),
    decides="D",
    topic="vision",
)
def synthetic_image_power(D, *, E, A, k):
    """L(D) = E + A D^-k, for D synthetic images.

    The paper's line has E = 0 and holds from 0.125M to 4M images for ViT-B, to 8M for ViT-L, and saturates behind
    that: fix E = 0 for its form inside that range, leave it free beyond. Exponents by prompt and generator were not
    found.
    """
    return E + A * D**-k
