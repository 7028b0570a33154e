"""Henighan: the best model size for a budget as a power of compute."""

from numpyro import distributions as dist

from jaxscale.law import FLOPS, Paper, Response, exponent, law, preset
from jaxscale.priors import Prior
from jaxscale.variables import COUNT

OPTIMAL = Response("optimal_params", "parameters", "compute-optimal model parameters", units=COUNT, scale=1e9)


@law(
    inputs={"C": FLOPS.counted_in(8.64e19, "PF-days")},
    response=OPTIMAL,
    # (c0 / C)^beta, one over the optimal size, about a billion at the table's centre, give or take a factor of 20
    priors={"c0": Prior(dist.LogNormal(-20.7, 1.7), "exp", powers={"C": 1.0}, root="beta"), "beta": exponent(0.6, 0.3)},
    rises=("C",),
    source=Paper("Henighan et al. 2020", arxiv="2010.14701", where="table 1"),
    published={
        "language": preset(c0=3.3e-13, beta=0.73),
        "image_8x8": preset(c0=5.3e-14, beta=0.64),
        "image_16x16": preset(c0=4.8e-12, beta=0.75),
        "image_32x32": preset(c0=1.6e-13, beta=0.65),
        "image_vq_16x16": preset(c0=6.2e-14, beta=0.64),
        "image_vq_32x32": preset(c0=9.4e-13, beta=0.70),
        "text_to_image": preset(c0=9.4e-13, beta=0.70),
        "image_to_text": preset(c0=3.3e-12, beta=0.72),
        "video_vq_16x16x16": preset(c0=1.13e-12, beta=0.71),
        "math": preset(c0=2.3e-12, beta=0.69),
    },
    decides="N",
)
def henighan_nopt(C, *, c0, beta):
    """N_opt(C) = (C / c0)^beta non-embedding parameters, for C in PF-days (8.64e19 FLOP each).

    Exponents near 0.7 are an artefact of small models and short schedules by later papers, which find about 0.5.
    """
    return (C / c0) ** beta
