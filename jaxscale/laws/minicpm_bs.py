"""MiniCPM: the best batch size as a power of the loss."""

from jaxscale.law import Paper, Response, Variable, exponent, law, preset, term

REACHED = Variable("loss", "nats/token", "loss")
BEST_BATCH = Response("optimal_batch_tokens", "tokens", "tokens of the best batch", scale=None)


@law(
    inputs={"L": REACHED},
    response=BEST_BATCH,
    priors={"c": term("L", "p", median=1.0, spread=1.5), "p": exponent(median=5.0, spread=0.4)},
    linear=("c",),
    falls=("L",),
    source=Paper("Hu et al. 2024", arxiv="2404.06395"),
    published={"hu2024": preset(c=1.21e9, p=6.24, note="loss on C4")},
    decides="B",
    topic="learning rate",
)
def minicpm_bs(L, *, c, p):
    """bs(L) = c / L^p, in tokens, for the loss L on C4 that training is to reach.

    The same form as Kaplan's critical batch with p = 1 / aB, of the best batch instead.
    """
    return c / L**p
