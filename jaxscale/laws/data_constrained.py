"""Data-constrained: Chinchilla where tokens repeat, and where parameters exceed what the unique tokens can use."""

import math

from jax import numpy as jnp

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, Variable, exponent, floor, law, log, positive, preset, term
from jaxscale.variables import COUNT

UNIQUE = Variable("unique_tokens", "tokens", "unique training tokens", COUNT, 1e3, span=(1e3, 1e15))
MOST = 50.0  # in logs: beyond e^50 repetitions nothing changes, and exp would overflow


def _effective(log_total, log_unique, half):
    """Log of unique (1 + half (1 - exp(-R / half))), R being the repetitions: total / unique - 1."""
    repeats = jnp.expm1(jnp.minimum(log_total - log_unique, MOST))
    return log_unique + jnp.log1p(-half * jnp.expm1(-repeats / half))


@law(
    inputs={"N": PARAMS, "D": TOKENS, "U": UNIQUE},
    response=LOSS,
    priors={
        "E": floor(),
        "A": term("N", "alpha"),
        "alpha": exponent(spread=0.5),
        "B": term("D", "beta"),
        "beta": exponent(spread=0.5),
        "RD": positive(10.0, 0.7),
        "RN": positive(10.0, 0.7),
    },
    falls=("N", "D", "U"),
    source=Paper("Muennighoff et al. 2023", arxiv="2305.16264"),
    published={
        "muennighoff2023": preset(
            E=math.exp(0.6254804),
            A=math.exp(6.255414),
            alpha=0.3526596,
            B=math.exp(7.3049974),
            beta=0.3526596,
            RD=15.387756,
            RN=5.309743,
            note="C4; E, A, B and alpha = beta from 54 runs, then RD and RN from 182",
        )
    },
    decides="N, D",
    topic="data",
    fixed_units=True,  # D and U share a unit, and change it together
)
def data_constrained(N, D, U, *, E, A, alpha, B, beta, RD, RN):
    """L(N, D, U) = E + A / N'^alpha + B / D'^beta, with N' and D' short of N and D by RN and RD, in nats per token.

    Of D tokens U are unique: D' = U (1 + RD (1 - exp(-(D / U - 1) / RD))). Likewise N' from N and U_N, the size that
    chinchilla pairs with U tokens, or N where that is less; U_N follows from A, B, alpha and beta. Tokens are worth
    1/e of new ones after about RD epochs. The law never rises with more epochs, as over-fitted models do.
    """
    log_seen = jnp.minimum(log(U), log(D))  # unique tokens that are seen
    log_paired = (jnp.log(alpha / beta) + log(A) - log(B) + beta * log_seen) / alpha
    log_n = _effective(log(N), jnp.minimum(log(N), log_paired), RN)
    log_d = _effective(log(D), log_seen, RD)
    return E + A * jnp.exp(-alpha * log_n) + B * jnp.exp(-beta * log_d)
