"""Step Law: the best peak learning rate in parameters and tokens."""

import numpyro.distributions as dist

from jaxscale.law import PARAMS, TOKENS, Paper, Response, law, preset, term


@law(
    inputs={"N": PARAMS, "D": TOKENS},
    response=Response("lr", "", "peak learning rate", scale=None),
    priors={
        "k": term({"N": "-a", "D": "-b"}, median=1.0),
        # both signs: papers disagree on that of b
        "a": dist.Normal(-0.4, 0.4),
        "b": dist.Normal(0.0, 0.4),
    },
    linear=("k",),
    source=Paper("Li et al. 2025", arxiv="2503.04715"),
    published={
        "li2025": preset(k=1.79, a=-0.713, b=0.307, note="rounded, as printed"),
        "li2025_bootstrap": preset(
            "recomputed", k=1.7973, a=-0.7129, b=0.3075, note="means of the repository's 1000 resamples, of ln k"
        ),
    },
    decides="the peak learning rate",
    topic="learning rate",
)
def step_law(N, D, *, k, a, b):
    """lr(N, D) = k N^a D^b, the peak learning rate that minimises the final loss.

    N counts parameters without the vocabulary's, D training tokens; the schedule is a cosine to 1e-5. The batch
    size is `step_law_batch`. The sign of b is not settled: other papers have a rate that falls with D.
    """
    return k * N**a * D**b
