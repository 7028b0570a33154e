"""Retrieval: perplexity or score in the logarithm of the datastore's size."""

import numpyro.distributions as dist

from jaxscale.law import Ours, Response, Variable, law, log, positive, term

STORE = Variable("datastore_tokens", "billion tokens", "tokens in the datastore", axis="raw", span=(0.0, 2e12), per=1e9)
RESULT = Response("result", "", "perplexity, or a score", support="real", on="raw", scale=None)


@law(
    inputs={"S": STORE},
    response=RESULT,
    priors={
        "a": term({}, median=1.0, spread=0.7),
        "b": term({}).with_dist(dist.Normal(0.0, 0.1)),
        "S0": positive(median=1.0, spread=2.0),
    },
    linear=("a", "b"),
    source=Ours("Shao et al. 2024, arXiv 2407.12854"),
    decides="S",
    topic="inference",
)
def datastore_loglinear(S, *, a, b, S0):
    """y(S) = a - b ln(1 + S / S0), for a datastore of S billion tokens; S = 0 is the language model alone.

    b > 0 for perplexity and b < 0 for a score; a and b are one model's, so group by model. The paper draws curves and
    gives no formula. `flops` is its count of compute.
    """
    return a - b * log(1.0 + S / S0)


def flops(params, tokens, datastore_tokens, retriever_params=177e6):
    """Compute of training the language model and of embedding the datastore; a flat index adds none."""
    return 6.0 * params * tokens + 2.0 * retriever_params * datastore_tokens
