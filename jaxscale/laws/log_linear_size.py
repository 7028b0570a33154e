"""Program synthesis: the solve rate is linear in the logarithm of model size."""

import numpyro.distributions as dist
from jax import numpy as jnp

from jaxscale.law import PARAMS, SOLVED, Paper, law, log, positive

LEAST = 1e-6  # a line leaves the shares; counts need one


@law(
    inputs={"N": PARAMS.counted_in(1e9, "billion parameters")},
    response=SOLVED,
    priors={"a": dist.Normal(0.4, 0.15), "b": positive(median=0.06, spread=0.6)},
    rises=("N",),
    source=Paper("Austin et al. 2021", arxiv="2108.07732"),
    decides="N for a target solve rate",
    topic="downstream",
    fixed_units=True,
)
def log_linear_size(N, *, a, b):
    """p(N) = a + b ln N, with N in billions of parameters.

    Held between 0 and 1, where the line would leave them. For more samples a problem see coverage_exp_power. Form
    from memory, coefficients not found.
    """
    return jnp.clip(a + b * log(N), LEAST, 1.0 - LEAST)
