"""Multilingual translation: under-fitting against over-fitting as a direction's sampling share grows."""

from jaxscale.law import LOSS, Paper, Variable, exponent, floor, law, positive, preset

COUNT = {"1": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
SHARE = Variable("sampling_share", "share", "share of the direction in training batches", span=(1e-3, 1.0))
PAIRS = Variable("examples", "million sentence pairs", "training sentence pairs", COUNT, per=1e6, span=(1e4, 1e9))


@law(
    inputs={"p": SHARE, "D": PAIRS},
    response=LOSS,
    priors={
        "M": floor(),
        "k": positive(median=3.0, spread=0.7),
        "alpha": exponent(spread=0.5),
        "gamma": exponent(spread=0.5, sign=-1.0),
        "b": positive(median=0.3, spread=1.0),
        "q": positive(median=0.7, spread=0.5),
        "beta": positive(median=1.2, spread=0.4),
    },
    linear=("M",),
    source=Paper("Chen et al. 2023", arxiv="2304.03216"),
    published={
        "zh_low": preset(
            "recomputed",
            "our fit of a p^-alpha + c p^beta + M to the authors' losses of one low-resource direction: k = "
            "a^(-1/alpha); its c = 1.011 is (D^gamma + b) q^beta, which one data size does not divide",
            k=0.683 ** (-1.0 / 0.295),
            alpha=0.295,
            beta=1.32,
            M=2.648,
        )
    },
    decides="p",
    topic="translation",
    fixed_units=True,
)
def mnmt_double_power(p, D, *, M, k, alpha, gamma, b, q, beta):
    """L(p, D) = (k p)^-alpha + (D^gamma + b) (q p)^beta + M, for a direction with D million sentence pairs.

    The first term is under-fitting, the second over-fitting, which shrinks with data (gamma < 0); between them a
    low-resource direction has a best share. The paper shares all but M over directions; on its own losses that fits
    badly, one fit a direction well.
    """
    return (k * p) ** -alpha + (D**gamma + b) * (q * p) ** beta + M
