"""Language-vision models: a shifted power of compute with a floor."""

from jaxscale.law import FLOPS, Paper, Response, exponent, floor, law, relative, term

ERROR = Response("error", "share", "1 - accuracy, or 1 - recall at 5")


@law(
    inputs={"C": FLOPS.counted_in(1e9, "GFLOP")},
    response=ERROR,
    priors={
        "d": floor(0.3),
        "a": term("C", "-c", median=0.4),
        "b": relative("C", median=0.05),
        "c": exponent(sign=-1.0),
    },
    linear=("d", "a"),
    falls=("C",),
    source=Paper("Nezhurina et al. 2025", arxiv="2506.04598"),
    decides="C",
    topic="vision",
)
def lv_saturating_power(C, *, d, a, b, c):
    """E(C) = a (C + b)^c + d, with c < 0 and C in GFLOP.

    The authors fit the best run of each bin of compute, up to 1e12 GFLOP and 1e10 samples, behind which data repeat.
    Coefficients were not found.
    """
    return a * (C + b) ** c + d
