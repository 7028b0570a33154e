"""Continual pre-training on another language: its share and the learning rate, along a ridge."""

from jax import numpy as jnp
from numpyro import distributions as dist

from jaxscale.law import LOSS, Ours, Variable, floor, law, log, relative, share, term

ADDED = Variable("almr", "share", "additional language mixture ratio", axis="raw", span=(0.02, 0.98))
RATE = Variable("lr", "", "peak learning rate")


@law(
    inputs={"R": ADDED, "lr": RATE},
    response=LOSS,
    priors={
        "Lmin": floor(),
        "a": term({}, median=0.02),
        "lr0": relative("lr", spread=1.0),
        "c1": dist.Normal(0.3, 0.5),
        "b": term({}, median=0.02),
        "R0": share(0.5, 1.0),
    },
    linear=("Lmin", "a", "b"),
    source=Ours(
        "A Practice of Post-Training on Llama-3 70B with Optimal Selection of Additional Language Mixture Ratio, 2024, "
        "arXiv 2409.06624, which prints no formula"
    ),
    decides="R, lr",
    topic="continual pre-training",
)
def almr_lr(R, lr, *, Lmin, a, lr0, c1, b, R0):
    """L(R, lr) = Lmin + a ln(lr / (lr0 (R / (1 - R))^c1))^2 + b (logit R - logit R0)^2, in nats per token.

    A convex quadratic in logit R and ln lr. At a share R strictly between 0 and 1 the best learning rate is
    lr0 (R / (1 - R))^c1, which is lr0 at R = 1/2.
    """
    x = jnp.log(R / (1.0 - R))
    return Lmin + a * (log(lr) - jnp.log(lr0) - c1 * x) ** 2 + b * (x - jnp.log(R0 / (1.0 - R0))) ** 2
