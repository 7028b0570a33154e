"""Critical mixture ratio: change of the domain's loss in continual pre-training at a fixed mixture."""

from numpyro import distributions as dist

from jaxscale.law import TOKENS, Paper, Response, law
from jaxscale.priors import Prior

CMR = Paper("Gu et al. 2024", arxiv="2407.17467")
TRAINED = TOKENS.counted_in(2e8, "0.2 billion tokens")
CHANGE = Response("loss_change", "nats/token", "loss minus that before training", support="real", on="raw")


@law(
    inputs={"T": TRAINED},
    response=CHANGE,
    priors={
        "a": Prior(dist.Normal(0.0, 0.5), "real", powers={"T": "-s"}),
        "s": dist.Normal(0.0, 0.4),
        "b": dist.Normal(0.0, 0.5),
    },
    source=CMR,
    decides="T",
    topic="continual pre-training",
)
def cmr_domain(T, *, a, s, b):
    """dL(T) = a T^s + b, in nats per token: the change of the domain's loss at a fixed mixture ratio.

    T counts tokens in units of 0.2 billion. a and s may have either sign.
    """
    return a * T**s + b
