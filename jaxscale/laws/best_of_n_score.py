"""Best of n: the expected best of n normally scattered scores."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist

from jaxscale.law import Ours, Response, Variable, law, term
from jaxscale.priors import Prior

CANDIDATES = Variable("samples", "samples", "candidates drawn", span=(1.0, 1e6))
BEST = Response(
    "best_score", "", "mean score of the best candidate", support="real", on="raw", scale=None, better="higher"
)
STEP = 0.08  # of the integral over z: its error is below 1e-9 up to 1e6 candidates
NODES = np.arange(-9.0, 9.0 + STEP, STEP)


@law(
    inputs={"n": CANDIDATES},
    response=BEST,
    priors={"mu": Prior(dist.Normal(0.5, 1.0), "real", scaled=True), "s": term({}, median=0.2)},
    linear=("mu", "s"),
    rises=("n",),
    source=Ours(
        inspired_by="Video-T1 (2503.18942), TTS-VAR (2507.18537) and Llasa (2502.04128), which have no formula"
    ),
    decides="n for a target score",
    topic="inference",
)
def best_of_n_score(n, *, mu, s):
    """score(n) = mu + s m(n), m(n) the mean of the largest of n standard normal numbers.

    The chooser is taken to see the score itself. m(n) grows as sqrt(2 ln n) at last: 0 for one candidate, 1.54 for ten.
    Scores with an upper end saturate earlier.
    """
    return mu + s * largest_of(n)


def largest_of(n):
    """Mean of the largest of n standard normal numbers: the integral of [z > 0] - Phi(z)^n."""
    count = jnp.expand_dims(jnp.asarray(n + 0.0), -1)
    z = NODES.reshape((1,) * (count.ndim - 1) + (-1,))
    below = jnp.exp(count * jax.scipy.stats.norm.logcdf(z))
    return STEP * jnp.sum((z > 0) + 0.5 * (z == 0) - below, axis=-1)
