"""Gadre: average top-1 error of downstream tasks from loss."""

from jax import numpy as jnp

from jaxscale.law import Paper, Response, Variable, exponent, law, positive, preset, share

REACHED = Variable("loss", "nats/token", "loss")
ERROR = Response("error", "share", "top-1 error between 0 and 1", support="unit", on="raw")
REFIT = "C4 loss and 17 tasks, from the repository's runs"


@law(
    inputs={"L": REACHED},
    response=ERROR,
    priors={"eps": share(centre=0.8, spread=0.8), "k": positive(2.0, 0.8), "gamma": exponent(median=0.8, spread=0.5)},
    rises=("L",),
    source=Paper("Gadre et al. 2024", arxiv="2403.08540"),
    published={
        "c4": preset("recomputed", REFIT, k=2.079, gamma=0.756, eps=0.850),
        "redpajama": preset("recomputed", REFIT, k=2.206, gamma=0.715, eps=0.857),
        "refinedweb": preset("recomputed", REFIT, k=2.215, gamma=0.707, eps=0.865),
    },
    aliases=("loss_to_error_exp",),
    topic="downstream",
    box={"L": (1.0, 12.0)},
    after="gadre",
)
def gadre_err(L, *, eps, k, gamma):
    """Err(L) = eps - k exp(-gamma L), and 0 where that is negative, for a loss L in nats per token.

    eps is the error of a model that knows nothing.
    """
    return jnp.maximum(eps - k * jnp.exp(-gamma * L), 0.0)
