"""Error from a few examples: a parabola in log-log, then a power law."""

import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.law import Paper, Response, Variable, law, log, relative

PER_CLASS = Variable("examples_per_class", "examples / class", "training examples of a class", span=(1.0, 1e5))
ERROR = Response("error", "share", "error rate")


@law(
    inputs={"n": PER_CLASS},
    response=ERROR,
    priors={
        "t0": dist.Normal(-0.5, 0.4),
        "t1": dist.Normal(-0.1, 0.15),
        "t2": dist.Normal(-0.02, 0.02),
        "n_b": relative("n", median=0.5, spread=1.0),
    },
    source=Paper("Jain et al. 2023", arxiv="2303.01598"),
    decides="n for a target error",
    topic="data",
)
def piecewise_power_law(n, *, t0, t1, t2, n_b):
    """ln err(n) = t0 + t1 ln n + t2 (ln n)^2 for n <= n_b, and the tangent at n_b beyond, for n examples a class.

    The slope is continuous: beyond the break it is t1 + 2 t2 ln n_b. That the first part is a parabola and the join
    smooth is from memory of the paper. Coefficients were not published. At n = n_b the exponent of the power law is
    the parabola's slope, so runs on both sides fix it.
    """
    at, joint = log(n), jnp.log(n_b)
    low = jnp.minimum(at, joint)
    return jnp.exp(t0 + t1 * low + t2 * low * low + (t1 + 2.0 * t2 * joint) * (at - low))
