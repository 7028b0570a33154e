"""Critical mixture ratio: loss against the share of domain text at a fixed amount of training."""

from numpyro import distributions as dist

from jaxscale.law import Response, Variable, floor, law
from jaxscale.laws.cmr_domain import CMR
from jaxscale.priors import Prior
from jaxscale.variables import NATS

RATIO = Variable("domain_share", "share", "share of domain text in the mixture", span=(1e-3, 1.0))
# real-valued: with a < 0 the formula has no lower end
EITHER = Response("loss", "nats/token", "loss", support="real", on="raw", units=NATS)


@law(
    inputs={"R": RATIO},
    response=EITHER,
    priors={
        "a": Prior(dist.Normal(-0.3, 0.4), "real", powers={"R": "-s"}),
        "s": dist.Normal(0.2, 0.2),
        "b": floor(3.0),
    },
    linear=("b",),
    source=CMR,
    decides="R",
    topic="continual pre-training",
)
def cmr_ratio(R, *, a, s, b):
    """L(R) = a R^s + b, in nats per token, for a share R > 0 of domain text.

    Of the domain or of general text, at a fixed number of tokens. a and s may have either sign; as a rule a < 0 < s
    for the domain, whose loss falls in R.
    """
    return a * R**s + b
