"""Critical mixture ratio: the largest share of domain text that keeps the general loss."""

from numpyro import distributions as dist

from jaxscale.law import Response, law, preset
from jaxscale.laws.cmr_domain import CMR, TRAINED
from jaxscale.priors import Prior

CRITICAL = Response("critical_ratio", "share", "critical share of domain text", support="real", on="raw")


@law(
    inputs={"T": TRAINED},
    response=CRITICAL,
    priors={
        "a": Prior(dist.Normal(0.0, 1.0), "real", powers={"T": "-s"}),
        "s": dist.Normal(0.0, 0.4),
        "b": dist.Normal(0.0, 1.0),
    },
    source=CMR,
    published={
        "460m": preset(a=0.22524761, s=0.26944345, b=-0.48139982),
        "940m": preset(a=0.7520627, s=0.13720245, b=-1.06581937),
        "1.6b": preset(a=-2.36384831, s=-0.15125569, b=1.59223649),
        "3.1b": preset(a=-2.5368197, s=-0.42071423, b=0.84375368),
    },
    decides="R",
    topic="continual pre-training",
)
def cmr(T, *, a, s, b):
    """R(T) = a T^s + b: the largest share of domain text with which general loss rises by at most 0.05 nats per token.

    T counts tokens in units of 0.2 billion: T = 100 is 20 billion. Where R is not positive no share will do. The
    sign of s changes with the model's size, so the law cannot be carried to other sizes.
    """
    return a * T**s + b
