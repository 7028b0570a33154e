"""Activation sparsity of ReLU models: the share of active neurons falls to a floor as training goes on."""

from jax import numpy as jnp
from numpyro import distributions as dist

from jaxscale.law import TOKENS, Paper, Response, exponent, law, preset, relative, term

ACTIVE = Response("activation_ratio", "share", "share of active neurons", on="raw")
BILLIONS = TOKENS.counted_in(1e9, "billion tokens")


@law(
    inputs={"D": BILLIONS},
    response=ACTIVE,
    priors={
        "alpha": exponent(median=0.8, spread=0.6),
        "b": dist.Normal(-3.0, 1.0),
        "c": relative("D", "-alpha", median=0.5, spread=1.2),
        "A0": term({}, median=0.07, spread=0.5),
    },
    linear=("A0",),
    falls=("D",),
    source=Paper("Luo et al. 2024", arxiv="2411.02335"),
    published={
        "relu_0.1b": preset(alpha=0.101, b=-0.0151, c=3.20, A0=0.0614),
        "relu_0.2b": preset(alpha=0.449, b=-3.05, c=0.286, A0=0.0674),
        "relu_0.4b": preset(alpha=0.683, b=-3.46, c=0.0790, A0=0.0690),
        "relu_0.8b": preset(alpha=1.01, b=-3.49, c=7.97e-3, A0=0.0721),
        "relu_1.2b": preset(alpha=1.33, b=-3.89, c=9.03e-4, A0=0.0782),
        "relu_2.4b": preset(alpha=1.53, b=-3.46, c=1.56e-4, A0=0.0648),
    },
    decides="D for a target activation ratio",
    topic="architecture",
)
def sparsing(D, *, alpha, b, c, A0):
    """A(D) = exp(-c D^alpha + b) + A0, with D in billions of tokens and A a share of the neurons.

    ReLU models only; see sparsing_silu. Leave warmup out. alpha, b and c trade against each other in one curve, so
    compare the curves of models and not these numbers.
    """
    return jnp.exp(-c * D**alpha + b) + A0
