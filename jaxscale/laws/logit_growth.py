"""Growth of attention logits with model size: a parabola in logarithms, to see instability before it comes."""

import numpyro.distributions as dist
from jax import numpy as jnp

from jaxscale.law import PARAMS, Paper, Response, law, log, term


@law(
    inputs={"N": PARAMS},
    response=Response("max_attention_logit", "", "largest attention logit", scale=None),
    priors={
        "M0": term({}, median=1.0, spread=1.0),
        "N0": 1e8,  # where M0 and b hold; fixed
        "b": dist.Normal(0.5, 0.4),
        "c": dist.Normal(0.0, 0.1),
    },
    linear=("M0",),
    source=Paper("Wortsman et al. 2023", arxiv="2309.14322"),
    decides="N at which a learning rate becomes unstable",
    topic="learning rate",
    box={"N": (1e6, 1e12)},
    fixed_units=True,
)
def logit_growth(N, *, M0, N0, b, c):
    """M(N) = M0 exp(b x + c x^2) with x = ln(N / N0), the largest attention logit at one learning rate.

    Of block 0 at step 2000; one fit for each learning rate. The paper's curve is a quadratic and no power law; that
    it is one in logarithms is our reading. Above 1e4 training became unstable, as at 4.8B parameters and a rate of
    1e-2 without normalised queries and keys. N0 is a fixed reference, 1e8 parameters.
    """
    x = log(N) - jnp.log(N0)
    return M0 * jnp.exp(b * x + c * x * x)
