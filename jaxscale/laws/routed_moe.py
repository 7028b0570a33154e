"""Routed language models: the gain of more experts shrinks as the model grows."""

from numpyro import distributions as dist

from jaxscale.law import LOSS, PARAMS, Paper, Variable, between, exponent, law, log, positive, preset, share

EXPERTS = Variable("experts", "experts", "experts of a routed layer, 1 for a dense model", span=(1.0, 1e4))
LN10 = 2.302585092994046
REFIT = "our least squares in log loss on the released runs, each router with the dense ones"


@law(
    inputs={"N": PARAMS, "E": EXPERTS},
    response=LOSS,
    priors={
        "a": exponent(median=0.08, spread=0.4, sign=-1.0),
        "b": exponent(median=0.12, spread=0.5, sign=-1.0),
        "c": dist.Normal(0.01, 0.01),
        "d": dist.Normal(1.1, 0.2),
        "Estart": positive(median=2.5, spread=0.4),
        "Emax": between("Estart", below=1e4).with_dist(share(0.03, 1.0).dist),
    },
    source=Paper("Clark et al. 2022", arxiv="2202.01169"),
    published={
        "s_base": preset("secondary", a=-0.082, b=-0.108, c=0.009, d=1.104, Estart=1.847, Emax=314.478),
        "rl_r": preset("secondary", a=-0.083, b=-0.126, c=0.012, d=1.111, Estart=1.880, Emax=469.982),
        "hash": preset("secondary", a=-0.087, b=-0.136, c=0.012, d=1.157, Estart=4.175, Emax=477.741),
        "s_base_refit": preset("recomputed", REFIT, a=-0.0830, b=-0.1180, c=0.00992, d=1.1136, Estart=2.07, Emax=239.0),
        "rl_r_refit": preset("recomputed", REFIT, a=-0.0827, b=-0.1234, c=0.01123, d=1.1070, Estart=1.72, Emax=470.0),
        "hash_refit": preset("recomputed", REFIT, a=-0.0874, b=-0.1384, c=0.01264, d=1.1595, Estart=4.27, Emax=427.0),
    },
    decides="E",
    topic="architecture",
    fixed_units=True,  # the intercept d, and with it its prior, is at N = 1
)
def routed_moe(N, E, *, a, b, c, d, Estart, Emax):
    """log10 L(N, E) = a log10 N + b log10 e + c log10 N log10 e + d, 1/e = 1/(E - 1 + 1/(1/Estart - 1/Emax)) + 1/Emax.

    L is in nats per token, N counts the parameters that one token meets (those of the dense model), and e, the
    effective experts, runs from Estart at E = 1 towards Emax. All runs had 130 billion tokens.

    Routing stops to help at N = 10^(-b / c). The coefficients are printed with three digits, from which that size
    comes out wrong by up to three times; compute it from a fit.
    """
    experts = log(1.0 / (1.0 / (E - 1.0 + 1.0 / (1.0 / Estart - 1.0 / Emax)) + 1.0 / Emax)) / LN10
    size = log(N) / LN10
    return 10.0 ** (a * size + b * experts + c * size * experts + d)
