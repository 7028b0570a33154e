"""Supervised fine-tuning on one ability or on a mixture: where mixing begins to hurt."""

from jax import numpy as jnp
from numpyro import distributions as dist

from jaxscale.law import EXAMPLES, Ours, Response, Variable, law, log, relative
from jaxscale.priors import Prior

MIXED = Variable("mixed", "", "1 where data of other abilities are mixed in, else 0", axis="raw", span=(0.0, 1.0))
ABILITY = Response("score", "points", "score of an ability", support="real", on="raw", scale=None, better="higher")


@law(
    inputs={"n": EXAMPLES, "m": MIXED},
    response=ABILITY,
    priors={
        "s": Prior(dist.Normal(0.0, 1.0), "real", scaled=True),
        "b": Prior(dist.Normal(0.0, 0.2), "real", scaled=True),
        "d": Prior(dist.Normal(0.0, 0.1), "real", scaled=True),
        "nx": relative("n", spread=1.5),
    },
    source=Ours("Dong et al. 2023, arXiv 2310.05492, which prints no formula"),
    decides="n",
    topic="fine-tuning",
    fixed_units=True,  # s is the line's value at one example
)
def sft_composition(n, m, *, s, b, d, nx):
    """y(n, m) = s + b ln n + m d ln(nx / n), for n examples of the ability that is scored.

    m is 1 where data of other abilities are mixed in and 0 where not; d > 0 means that mixing helps below nx examples
    and hurts above. y may be in any unit, and a line has no ends: keep to the range of sizes that was measured.
    """
    return s + b * log(n) + m * d * (jnp.log(nx) - log(n))
