"""Henighan: a floor and a power of the model size, for images, video, mathematics and text."""

from jaxscale.law import LOSS, PARAMS, Paper, exponent, floor, law, preset, term


@law(
    inputs={"N": PARAMS},
    response=LOSS,
    priors={"Linf": floor(), "N0": term("N", "a", root=True), "a": exponent(median=0.15)},
    linear=("Linf", "N0"),
    falls=("N",),
    source=Paper("Henighan et al. 2020", arxiv="2010.14701", where="table 1"),
    published={
        "language": preset(Linf=0.0, N0=1.47e14, a=0.070),
        "image_8x8": preset(Linf=3.12, N0=8.0e1, a=0.24),
        "image_16x16": preset(Linf=2.64, N0=2.8e2, a=0.22),
        "image_32x32": preset(Linf=2.20, N0=6.3e1, a=0.13),
        "image_vq_16x16": preset(Linf=3.99, N0=2.7e4, a=0.13),
        "image_vq_32x32": preset(Linf=3.07, N0=1.9e4, a=0.14),
        "text_to_image_text": preset(Linf=0.0, N0=5.6e8, a=0.037),
        "text_to_image_image": preset(Linf=2.0, N0=5.1e3, a=0.16),
        "image_to_text_text": preset(Linf=0.0, N0=7.0e8, a=0.039),
        "image_to_text_image": preset(Linf=2.0, N0=5.5e3, a=0.15),
        "video_vq_16x16x16": preset(Linf=1.01, N0=3.7e4, a=0.24),
        "math": preset(Linf=0.28, N0=1.1e4, a=0.16, note="extrapolation set"),
    },
    decides="N for a target loss",
)
def henighan(N, *, Linf, N0, a):
    """L(N) = Linf + (N0 / N)^a, in nats per token (of images: per channel of a pixel, or per VQ code).

    N counts non-embedding parameters.
    """
    return Linf + (N0 / N) ** a
