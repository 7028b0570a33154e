"""Floating-point quantised training: Chinchilla and the loss that few bits add."""

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, Variable, exponent, floor, law, log, preset, term

EXPONENT_BITS = Variable("exponent_bits", "bits", "exponent bits", axis="raw", span=(0.0, 8.0))
MANTISSA_BITS = Variable("mantissa_bits", "bits", "mantissa bits, the sign apart", axis="raw", span=(0.0, 10.0))
BLOCK = Variable("block_size", "numbers", "numbers that share a scaling factor", span=(1.0, 1e5))
LN2 = 0.6931471805599453


@law(
    inputs={"N": PARAMS, "D": TOKENS, "E": EXPONENT_BITS, "M": MANTISSA_BITS, "B": BLOCK},
    response=LOSS,
    priors={
        "n": term("N", "alpha"),
        "alpha": exponent(),
        "d": term("D", "beta"),
        "beta": exponent(median=0.4, spread=0.4),
        "eps": floor(),
        "gamma": term({"D": "beta", "N": "-alpha"}, median=5.0),
        "delta": exponent(median=3.0, spread=0.3),
        "nu_M": exponent(median=3.0, spread=0.3),
    },
    linear=("eps", "n", "d"),
    source=Paper("Sun et al. 2025", arxiv="2501.02423"),
    published={
        "capybara": preset(
            "verified",
            "358 runs; a channel-wise scaling factor enters as B = 2^13.1567",
            n=69.2343,
            alpha=0.2368,
            d=68973.0621,
            beta=0.5162,
            eps=1.9061,
            gamma=11334.5197,
            delta=3.1926,
            nu_M=2.9543,
        )
    },
    decides="N, D, E, M",
    active=lambda at: at["params"] * (at["exponent_bits"] + at["mantissa_bits"] + 1.0) / 16.0,  # 6/16 N D P FLOP
    aliases=("capybara",),
    topic="precision",
    box={"N": (4.1e7, 7e10), "E": (1.0, 8.0), "M": (1.0, 10.0)},
)
def fp_quant(N, D, E, M, B, *, n, alpha, d, beta, eps, gamma, delta, nu_M):
    """L = n / N^alpha + d / D^beta + eps + D^beta / N^alpha log2(B) / (gamma (E + 1/2)^delta (M + 1/2)^nu_M).

    In nats per token. E exponent and M mantissa bits, E + M + 1 in all; B numbers share a scaling factor. A per-channel
    factor is B = 2^13.1567; of the tensor-wise one the constants are drawn and not printed. Fitted for
    N = 41 to 679 million, tested up to 70 billion. More data hurts beyond the D at which the last term outgrows d.
    """
    bits = (E + 0.5) ** delta * (M + 0.5) ** nu_M
    return n / N**alpha + d / D**beta + eps + D**beta / N**alpha / gamma * (log(B) / LN2) / bits
