"""Activation sparsity of SiLU models: the share of active neurons rises to a ceiling as training goes on."""

from jaxscale.law import Paper, Response, exponent, law, preset, term
from jaxscale.laws.sparsing import BILLIONS

# the formula has no lower end: a share below zero at few tokens is the paper's
ACTIVE = Response("activation_ratio", "share", "share of active neurons", support="real", on="raw")


@law(
    inputs={"D": BILLIONS},
    response=ACTIVE,
    priors={
        "alpha": exponent(median=0.9, spread=0.4),
        "c": term("D", "alpha", median=0.02, spread=1.0, sign=1.0),
        "A0": term({}, median=0.4, spread=0.4),
    },
    linear=("A0", "c"),
    source=Paper("Luo et al. 2024", arxiv="2411.02335"),
    published={
        "silu_0.1b": preset(alpha=0.479, c=0.102, A0=0.409),
        "silu_0.2b": preset(alpha=0.844, c=0.208, A0=0.390),
        "silu_0.4b": preset(alpha=1.03, c=0.420, A0=0.385),
        "silu_0.8b": preset(alpha=0.995, c=0.562, A0=0.383),
        "silu_1.2b": preset(alpha=0.967, c=0.538, A0=0.382),
    },
    topic="architecture",
)
def sparsing_silu(D, *, alpha, c, A0):
    """A(D) = A0 - c / D^alpha, with D in billions of tokens and A a share of the neurons.

    SiLU models only: activation grows with training, so more data does not make them sparser. Leave warmup out.
    """
    return A0 - c / D**alpha
