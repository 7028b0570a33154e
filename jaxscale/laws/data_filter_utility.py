"""Data filtering: the utility of a pool of data, which halves as the pool is repeated."""

import numpy as np
import numpyro.distributions as dist
from jax import numpy as jnp

from jaxscale.law import Paper, Response, Variable, exponent, floor, law, log, positive, preset
from jaxscale.priors import Prior

COUNT = {"1": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
POOL = Variable("pool_samples", "samples", "distinct samples in the pool", COUNT, per=1e5)
EPOCHS = Variable("epochs", "epochs", "passes over the pool", span=(0.1, 128.0))
ERROR = Response("error", "share", "1 - accuracy")
LONGEST = 128  # epochs
DECILE = "T-MARS score deciles on ImageNet, from the repository's results"


@law(
    inputs={"P": POOL, "e": EPOCHS},
    response=ERROR,
    priors={
        "a": Prior(dist.LogNormal(np.log(0.7), 0.5), "exp", scaled=True, powers={"P": -1.0}, root="b"),
        "b": exponent(median=0.12, spread=0.5, sign=-1.0),
        "tau": positive(median=5.0, spread=0.6),
        "d": floor(0.3),
    },
    source=Paper("Goyal et al. 2024", arxiv="2404.07177"),
    published={
        "top_10": preset("verified", DECILE, a=0.025, d=0.1, b=-0.16, tau=6.727),
        "top_10_20": preset("verified", DECILE, a=0.025, d=0.1, b=-0.125, tau=8.545),
        "top_20_30": preset("verified", DECILE, a=0.025, d=0.1, b=-0.10, tau=5.273),
        "top_30_40": preset("verified", DECILE, a=0.025, d=0.1, b=-0.085, tau=2.273),
        "quarter_of_top_40": preset("verified", DECILE + ", a random quarter", a=0.025, d=0.1, b=-0.12, tau=6.0),
    },
    decides="the pool at a budget of samples",
    topic="data",
)
def data_filter_utility(P, e, *, a, b, tau, d):
    """y(P, e) = (d + (a n_1)^b) prod_j (n_j / n_(j-1))^(b 2^(-(j-1) / tau)), with n_j = P min(j, e).

    Error after e epochs over a pool of P samples, counted in 1e5; j runs over the epochs from the second, and tau is
    the half-life of the utility b < 0 in epochs. As the authors' code has it, and as their values of a need: a stands
    inside the power and the floor d inside the product, not as in the paper's A n_1^b prod + d.
    """
    epochs = jnp.expand_dims(jnp.asarray(log(e)), -1)
    passes = np.arange(1.0, LONGEST + 1.0).reshape((1,) * (epochs.ndim - 1) + (-1,))
    seen = jnp.minimum(epochs, np.log(passes))  # ln(n_j / P)
    gained = seen[..., 1:] - seen[..., :-1]
    half = jnp.expand_dims(jnp.asarray(tau), -1) if jnp.ndim(tau) else tau
    later = jnp.sum(2.0 ** (-passes[..., :-1] / half) * gained, axis=-1)
    return (d + (a * P * jnp.exp(seen[..., 0])) ** b) * jnp.exp(b * later)


def mixed_pools(samples, pool, *, a, d, b, tau):
    """Error on a mix of m equal pools: exponents b_i and half-lives tau_i are sequences, counts in 1e5.

    An epoch is m times as long, so a pool's half-life is m tau_i; the utilities are averaged.
    """
    b, tau = np.asarray(b), len(b) * np.asarray(tau)
    epochs = np.arange(1.0, np.ceil(samples / (len(b) * pool)) + 1.0)
    seen = np.minimum(epochs * len(b) * pool, samples)
    utility = np.mean(b * 2.0 ** (-(epochs[:, None] - 1.0) / tau), axis=1)
    return (d + (a * seen[0]) ** utility[0]) * np.prod((seen[1:] / seen[:-1]) ** utility[1:])
