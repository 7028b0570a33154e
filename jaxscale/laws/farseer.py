"""Farseer: a loss whose floor, data coefficient and data exponent all change with the model's size."""

import numpyro.distributions as dist
from jax import numpy as jnp

from jaxscale.law import PARAMS, TOKENS, Paper, Response, exponent, law, preset, term
from jaxscale.variables import LN2

BITS_PER_CHARACTER = Response("loss", "bits/character", "loss", units={"bits": 1.0, "nats": 1.0 / LN2})


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=BITS_PER_CHARACTER,
    priors={
        "a3": term("N", "-gamma", median=0.8, spread=0.5, sign=-1.0),
        "gamma": exponent(median=0.17, spread=0.5),
        "b3": dist.Normal(0.0, 0.5),
        "a2": term("N", "-beta", median=10.0, spread=0.12),
        "beta": exponent(median=0.1, spread=0.5, sign=-1.0),
        "b2": dist.Normal(-6.0, 1.0),
        "a1": term("N", "-alpha", median=1.7, spread=0.15, sign=-1.0),
        "alpha": exponent(median=0.12, spread=0.5),
        "b1": dist.Normal(0.4, 0.2),
    },
    source=Paper("Li et al. 2025", arxiv="2506.10972"),
    published={
        "li2025": preset(
            "secondary",
            a3=-0.021,
            gamma=0.169,
            b3=-0.091,
            a2=88.01,
            beta=-0.1,
            b2=-6.287,
            a1=-0.124,
            alpha=0.123,
            b1=0.424,
            note="English text",
        )
    },
    decides="N, D",
    box={"N": (0.2e9, 25e9)},
    fixed_units=True,
)
def farseer(N, D, *, a3, gamma, b3, a2, beta, b2, a1, alpha, b1):
    """L(N, D) = exp(a3 N^gamma + b3) + exp(a2 N^beta + b2) D^(-exp(a1 N^alpha + b1)), in bits per character.

    N counts non-embedding parameters, D tokens. The exponent of D changes with N, so in another unit of D the
    coefficients are no longer of this form: the law holds in tokens. Outside the sizes that were fitted, 0.2 to 25
    billion, the surface is unphysical: it promises ever lower losses for huge models on no data.
    """
    size = lambda a, power, b: jnp.exp(a * N**power + b)  # noqa: E731
    return size(a3, gamma, b3) + size(a2, beta, b2) * jnp.asarray(D ** -size(a1, alpha, b1))
