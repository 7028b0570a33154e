"""Critical mixture ratio: change of the general loss in continual pre-training, which rises and then falls."""

from numpyro import distributions as dist

from jaxscale.law import exponent, law, term
from jaxscale.laws.cmr_domain import CHANGE, CMR, TRAINED


@law(
    inputs={"T": TRAINED},
    response=CHANGE,
    priors={
        "a2": term("T", "-s2", median=0.3),
        "s2": exponent(median=0.15, spread=0.5),
        "a3": term("T", "-s3", median=0.1, sign=-1.0),
        "s3": exponent(median=0.6, spread=0.4),
        "b2": dist.Normal(0.0, 0.3),
    },
    linear=("a2", "a3"),
    source=CMR,
    decides="T",
    topic="continual pre-training",
)
def cmr_general(T, *, a2, s2, a3, s3, b2):
    """dL(T) = a2 T^s2 + a3 T^s3 + b2, in nats per token: the change of the general loss at a fixed mixture ratio.

    T counts tokens in units of 0.2 billion. With a2 > 0 > a3 and as a rule s2 < s3 the loss rises at first and falls
    later; the signs are ours, since the two terms could be exchanged.
    """
    return a2 * T**s2 + a3 * T**s3 + b2
