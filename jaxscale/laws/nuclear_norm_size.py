"""Matrix nuclear norm: a line in the logarithm of model size."""

import numpyro.distributions as dist

from jaxscale.law import PARAMS, Ours, Response, law, log, term

NORM = Response("nuclear_norm", "", "matrix nuclear-norm metric", support="real", on="raw", scale=None)


@law(
    inputs={"N": PARAMS.counted_in(1e9, "billion parameters")},
    response=NORM,
    priors={"a": term({}, median=1.0, spread=0.5), "b": term({}).with_dist(dist.Normal(0.1, 0.1))},
    linear=("a", "b"),
    source=Ours("Large Language Model Evaluation via Matrix Nuclear-Norm, 2024, arXiv 2410.10672"),
    topic="other",
    fixed_units=True,
)
def nuclear_norm_size(N, *, a, b):
    """y(N) = a - b ln N, with N in billions of parameters.

    It describes one family of models at one input length, and no more: group by both.
    """
    return a - b * log(N)
