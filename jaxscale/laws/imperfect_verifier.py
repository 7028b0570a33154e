"""Resampling against tests that let wrong answers through."""

import jax.numpy as jnp
import numpy as np

from jaxscale.law import SAMPLES, SOLVED, Ours, law, share


@law(
    inputs={"K": SAMPLES},
    response=SOLVED,
    priors={"p": share(0.3), "f": share(0.1), "rho": 1.0},
    rises=("K",),
    source=Ours(inspired_by="Stroebl et al. 2024, arXiv 2411.17501"),
    decides="K",
    topic="inference",
)
def imperfect_verifier(K, *, p, f, rho):
    """A(K) = (p rho / s) (1 - (1 - s)^K), s = p rho + (1 - p) f: accuracy of up to K samples, the first that passes.

    p is the chance that a sample is correct, f that a wrong one passes the tests, and rho (1 unless known) that a
    correct one does. However large K, accuracy stays below p rho / s. One problem, or problems alike; over unlike ones
    take the mean of the curves.
    """
    s = p * rho + (1.0 - p) * f
    return p * rho / s * -jnp.expm1(K * jnp.log1p(-s))


def wrong_accepted(K, *, p, f, rho=1.0):
    """Chance that a wrong answer was accepted among K samples."""
    s = p * rho + (1.0 - p) * f
    return (1.0 - p) * f / s * -np.expm1(K * np.log1p(-s))


def utility(K, *, p, f, rho=1.0, penalty=1.0, cost=0.0):
    """Mean over problems of A(K) - penalty x wrong accepted - cost x samples drawn; p and f (problems,), K a number."""
    s = p * rho + (1.0 - p) * f
    accepted = -np.expm1(K * np.log1p(-s))
    gain = p * rho - penalty * (1.0 - p) * f
    return float(np.mean((gain - cost) * accepted / s))
