"""Loss along a run from its learning-rate schedule: each drop of the rate pays off by a power law of what follows."""

import numpy as np
from jax import numpy as jnp

from jaxscale.law import LOSS, Paper, Variable, exponent, floor, law, positive, preset, share, term

NODES = 64  # as in jaxscale.schedules, which makes the vectors
PEAK, SPAN = 3e-4, (0.0, 1.0)


def _falls(rng, n):
    """Share of the peak that each of n schedules loses by its end, and how far each node of the fall has come."""
    return rng.uniform(0.0, 0.9, (n, 1)), np.arange(1, NODES // 2 + 1) / (NODES // 2)


def _drops(rng, n):
    fall, way = _falls(rng, n)
    rise = np.full((n, len(way)), -PEAK / len(way))
    return np.concatenate([rise, PEAK * fall * np.ones_like(way) / len(way)], axis=1)


def _rates(rng, n):
    fall, way = _falls(rng, n)
    return PEAK * np.concatenate([np.tile(way, (n, 1)), 1.0 - fall * way], axis=1)


def _sums(rng, n):
    way = _falls(rng, n)[1]
    length = 10 ** rng.uniform(-1.0, 0.5, (n, 1))
    return np.concatenate([10.0 - way * np.ones((n, 1)), length * (1.01 - way)], axis=1)


def _vector(column, meaning, example):
    return Variable(column, "", meaning, axis="raw", span=SPAN, length=NODES, example=example)


def _wide(parameter):
    """One more axis for the nodes, where a parameter is not a single number but one for each draw."""
    parameter = jnp.asarray(parameter)
    return parameter[..., None] if parameter.ndim else parameter


@law(
    inputs={
        "S1": Variable("lr_sum", "", "sum of learning rates, warm-up included"),
        "drop": _vector("lr_drop", "fall of the learning rate at each node of the schedule", _drops),
        "at": _vector("lr_at", "learning rate at each node", _rates),
        "after": _vector("lr_after", "sum of learning rates from each node on", _sums),
    },
    response=LOSS,
    priors={
        "L0": floor(),
        "A": term("S1", "alpha"),
        "alpha": exponent(median=0.5),
        "B": positive(median=400.0, spread=1.0),
        "C": positive(median=2.0, spread=0.7),
        "beta": exponent(median=0.5, spread=0.4),
        "gamma": share(),
    },
    linear=("L0", "A", "B"),
    source=Paper("Luo et al. 2025", arxiv="2503.12811"),
    published={
        "luo2025_25m": preset(
            L0=3.04045406, A=0.52468604, alpha=0.50786857, B=363.78751622, C=2.06560812, beta=0.58279013,
            gamma=0.64142257
        ),
        "luo2025_100m": preset(
            L0=2.6514477, A=0.60115152, alpha=0.45295811, B=437.9464276, C=2.13245612, beta=0.59785199,
            gamma=0.65523644
        ),
        "luo2025_400m": preset(
            L0=2.37474466, A=0.65421216, alpha=0.42878731, B=523.42464371, C=2.02462735, beta=0.59350493,
            gamma=0.63472457
        ),
    },
    falls=("S1",),
    decides="the schedule",
    topic="learning rate",
)  # fmt: skip
def multi_power(S1, drop, at, after, *, L0, A, alpha, B, C, beta, gamma):
    """L = L0 + A / S1^alpha - B sum_k drop[k] (1 - (1 + C after[k] / at[k]^gamma)^-beta), in nats per token.

    The sum goes over the steps so far, drop[k] = lr[k - 1] - lr[k], at[k] = lr[k], and after[k] sums the rates
    from step k on. `jaxscale.schedules.prepare` makes S1 and a quadrature of the sum. The warm-up is in S1 and in
    the sum, where its rises add about B times the peak: L0 is the loss that a learning rate of zero would reach.
    """
    gain = -jnp.expm1(-_wide(beta) * jnp.log1p(_wide(C) * jnp.exp(jnp.log(after) - _wide(gamma) * jnp.log(at))))
    return L0 + A / S1**alpha - B * jnp.sum(drop * gain, axis=-1)
