"""Time-series foundation models: a power law in parameters, data or compute."""

from jaxscale.law import LOSS, Paper, Variable, exponent, law, term

SIZE = Variable("size", "any one unit", "parameters, training points or compute", {"1": 1.0, "M": 1e6, "B": 1e9})


@law(
    inputs={"X": SIZE},
    response=LOSS,
    priors={"Xc": term("X", "a", root=True, median=1.0), "a": exponent(median=0.1)},
    linear=("Xc",),
    falls=("X",),
    source=Paper("Yao et al. 2024", arxiv="2410.12360"),
    decides="X",
    topic="other",
)
def tsfm_power(X, *, Xc, a):
    """L(X) = (Xc / X)^a, for X parameters, training points or compute, each by itself.

    A loss in or out of distribution, in nats, or a positive error such as MAPE; compare exponents of both and of
    encoder-only and decoder-only models. Coefficients were not found.
    """
    return (Xc / X) ** a
