"""Superposition: a power of the model's width, with a floor."""

from jaxscale.law import LOSS, Paper, Variable, exponent, floor, law, preset, term

WIDTH = Variable("width", "dimensions", "hidden width (d_model)")


@law(
    inputs={"m": WIDTH},
    response=LOSS,
    priors={"A": term("m", "alpha"), "alpha": exponent(median=0.9, spread=0.4), "B": floor()},
    linear=("A", "B"),
    falls=("m",),
    source=Paper("Liu et al. 2025", arxiv="2505.10465"),
    published={
        "liu2025": preset(
            A=476.1, alpha=0.9098, note="alpha +- 0.036; B is 1.49 to 2.35, one for each model family and data set"
        )
    },
    decides="m for a target loss",
    topic="theory",
)
def superposition_width(m, *, A, alpha, B):
    """L(m) = A / m^alpha + B, in nats per token, for models of hidden width m.

    A and alpha are shared, B is of one model family on one data set. Strong superposition of features has alpha near 1.
    """
    return A / m**alpha + B
