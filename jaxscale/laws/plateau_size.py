"""Plateau: a task score that rises with model size and levels off."""

from jax import numpy as jnp

from jaxscale.law import PARAMS, SCORE, Ours, exponent, law, relative, share


@law(
    inputs={"N": PARAMS},
    response=SCORE,
    priors={"A": share(centre=0.7), "Nh": relative("N"), "s": exponent(median=0.7, spread=0.5)},
    linear=("A",),
    rises=("N",),
    source=Ours("How do Scaling Laws Apply to Knowledge Graph Engineering Tasks?, 2025, arXiv 2505.16276"),
    decides="N",
    topic="downstream",
)
def plateau_size(N, *, A, Nh, s):
    """y(N) = A (1 - exp(-(N / Nh)^s)), with N in parameters.

    A smooth stand-in for the plateaus of the study, which gives no formula: it cannot follow local reversals, where a
    larger size class scores lower. What the next size gains is read off the posterior of two predictions.
    """
    return A * -jnp.expm1(-((N / Nh) ** s * 1.0))
