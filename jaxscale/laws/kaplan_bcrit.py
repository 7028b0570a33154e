"""Kaplan: the critical batch size as a power of the loss reached."""

from jaxscale.law import Paper, Response, Variable, law, positive, preset, term

REACHED = Variable("loss", "nats/token", "loss")
CRITICAL_BATCH = Response("critical_batch", "tokens", "critical batch size", scale=None)


@law(
    inputs={"L": REACHED},
    response=CRITICAL_BATCH,
    # the usual 1 / aB in place of the parameter: which loss is the centre matters little beside the spread
    priors={"Bstar": term("L", 1 / 0.21, median=1.0, spread=1.5), "aB": positive(0.21, 0.5)},
    linear=("Bstar",),
    falls=("L",),
    source=Paper("Kaplan et al. 2020", arxiv="2001.08361"),
    published={"kaplan2020": preset("secondary", "WebText2", Bstar=2.1e8, aB=0.21)},
    decides="B",
    topic="learning rate",
)
def kaplan_bcrit(L, *, Bstar, aB):
    """B_crit(L) = Bstar / L^(1/aB), in tokens, for a loss L in nats per token.

    At this batch a run takes twice the fewest steps and twice the fewest tokens.
    """
    return Bstar / L ** (1.0 / aB)
