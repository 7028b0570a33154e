"""Text-to-image diffusion: faithfulness to the prompt, by model size."""

from jax import numpy as jnp

from jaxscale.law import PARAMS, SCORE, Paper, exponent, law, preset, term


@law(
    inputs={"N": PARAMS.counted_in(1e9, "billion parameters")},
    response=SCORE,
    priors={"p": term("N", "-q", median=0.6, spread=0.3), "q": exponent(median=0.1)},
    source=Paper("Li et al. 2024", arxiv="2404.02883"),
    published={"li2024": preset(p=0.77, q=0.11, note="the text says millions; only billions are consistent")},
    decides="N for a target score",
    topic="vision",
)
def t2i_tifa_n(N, *, p, q):
    """S(N) = min(1, p N^q), the TIFA score, for N billion parameters.

    Along the Pareto frontier of the runs. The paper has the bare power; a score ends at 1. It also calls N millions,
    which would give scores above 1: its own 0.848 at 2.4 billion comes from billions.
    """
    return jnp.minimum(jnp.asarray(p * N**q), 1.0)
