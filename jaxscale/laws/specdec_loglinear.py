"""Speculative decoding: tokens accepted a step are linear in the logarithms of the draft's data, size and batch."""

import numpyro.distributions as dist

from jaxscale.law import PARAMS, TOKENS, Paper, Response, Variable, law, log

BATCH = Variable("batch", "requests", "requests decoded at once", span=(1.0, 4096.0))
ACCEPTED = Response(
    "accepted", "tokens / step", "draft tokens accepted a step", support="real", on="raw", scale=4.0, better="higher"
)


@law(
    inputs={
        "D": TOKENS.counted_in(1e9, "billion tokens"),
        "N": PARAMS.counted_in(1e9, "billion parameters"),
        "B": BATCH,
    },
    response=ACCEPTED,
    priors={
        "a": dist.Normal(3.0, 2.0),
        "b": dist.Normal(0.3, 0.3),
        "c": dist.Normal(0.3, 0.3),
        "d": dist.Normal(0.0, 0.3),
    },
    linear=("a", "b", "c", "d"),
    source=Paper("Scaling Laws for Speculative Decoding, 2025", arxiv="2505.07858"),
    topic="inference",
    fixed_units=True,
)
def specdec_loglinear(D, N, B, *, a, b, c, d):
    """accepted = a + b ln D + c ln N + d ln B, for D billion pre-training tokens and N billion parameters of the draft.

    A mean count of tokens a step, not a probability; B is the batch. The paper has the law axis by axis, with R2 near
    0.99, and no coefficients are published. Widening the draft costs time that the law does not know.
    """
    return a + b * log(D) + c * log(N) + d * log(B)
