"""Vocabulary: the best size of the embedding as a power of the rest of the model."""

import math

from jaxscale.law import Paper, Response, exponent, law, preset, term
from jaxscale.laws.vocab import BODY
from jaxscale.variables import COUNT

BEST_TABLE = Response("params_vocab", "parameters", "best vocabulary parameters", scale=None, units=COUNT)
EXPONENT, ANCHORED = 0.4163622634135234, 0.8353974035228025


@law(
    inputs={"Nnv": BODY},
    response=BEST_TABLE,
    priors={"K": term("Nnv", "-gamma", median=1.0), "gamma": exponent(median=0.8, spread=0.3)},
    linear=("K",),
    source=Paper("Tao et al. 2024", arxiv="2407.13623"),
    published={
        "approach_1": preset(
            K=math.exp(-1.589031299255507 + 2.0 * EXPONENT * 2.4846510161625193),
            gamma=2.0 * EXPONENT,
            note="Nv = exp(-1.58903) C^0.41636 where Nnv = exp(-2.48465) C^0.5",
        ),
        "approach_2": preset(
            K=3145728.0 / 33e6**ANCHORED, gamma=ANCHORED, note="through 3 145 728 vocabulary parameters at 33M others"
        ),
    },
    decides="Nv",
    topic="architecture",
)
def vocab_params(Nnv, *, K, gamma):
    """Nv(Nnv) = K Nnv^gamma, the best vocabulary parameters beside Nnv others, at the best compute for Nnv.

    Divide by the length of an embedding for the entries of the vocabulary.
    """
    return K * Nnv**gamma
