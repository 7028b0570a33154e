"""Loss added by quantising after training, in the form that belongs to the law of low-precision training."""

from jax import numpy as jnp

from jaxscale.law import PARAMS, TOKENS, Paper, exponent, law, positive, preset, term
from jaxscale.laws.qid import ADDED, BITS


@law(
    inputs={"N": PARAMS, "D": TOKENS, "Ppost": BITS},
    response=ADDED,
    priors={
        # what is added before the bits count: e^(4 / 0.65) times the loss added at 4 bits
        "CT": term({"D": "-gamma_D", "N": "gamma_N"}, median=470.0, spread=0.7),
        "gamma_D": exponent(median=0.5),
        "gamma_N": exponent(median=0.3),
        # the power of rounding noise falls four times a bit, which is gamma_post = 0.72
        "gamma_post": positive(0.65, 0.17),
        "b": 0.0,  # only CT e^b can be told from data
    },
    rises=("D",),
    source=Paper("Kumar et al. 2024", arxiv="2411.04330", where="table 2"),
    published={"kumar2024": preset("verified", CT=0.0598, gamma_D=0.5068, gamma_N=0.3439, gamma_post=0.5907, b=1.1277)},
    decides="N, D, Ppost",
    topic="precision",
    box={"Ppost": (2.0, 8.0)},
)
def precision_ptq(N, D, Ppost, *, CT, gamma_D, gamma_N, gamma_post, b):
    """dL(N, D, Ppost) = CT D^gamma_D / N^gamma_N e^(b - Ppost / gamma_post), in nats per token.

    For Ppost bits a weight; to be added to the loss of a model trained in high precision. N counts non-embedding
    parameters.
    """
    return CT * D**gamma_D / N**gamma_N * jnp.exp(b - Ppost / gamma_post)
