"""BLEU after pre-training: a power of the logarithm of the pre-training data."""

from jax import numpy as jnp

from jaxscale.law import TOKENS, Paper, Response, exponent, law, log, positive, relative

BLEU = Response("bleu", "points", "BLEU score, 0 to 100", scale=30.0, better="higher")
LEAST = 1e-3  # the logarithm has to be positive for the power to exist


@law(
    inputs={"D": TOKENS},
    response=BLEU,
    priors={
        "A": relative("D", "-alpha", median=400.0, spread=2.0),
        "alpha": exponent(),
        "beta": positive(median=1.7, spread=0.2),
    },
    rises=("D",),
    source=Paper("Isik et al. 2024", arxiv="2402.04177"),
    decides="D",
    topic="translation",
)
def bleu_log_law(D, *, A, alpha, beta):
    """BLEU(D) = (ln(A D^alpha))^beta, for D tokens of pre-training.

    It only means something where A D^alpha > 1. Where pre-training and task are badly aligned BLEU falls while
    cross-entropy, E + A / D^alpha, keeps falling too: a misfit to report, not to fit. The coefficients were not
    found.
    """
    return jnp.maximum(jnp.log(A) + alpha * log(D), LEAST) ** beta
