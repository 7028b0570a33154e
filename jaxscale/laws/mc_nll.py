"""Multiple choice, first stage: negative log-probability of an answer, a power law of compute."""

from jaxscale.law import FLOPS, Ours, Response, exponent, law, term

ANSWER_NLL = Response("nll_correct", "nats", "negative log-probability of the correct answer", scale=None)


@law(
    inputs={"C": FLOPS},
    response=ANSWER_NLL,
    priors={"A": term("C", "alpha", median=1.0, spread=0.5), "alpha": exponent(median=0.1)},
    linear=("A",),
    falls=("C",),
    source=Ours(inspired_by="Schaeffer et al. 2024, arXiv 2406.04391"),
    topic="downstream",
)
def mc_nll(C, *, A, alpha):
    """L(C) = A / C^alpha, in nats an answer, over the vocabulary; p_vocab = exp(-L).

    Fit it once to the correct answers and once, with columns={"nll_correct": ...}, to the incorrect ones:
    mc_transform_chain takes both.
    """
    return A / C**alpha + 0.0
