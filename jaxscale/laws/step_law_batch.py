"""Step Law: the best batch size in tokens."""

from jaxscale.law import TOKENS, Paper, Response, exponent, law, preset, term


@law(
    inputs={"D": TOKENS},
    response=Response("batch_size_tokens", "tokens", "batch size", scale=None),
    priors={"k": term({"D": "-b"}, median=1.0), "b": exponent(median=0.5, spread=0.5)},
    linear=("k",),
    rises=("D",),
    source=Paper("Li et al. 2025", arxiv="2503.04715"),
    published={
        "li2025": preset(k=0.58, b=0.571, note="rounded, as printed"),
        "li2025_bootstrap": preset(
            "recomputed", k=0.5807, b=0.5709, note="means of the repository's 1000 resamples, of ln k"
        ),
    },
    decides="the batch size",
    topic="learning rate",
)
def step_law_batch(D, *, k, b):
    """B(D) = k D^b, the batch size in tokens that minimises the final loss, for D training tokens.

    It does not depend on the number of parameters. The learning rate is `step_law`.
    """
    return k * D**b
