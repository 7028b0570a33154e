"""Henighan: a floor and a power of the training compute, for images, video, mathematics and text."""

from jaxscale.law import FLOPS, LOSS, Paper, exponent, floor, law, preset, term

JOINT = "loss of the image part"


@law(
    inputs={"C": FLOPS.counted_in(8.64e19, "PF-days")},
    response=LOSS,
    priors={"Linf": floor(), "C0": term("C", "a", root=True), "a": exponent(median=0.13)},
    linear=("Linf", "C0"),
    falls=("C",),
    source=Paper("Henighan et al. 2020", arxiv="2010.14701", where="table 1"),
    published={
        "language": preset(Linf=0.0, C0=3.47e8, a=0.048),
        "image_8x8": preset(Linf=3.13, C0=1.8e-8, a=0.19),
        "image_16x16": preset(Linf=2.64, C0=1.6e-8, a=0.16),
        "image_32x32": preset(Linf=2.21, C0=3.6e-9, a=0.10),
        "image_vq_16x16": preset(Linf=4.09, C0=6.1e-7, a=0.11),
        "image_vq_32x32": preset(Linf=3.17, C0=2.6e-6, a=0.12),
        "text_to_image_image": preset(Linf=1.93, C0=1.5e-6, a=0.15, note=JOINT),
        "image_to_text_image": preset(Linf=1.97, C0=1.5e-6, a=0.16, note=JOINT),
        "video_vq_16x16x16": preset(Linf=0.95, C0=2.2e-5, a=0.14),
        "math": preset(Linf=0.14, C0=1.4e-5, a=0.17, note="extrapolation set"),
    },
    decides="C for a target loss",
)
def henighan_c(C, *, Linf, C0, a):
    """L(C) = Linf + (C0 / C)^a, in nats per token, for C in PF-days (8.64e19 FLOP each).

    At the best model size for each budget. Of images, per channel of a pixel or per VQ code.
    """
    return Linf + (C0 / C) ** a
