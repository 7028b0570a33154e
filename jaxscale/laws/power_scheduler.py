"""Power Scheduler: the learning rate during training as a power of the tokens seen so far."""

from jax import numpy as jnp

from jaxscale.law import TOKENS, Paper, Response, Variable, exponent, law, preset, term

BATCH = Variable("batch_size_seqs", "sequences", "batch size in sequences", span=(1.0, 1e6))
FACTOR = "the factor beta is from memory; without it the rate would be about 1e-5"


@law(
    inputs={"n": TOKENS, "beta": BATCH},
    response=Response("lr", "", "learning rate", scale=None),
    priors={
        "eta_max": term({}, median=2.0),
        "a": term({"n": "-b", "beta": -1.0}, median=1.0),
        "b": exponent(median=0.5, sign=-1.0),
    },
    source=Paper("Shen et al. 2024", arxiv="2408.13359"),
    published={
        "shen2024": preset("secondary", FACTOR, eta_max=0.02, a=4.0, b=-0.51),
        "shen2024_optimum": preset("memory", "the optimum over a run's T tokens, uncapped", a=4.6, b=-0.51),
    },
    falls=("n",),
    rises=("beta",),
    decides="the learning rate",
    topic="learning rate",
)
def power_scheduler(n, beta, *, eta_max, a, b):
    """lr(n, beta) = min(eta_max, beta a n^b), with b < 0, after n tokens.

    beta is the batch size in sequences (of 4k tokens), for models under muP. A linear warm-up goes before, and a
    decay over about the last tenth of the run after.
    """
    return jnp.minimum(eta_max + 0.0, beta * a * n**b + 0.0)
