"""Kaplan: joint law in non-embedding parameters and data, without a floor."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, exponent, law, preset, term


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=LOSS,
    priors={
        "Nc": term("N", "aN", root=True, median=2.0, spread=0.7),
        "aN": exponent(median=0.1),
        "Dc": term("D", "aD", root=True, median=2.0, spread=0.7),
        "aD": exponent(median=0.1),
    },
    falls=("N", "D"),
    contains={"kaplan_n": {"D": 1e300}, "kaplan_d": {"N": 1e300}},
    source=Paper("Kaplan et al. 2020", arxiv="2001.08361", where="eq. 1.5, table 2"),
    published={
        "kaplan2020": preset(
            "secondary",
            Nc=6.4e13,
            aN=0.076,
            Dc=1.8e13,
            aD=0.103,
            note="WebText2; not the values of the univariate fits",
        )
    },
    decides="N, D",
)
def kaplan_nd(N, D, *, Nc, aN, Dc, aD):
    """L(N, D) = [(Nc / N)^(aN / aD) + Dc / D]^aD, in nats per token.

    N counts non-embedding parameters; D is the size of an early-stopped data set.
    """
    return ((Nc / N) ** (aN / aD) + Dc / D) ** aD
