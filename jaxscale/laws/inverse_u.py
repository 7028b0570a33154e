"""Inverse and U-shaped scaling: accuracy as a sigmoid of a parabola in log compute."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.law import FLOPS, SCORE, Ours, law, log


@law(
    inputs={"C": FLOPS.counted_in(1e21, "10^21 FLOP")},
    response=SCORE,
    priors={"b0": dist.Normal(0.0, 2.0), "b1": dist.Normal(0.0, 0.5), "b2": dist.Normal(0.0, 0.1)},
    source=Ours(inspired_by="McKenzie et al. 2023, arXiv 2306.09479, which has no formula"),
    topic="downstream",
    fixed_units=True,
)
def inverse_u(C, *, b0, b1, b2):
    """logit acc = b0 + b1 z + b2 z^2, z = ln(C / 10^21 FLOP).

    Falls where b1 < 0 and b2 is near 0, is U-shaped where b2 > 0, and turns at z = -b1 / (2 b2). A parabola
    continues its bend for ever: do not trust it beyond the runs.
    """
    z = log(C)
    return jax.nn.sigmoid(b0 + b1 * z + b2 * z * z)


def turning_point(b1, b2):
    """Compute in FLOP at which accuracy turns."""
    return 1e21 * jnp.exp(-b1 / (2.0 * b2))
