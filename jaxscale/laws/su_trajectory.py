"""Loss along a training run at any batch size: Kaplan's law in parameters and steps, with the batch's waste solved."""

from jaxscale.law import LOSS, PARAMS, Paper, Variable, decreasing_root, exponent, law, positive, term

STEPS = Variable("steps", "steps", "optimiser steps")
BATCH = Variable("batch_tokens", "tokens", "tokens of a batch", {"1": 1.0, "K": 1e3, "M": 1e6})


@law(
    inputs={"N": PARAMS, "S": STEPS, "B": BATCH},
    response=LOSS,
    priors={
        "Nc": term("N", "aN", root=True, median=1.5),
        "aN": exponent(median=0.08),
        "Sc": term("S", "aS", root=True, median=0.5),
        "aS": exponent(median=0.7),
        "Bs": term("B", 1.0, median=100.0, spread=2.0),  # it is multiplied by L^(-1/aB), about 1/200
        "aB": positive(0.21, 0.5),
    },
    falls=("N", "S"),
    contains={"kaplan_ns": {"B": 1e300}},
    source=Paper("Su et al. 2024", arxiv="2403.06563", where="the chain L(N), L(N, S_min), L(N, S, B)"),
    decides="N, S, B",
)
def su_trajectory(N, S, B, *, Nc, aN, Sc, aS, Bs, aB):
    """L(N, S, B) = (Nc / N)^aN + ((Sc / S) (1 + Bs / (B L^(1/aB))))^aS, solved for L, in nats per token.

    N counts non-embedding parameters, S optimiser steps, B tokens a batch. The constants were not published.
    """
    floor, steps, waste = (Nc / N) ** aN + 0.0, (Sc / S) ** aS + 0.0, Bs / B + 0.0
    return decreasing_root(lambda loss: floor + steps * (1.0 + waste * loss ** (-1.0 / aB)) ** aS, floor + steps)
