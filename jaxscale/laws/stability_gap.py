"""Stability gap: accuracy in continual pre-training, which dips before it recovers and grows."""

from jax import numpy as jnp

from jaxscale.law import SOLVED, Ours, law, relative, share
from jaxscale.laws.su_trajectory import STEPS


@law(
    inputs={"t": STEPS},
    response=SOLVED,
    priors={
        "y0": share(0.4, 1.0),
        "yinf": share(0.4, 1.0),
        "g": share(0.15, 1.0),
        "tau": relative("t", spread=1.0),
        "q": share(0.15, 1.0),
    },
    source=Ours("Guo et al. 2024, arXiv 2406.14833, which prints no formula"),
    decides="t",
    topic="continual pre-training",
)
def stability_gap(t, *, y0, yinf, g, tau, q):
    """y(t) = yinf - (yinf - y0) e^(-t / tau) - g y0 (e^(-t / tau) - e^(-t / (q tau))), the share of problems solved.

    For t > 0 steps. y0 is the accuracy before training, yinf the one it settles at. The dip has depth up to g y0, comes
    within about q tau steps and goes within tau; 0 < q < 1, 0 < g < 1 keep y between 0 and 1.
    """
    recover, dip = jnp.exp(-t / tau), jnp.exp(-t / (q * tau))
    return yinf - (yinf - y0) * recover - g * y0 * (recover - dip)
