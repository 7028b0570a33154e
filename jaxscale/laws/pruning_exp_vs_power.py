"""Pruned data: an error that falls faster than a power of the examples kept."""

from jax import numpy as jnp

from jaxscale.law import Ours, Response, Variable, floor, law, positive, relative, term

KEPT = Variable("examples_per_param", "examples / parameter", "training examples kept, per parameter")
ERROR = Response("error", "share", "1 - accuracy")


@law(
    inputs={"x": KEPT},
    response=ERROR,
    priors={
        "E": floor(0.3),
        "A": term({}, median=0.5),
        "c": relative("x", "-s", spread=1.0),
        "s": positive(median=0.6, spread=0.4),
    },
    linear=("E", "A"),
    falls=("x",),
    source=Ours("Sorscher et al. 2022, arXiv 2206.14486"),
    decides="x",
    topic="data",
)
def pruning_exp_vs_power(x, *, E, A, c, s):
    """err(x) = E + A exp(-c x^s), for x examples kept per parameter.

    Perfect pruning gives s = 1, an exponential, in the perceptron theory; random data a power law with exponent 1.
    s between 0 and 1 is slower than an exponential and faster than a power. Compare it with the power law `hestness`
    by cross-validation to see whether a pruning metric beats the power law. No coefficients were published.
    """
    return E + A * jnp.exp(-c * x**s)
