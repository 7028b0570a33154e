"""Performance law: MMLU accuracy from a model's shape and tokens."""

import jax.numpy as jnp
import numpyro.distributions as dist

from jaxscale.law import PARAMS, TOKENS, Paper, Response, Variable, law, log, preset

LAYERS = Variable("layers", "layers", "transformer layers", span=(8.0, 128.0))
HIDDEN = Variable("hidden_size", "", "hidden size", span=(1024.0, 20480.0))
FFN = Variable("ffn_size", "", "width of the feed-forward layers", span=(2048.0, 65536.0))
PRECISION_LOSS = Variable("precision_loss", "", "loss of precision, 1 for none", span=(1.0, 2.0))
MMLU = Response("mmlu", "%", "MMLU accuracy", on="raw", scale=100.0, better="higher")


@law(
    inputs={
        "n_layer": LAYERS,
        "h": HIDDEN,
        "f": FFN,
        "T": TOKENS.counted_in(1e12, "trillion tokens"),
        "N": PARAMS.counted_in(1e9, "billion parameters"),
        "gamma_p": PRECISION_LOSS,
    },
    response=MMLU,
    priors={
        "w1": dist.Normal(10.0, 5.0),
        "w2": dist.Normal(0.0, 1.0),
        "w3": dist.Normal(0.0, 1.0),
        "w4": dist.Normal(5.0, 2.0),
        "w0": dist.Normal(20.0, 10.0),
    },
    source=Paper("Wu and Tang 2024", arxiv="2408.09895"),
    published={
        "wu2024": preset(
            w1=13.95018192,
            w2=0.23072027,
            w3=-0.48523402,
            w4=5.39801689,
            w0=9.195410648934768,
            note="from the authors' planner; gives Llama-2-7B 58, which has 45",
        )
    },
    topic="downstream",
    box={"T": (0.1, 30.0), "N": (0.3, 1000.0)},
    fixed_units=True,
)
def performance_law_mmlu(n_layer, h, f, T, N, gamma_p, *, w1, w2, w3, w4, w0):
    """MMLU % = w1 ln(u n_layer) + w2 ln(u h) + w3 ln(u f) + w4 ln(u min(T, N)) + w0, ln u = -((10/f + 20/h) gamma_p n_layer)^2.

    T counts trillions of tokens and N billions of parameters, so that more than 1000 tokens a parameter add nothing.
    Below 25 % it is held there, above 90 % it bends towards 100. For dense models.
    """  # noqa: E501
    unstable = -(((10.0 / f + 20.0 / h) * gamma_p * n_layer) ** 2)
    tokens = jnp.minimum(log(T), log(N))
    logs = w1 * log(n_layer) + w2 * log(h) + w3 * log(f) + w4 * tokens
    y = logs + (w1 + w2 + w3 + w4) * unstable + w0
    return jnp.where(y > 90.0, 90.0 + 10.0 * jnp.tanh(0.1 * y - 9.0), jnp.maximum(y, 25.0))


def size(n_layer: float, h: float, f: float) -> float:
    """Parameters of this shape, by the authors' planner."""
    return (2048.0 * h + 2.0 * h**2 + 3.0 * h * f) * n_layer + 300_000.0 * h
