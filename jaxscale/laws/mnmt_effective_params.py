"""Multilingual translation: a language pair's sampling weight as a share of the parameters."""

from jaxscale.law import LOSS, PARAMS, Paper, Variable, exponent, floor, law, positive, term

WEIGHT = Variable("task_weight", "share", "weight of the language pair in training", axis="raw", span=(0.02, 1.0))


@law(
    inputs={"N": PARAMS, "p": WEIGHT},
    response=LOSS,
    priors={
        "Linf": floor(),
        "beta": term("N", "alpha"),
        "alpha": exponent(),
        "c1": positive(median=0.3, spread=1.0),
        "c2": positive(median=0.7, spread=0.5),
        "c3": positive(median=1.0, spread=0.5),
    },
    linear=("Linf", "beta"),
    source=Paper("Fernandes et al. 2023", arxiv="2302.09650"),
    decides="N, p",
    topic="translation",
)
def mnmt_effective_params(N, p, *, Linf, beta, alpha, c1, c2, c3):
    """L(N, p) = beta (f N)^-alpha + Linf, with f(p) = p + c1 p^c2 (1 - p)^c3, in nats per token.

    f N is the effective size for the pair: f(0) = 0, f(1) = 1, and f > p where the other pairs help. Floor and
    exponent are shared over weights. Coefficients were not found.
    """
    return beta * ((p + c1 * p**c2 * (1.0 - p) ** c3) * N) ** -alpha + Linf
