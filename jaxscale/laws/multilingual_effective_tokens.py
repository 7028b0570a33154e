"""Multilingual pre-training: the monolingual reference curve on which a score is turned into tokens."""

import numpy as np

from jaxscale.law import Paper, Response, Variable, exponent, law, term

LOG_TOKENS = Variable("log10_tokens", "", "log10 of the monolingual training tokens", span=(5.0, 13.0))
LIKELIHOOD = Response(
    "relative_log_likelihood",
    "bits/token",
    "log2 likelihood above a tiny model of 1M tokens",
    support="real",
    on="raw",
    better="higher",
)


@law(
    inputs={"x": LOG_TOKENS},
    response=LIKELIHOOD,
    priors={
        "c": term({}, median=4.0, spread=0.7),
        "a": term("x", "b", median=2.0, spread=0.8),
        "b": exponent(median=2.0),
    },
    linear=("c", "a"),
    source=Paper("Chang et al. 2023", arxiv="2311.09205"),
    decides="whether to add other languages",
    topic="mixture",
)
def multilingual_effective_tokens(x, *, a, b, c):
    """l(x) = -a x^-b + c, in bits per token, with x = log10 of the monolingual tokens.

    The power acts on the logarithm of the data size, not on the size. One curve a language and model size; for
    languages with little data the paper fixes a at the median of the others. Coefficients were not found.
    """
    return c - a * x**-b


def effective_tokens(score, *, a, b, c):
    """Monolingual tokens that give this score: the reference curve inverted."""
    return 10.0 ** ((a / (c - np.asarray(score))) ** (1.0 / b))
