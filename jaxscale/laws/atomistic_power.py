"""Interatomic potentials: energy or force error as a power of size, data or compute."""

from jaxscale.law import Paper, Response, Variable, exponent, floor, law, term

SIZE = Variable("size", "any one unit", "parameters, training structures or compute", {"1": 1.0, "M": 1e6, "B": 1e9})
MAE = Response("mae", "meV or meV/Å", "mean absolute error of energy or force", scale=None)


@law(
    inputs={"X": SIZE},
    response=MAE,
    priors={"E": floor(), "A": term("X", "alpha"), "alpha": exponent()},
    linear=("E", "A"),
    falls=("X",),
    source=Paper("Zhang et al. 2025", arxiv="2506.01686"),
    decides="X",
    topic="other",
)
def atomistic_power(X, *, E, A, alpha):
    """MAE(X) = E + A X^-alpha, for X parameters, training structures or compute, each by itself.

    The form is remembered, not read: fix E = 0 for the plain power. Coefficients were not found.
    """
    return E + A * X**-alpha
