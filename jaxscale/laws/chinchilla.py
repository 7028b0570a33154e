"""Chinchilla: additive power laws in parameters and tokens."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, exponent, floor, law, preset, term


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=LOSS,
    priors={"E": floor(), "A": term("N", "alpha"), "alpha": exponent(), "B": term("D", "beta"), "beta": exponent()},
    linear=("E", "A", "B"),
    falls=("N", "D"),
    source=Paper("Hoffmann et al. 2022", arxiv="2203.15556", where="eq. 2"),
    published={
        "hoffmann2022": preset(
            E=1.6933737,
            A=406.40102,
            alpha=0.33917084,
            B=410.72283,
            beta=0.2849083,
            note="unrounded, from the TeX source",
        ),
        "hoffmann2022_rounded": preset(
            E=1.69, A=406.4, alpha=0.34, B=410.7, beta=0.28, note="as printed; the rounding alone moves N* by 20 %"
        ),
        "besiroglu2024": preset(
            E=1.8172, A=482.01, alpha=0.3478, B=2085.43, beta=0.3658, note="a Huber density with a free scale, 240 runs"
        ),
        "besiroglu2024_huber": preset(
            "recomputed",
            E=1.8172,
            A=477.83,
            alpha=0.34731,
            B=2143.4,
            beta=0.36717,
            note="the plain Huber sum, 240 runs",
        ),
        "muennighoff2023": preset(
            E=1.8692, A=521.0, alpha=0.3526596, B=1487.9, beta=0.3526596, note="C4, alpha = beta by assumption"
        ),
    },
    decides="N, D",
)
def chinchilla(N, D, *, E, A, alpha, B, beta):
    """L(N, D) = E + A / N^alpha + B / D^beta, in nats per token.

    N counts all parameters, embeddings included.
    """
    return E + A / N**alpha + B / D**beta
