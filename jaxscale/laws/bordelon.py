"""Bordelon: training time and model size as bottlenecks that add up."""

from jaxscale.law import LOSS, PARAMS, Ours, Variable, exponent, floor, law, preset, term

STEPS = Variable("steps", "steps", "optimiser steps")


@law(
    inputs={"t": STEPS, "N": PARAMS},
    response=LOSS,
    priors={
        "L0": floor(),
        "ct": term("t", "rt"),
        "rt": exponent(median=0.3),
        "cN": term("N", "rN"),
        "rN": exponent(median=0.5),
    },
    linear=("L0", "ct", "cN"),
    falls=("t", "N"),
    source=Ours("Bordelon et al. 2024, arXiv 2402.01092"),
    published={
        "wikitext": preset("secondary", "a transformer", rt=0.16, rN=0.76),
        "cifar5m_linearised": preset("secondary", "from a = 1.15 and b = 2", rt=0.075, rN=0.15),
    },
    decides="N, t",
    topic="theory",
)
def bordelon(t, N, *, L0, ct, rt, cN, rN):
    """L(t, N) = L0 + ct t^-rt + cN N^-rN, for t steps and N parameters.

    Where eigenvalues fall as k^-b and the target's power in them as k^-a, theory has rt = (a - 1) / b and
    rN = min(a - 1, 2 b); usual are a from 1 to 3 and b from 1 to 3. At C = N t the best loss falls as
    C^-(rt rN / (rt + rN)).
    """
    return L0 + ct * t**-rt + cN * N**-rN
