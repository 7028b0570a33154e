"""Kaplan: loss along training, in parameters and in the fewest steps that reach it."""

from jaxscale.law import LOSS, PARAMS, Paper, Variable, exponent, law, preset, term

LEAST_STEPS = Variable("steps", "steps", "optimiser steps, at batches far above the critical one")


@law(
    inputs={"N": PARAMS, "S": LEAST_STEPS},
    response=LOSS,
    priors={
        "Nc": term("N", "aN", root=True, median=1.5),
        "aN": exponent(median=0.08),
        "Sc": term("S", "aS", root=True, median=0.5),
        "aS": exponent(median=0.7),
    },
    linear=("Nc", "Sc"),
    falls=("N", "S"),
    contains={"kaplan_n": {"S": 1e300}},
    source=Paper("Kaplan et al. 2020", arxiv="2001.08361", where="table 3"),
    published={"kaplan2020": preset("verified", "WebText2", Nc=6.5e13, aN=0.077, Sc=2.1e3, aS=0.76)},
    decides="N, S",
)
def kaplan_ns(N, S, *, Nc, aN, Sc, aS):
    """L(N, S) = (Nc / N)^aN + (Sc / S)^aS, in nats per token.

    N counts non-embedding parameters. S is S_min, steps at a very large batch: steps at batch B are divided by
    1 + B_crit(L) / B first. The law `su_trajectory` does so by itself.
    """
    return (Nc / N) ** aN + (Sc / S) ** aS
