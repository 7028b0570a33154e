"""CLIP: zero-shot error as a power of training compute."""

from jaxscale.law import Paper, Response, Variable, exponent, law, preset, term

GMACS = Variable("gmacs_total", "GMAC", "forward multiply-adds of a sample times samples seen")
ERROR = Response("error", "share", "1 - accuracy, or 1 - recall at 5")
BINNED = "the repository's results: lowest error in each of five bins of log compute, line through the bin centres"
THREE = "the repository's results: line through the three OpenAI models"


@law(
    inputs={"C": GMACS},
    response=ERROR,
    priors={"beta": term("C", "-alpha"), "alpha": exponent(median=0.1, sign=-1.0)},
    linear=("beta",),
    falls=("C",),
    source=Paper("Cherti et al. 2022", arxiv="2212.07143"),
    published={
        "imagenet_openclip": preset("recomputed", BINNED, beta=5.858, alpha=-0.1114),
        "imagenet_openai": preset("recomputed", THREE, beta=23.18, alpha=-0.1638),
        "robustness_openclip": preset("recomputed", BINNED, beta=11.61, alpha=-0.1255),
        "robustness_openai": preset("recomputed", THREE, beta=211.7, alpha=-0.2378),
        "coco_openclip": preset("recomputed", BINNED, beta=2.750, alpha=-0.0794),
        "coco_openai": preset("recomputed", THREE, beta=1.589, alpha=-0.0508),
        "flickr_openclip": preset("recomputed", BINNED, beta=15.51, alpha=-0.1892),
        "flickr_openai": preset("recomputed", THREE, beta=2.208, alpha=-0.1028),
    },
    decides="C",
    topic="vision",
)
def clip_power(C, *, beta, alpha):
    """E(C) = beta C^alpha, with alpha < 0 and C in GMAC per sample times samples seen.

    The error is a share; ImageNet and its robustness sets by top-1, COCO and Flickr by image retrieval at 5. A law of
    the frontier: fit it to the best run of each compute, not to all runs.
    """
    return beta * C**alpha
