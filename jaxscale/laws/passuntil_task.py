"""PassUntil: pass rate of a task, measured by sampling until one answer passes."""

import jax.numpy as jnp

from jaxscale.law import PARAMS, SOLVED, Paper, exponent, law, term


@law(
    inputs={"N": PARAMS},
    response=SOLVED,
    priors={"c": term("N", "alpha", median=2.0), "alpha": exponent()},
    rises=("N",),
    source=Paper("Hu et al. 2023", arxiv="2310.03262"),
    decides="N for a target pass rate",
    topic="downstream",
)
def passuntil_task(N, *, c, alpha):
    """PU(N) = exp(-c N^-alpha), so that ln(-ln PU) is linear in ln N.

    N counts non-embedding parameters, at one ratio of tokens to parameters. Solved is the number r of passes and
    trials the samples K drawn until then: their likelihood is the binomial's whether r or K was fixed, and a task that
    reached the cap without a pass counts as 0 of the cap. Coefficients were not published. Where ln(-ln PU) bends
    downwards in ln N, as on most of the paper's tasks, the law forecasts too little.
    """
    return jnp.exp(-(c * N**-alpha))


def unbiased_rate(r: float, K: float) -> float:
    """Unbiased estimate of the pass rate when the r-th pass came with sample K, for r > 1; r / K is the likeliest."""
    return (r - 1.0) / (K - 1.0)
