"""Agents and world models: Chinchilla's law for behaviour cloning and world modelling."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, exponent, floor, law, term


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=LOSS,
    priors={
        "E": floor(),
        "Nc": term("N", "alpha", root=True),
        "alpha": exponent(),
        "Dc": term("D", "beta", root=True),
        "beta": exponent(),
    },
    linear=("E", "Nc", "Dc"),
    falls=("N", "D"),
    source=Paper("Pearce et al. 2024", arxiv="2411.04434"),
    decides="N, D",
    topic="other",
)
def agents_wm(N, D, *, E, Nc, alpha, Dc, beta):
    """L(N, D) = (Nc / N)^alpha + (Dc / D)^beta + E, in nats per token.

    Published are the exponents of the frontier, N* ~ C^a with a = beta / (alpha + beta): 0.49 for world models with
    256 tokens an image, 0.62 with 540, 0.32 for cloning from 540 tokens (from this form only), 0.66 for cloning with
    a CNN.
    """
    return (Nc / N) ** alpha + (Dc / D) ** beta + E
