"""Text-to-image diffusion: faithfulness to the prompt, by training data."""

from jax import numpy as jnp

from jaxscale.law import SCORE, Paper, Variable, exponent, law, preset, term
from jaxscale.variables import COUNT

PAIRS = Variable("image_noun_pairs", "pairs", "image-noun pairs of the training data", COUNT, span=(1e3, 1e13))


@law(
    inputs={"D": PAIRS.counted_in(1e6, "million pairs")},
    response=SCORE,
    priors={"p": term("D", "-q", median=0.6, spread=0.3), "q": exponent(median=0.03)},
    source=Paper("Li et al. 2024", arxiv="2404.02883"),
    published={"li2024": preset(p=0.64, q=0.03)},
    decides="D for a target score",
    topic="vision",
)
def t2i_tifa_d(D, *, p, q):
    """S(D) = min(1, p D^q), the TIFA score, for D million image-noun pairs.

    Along the Pareto frontier of the runs. The paper has the bare power; a score ends at 1.
    """
    return jnp.minimum(jnp.asarray(p * D**q), 1.0)
