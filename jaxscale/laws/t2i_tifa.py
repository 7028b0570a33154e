"""Text-to-image diffusion: faithfulness to the prompt, by training compute."""

from jax import numpy as jnp

from jaxscale.law import FLOPS, SCORE, Paper, exponent, law, preset, term


@law(
    inputs={"C": FLOPS.counted_in(1e9, "GFLOP")},
    response=SCORE,
    priors={"p": term("C", "-q", median=0.6, spread=0.3), "q": exponent(median=0.02)},
    rises=("C",),
    source=Paper("Li et al. 2024", arxiv="2404.02883"),
    published={"li2024": preset(p=0.47, q=0.02)},
    decides="C for a target score",
    topic="vision",
)
def t2i_tifa(C, *, p, q):
    """S(C) = min(1, p C^q), the TIFA score, for C GFLOP of training.

    Along the Pareto frontier of the runs. The paper has the bare power; a score ends at 1.
    """
    return jnp.minimum(jnp.asarray(p * C**q), 1.0)
