"""Emulated fine-tuning: a score in the sizes of the pre-trained and of the fine-tuned model."""

import numpyro.distributions as dist

from jaxscale.law import Ours, Response, Variable, law, log, term

COUNT = {"1": 1.0, "K": 1e3, "M": 1e6, "B": 1e9}
BASE = Variable("pretrained_params", "billion parameters", "parameters of the pre-trained model", COUNT, 1e3, per=1e9)
TUNED = Variable("finetuned_params", "billion parameters", "parameters of the fine-tuned model", COUNT, 1e3, per=1e9)
RESULT = Response(
    "result", "", "score, such as helpfulness or factuality", support="real", on="raw", scale=None, better="higher"
)
SLOPE = term({}).with_dist(dist.Normal(0.0, 0.2))


@law(
    inputs={"Npre": BASE, "Nft": TUNED},
    response=RESULT,
    priors={"m": term({}, median=1.0, spread=0.7), "a": SLOPE, "b": SLOPE},
    linear=("m", "a", "b"),
    source=Ours("Mitchell et al. 2023, arXiv 2310.12962"),
    decides="Npre, Nft",
    topic="fine-tuning",
    fixed_units=True,
)
def eft_upscale(Npre, Nft, *, m, a, b):
    """y(Npre, Nft) = m + a ln Npre + b ln Nft, in billions of parameters.

    Emulated fine-tuning itself is a rule of decoding, which adds the fine-tuned small model's change to a large
    pre-trained model. The paper finds that b dominates helpfulness and a factuality; the line is ours.
    """
    return m + a * log(Npre) + b * log(Nft)
