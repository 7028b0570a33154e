"""McCandlish: steps to a given loss, at any batch size."""

from jaxscale.law import Paper, Response, Variable, floor, law, term

BATCH = Variable("batch_tokens", "tokens", "tokens of a batch", {"1": 1.0, "K": 1e3, "M": 1e6})
STEPS_TAKEN = Response("steps", "steps", "optimiser steps to a given loss", scale=None)


@law(
    inputs={"B": BATCH},
    response=STEPS_TAKEN,
    priors={"Smin": floor(), "Emin": term("B", 1.0)},
    linear=("Smin", "Emin"),
    falls=("B",),
    source=Paper("McCandlish et al. 2018", arxiv="1812.06162"),
    decides="B",
    topic="learning rate",
)
def mccandlish_batch(B, *, Smin, Emin):
    """S(B) = Smin + Emin / B, the steps S that reach one and the same loss at batch size B.

    The hyperbola (S / Smin - 1) (E / Emin - 1) = 1 with E = B S examples. The critical batch is Emin / Smin. Emin is
    in the unit in which B is counted, tokens here.
    """
    return Smin + Emin / B
