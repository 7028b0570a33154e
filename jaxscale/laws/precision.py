"""Low-precision training: bits of weights, activations and the KV cache as a share of the parameters."""

from jax import numpy as jnp
from numpyro import distributions as dist

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, Variable, exponent, floor, law, positive, preset, term

WEIGHT_BITS = Variable("weight_bits", "bits", "bits of a weight in training", span=(1.0, 32.0))
ACTIVATION_BITS = Variable("activation_bits", "bits", "bits of an activation in training", span=(1.0, 32.0))
KV_BITS = Variable("kv_bits", "bits", "bits of a key or value in training", span=(1.0, 32.0))
BEND = 2e-3  # on the scale of n - P / gamma: how closely the factors follow the formula near zero


def kept(P, gamma, n):
    """1 - e^(n - P / gamma), bent so that it stays above 0 where the bits are too few."""
    z = n - P / gamma
    far = 0.5 * (jnp.abs(z) + jnp.sqrt(z * z + BEND**2))
    return -jnp.expm1(-jnp.where(z < 0, far, 0.25 * BEND**2 / far))


@law(
    inputs={"N": PARAMS, "D": TOKENS, "Pw": WEIGHT_BITS, "Pa": ACTIVATION_BITS, "Pkv": KV_BITS},
    response=LOSS,
    priors={
        "A": term("N", "alpha"),
        "alpha": exponent(),
        "B": term("D", "beta"),
        "beta": exponent(),
        "E": floor(),
        "gamma_w": positive(2.0, 0.4),
        "n_w": dist.Normal(0.0, 0.7),
        "gamma_a": positive(2.0, 0.4),
        "n_a": dist.Normal(0.0, 0.7),
        "gamma_kv": positive(2.0, 0.4),
        "n_kv": dist.Normal(0.0, 0.7),
    },
    linear=("E", "A", "B"),
    source=Paper("Kumar et al. 2024", arxiv="2411.04330", where="table 2"),
    published={
        "kumar2024": preset(
            "verified",
            "alpha = beta by assumption; the sign of the offsets n is inferred by us",
            A=4299.0,
            alpha=0.4965,
            B=1.806e4,
            beta=0.4965,
            E=2.7648,
            gamma_w=2.6745,
            n_w=0.3037,
            gamma_a=2.2102,
            n_a=1.4072,
            gamma_kv=0.9578,
            n_kv=2.4185,
        )
    },
    decides="N, D, Pw, Pa, Pkv",
    # 6/16 N D P FLOP, P the mean width: the paper counts with one width for all
    active=lambda at: at["params"] * (at["weight_bits"] + at["activation_bits"] + at["kv_bits"]) / 48.0,
    topic="precision",
    box={"N": (3e7, 1.7e9), "D": (1.5e9, 2.6e10), "Pw": (3.0, 16.0), "Pa": (4.0, 16.0), "Pkv": (4.0, 16.0)},
)
def precision(N, D, Pw, Pa, Pkv, *, A, alpha, B, beta, E, gamma_w, n_w, gamma_a, n_a, gamma_kv, n_kv):
    """L = A / (N f(Pw; gamma_w, n_w) f(Pa; gamma_a, n_a) f(Pkv; gamma_kv, n_kv))^alpha + B / D^beta + E.

    In nats per token, with f(P; gamma, n) = 1 - e^(n - P / gamma); N counts non-embedding parameters. The offsets n are
    in the fits and missing in the paper's main text. Three bits of activations or of the cache are outside the law:
    f would be negative. The authors warn that the constants do not transfer to other set-ups.
    """
    factors = kept(Pw, gamma_w, n_w) * kept(Pa, gamma_a, n_a) * kept(Pkv, gamma_kv, n_kv)
    return A / N**alpha * factors**-alpha + B / D**beta + E
