"""Vocabulary: the unigram-normalised loss in non-vocabulary parameters, vocabulary and tokens."""

import numpy as np
from scipy.optimize import root_scalar

from jaxscale.law import TOKENS, Paper, Response, Variable, exponent, law, positive, preset, term
from jaxscale.variables import COUNT

BODY = Variable("params_non_vocab", "parameters", "parameters outside the vocabulary", COUNT, span=(1e3, 1e14))
TABLE = Variable("params_vocab", "parameters", "parameters of the vocabulary", COUNT, span=(1e3, 1e13))
UNIGRAM_LOSS = Response("loss_u", "nats/token", "loss less the unigram model's", support="real", on="raw")


@law(
    inputs={
        "Nnv": BODY.counted_in(1e6, "million parameters"),
        "Nv": TABLE.counted_in(1e6, "million parameters"),
        "D": TOKENS.counted_in(1e9, "billion tokens"),
    },
    response=UNIGRAM_LOSS,
    priors={
        "E": positive(5.0, 0.4),
        "A1": term("Nnv", "beta"),
        "A2": term("Nv", "alpha2"),
        "alpha2": exponent(median=0.6),
        "B": term("D", "beta"),
        "beta": exponent(median=0.4),
    },
    linear=("E", "A1", "A2", "B"),
    source=Paper("Tao et al. 2024", arxiv="2407.13623"),
    published={
        "vocab_published": preset(
            E=5.5327846803337435,
            A1=1.8313851559554126,
            A2=0.19584238398665638,
            alpha2=0.6707374679896795,
            B=2.1241123120064955,
            beta=0.44660634152009615,
            note="fitted with tokens per character of V / 1000, a slip of units: D is H tokens_per_character(V / 1000)",
        ),
        "vocab_corrected": preset(
            "recomputed",
            E=5.5369,
            A1=1.9035,
            A2=0.12865,
            alpha2=1.0588,
            B=1.3313,
            beta=0.43979,
            note="refitted with tokens per character of V; the best vocabulary of 70B falls from 218k to 66k",
        ),
    },
    decides="Nv, D",
    active=lambda at: at["params_non_vocab"] + at["params_vocab"],
    topic="architecture",
)
def vocab(Nnv, Nv, D, *, E, A1, A2, alpha2, B, beta):
    """L(Nnv, Nv, D) = -E + A1 / Nnv^beta + A2 / Nv^alpha2 + B / D^beta, negative, in nats per token.

    Nnv in millions, D in billions; Nv = V d in millions, for V entries of d numbers. In tables d follows Nnv, so that
    V and d could not be told apart. The loss of the unigram model is taken off, so that vocabularies compare. D counts
    tokens: of H characters, H tokens_per_character(V).
    """
    return -E + A1 / Nnv**beta + A2 / Nv**alpha2 + B / D**beta


def tokens_per_character(vocab_size):
    """The paper's parabola in the logarithm of the vocabulary size (entries, not thousands), flat beyond 200 000."""
    log_size = np.log(np.minimum(vocab_size, 2e5))
    return 0.00639222 * log_size**2 - 0.15811069 * log_size + 1.20470122


def best_vocabulary(params_non_vocab, embed_dim, flops, coefficients):
    """Entries of the lowest loss where C = 6 (Nnv + V d) D pays for vocabulary and tokens; arguments in raw counts."""
    p, body, width, budget = coefficients, params_non_vocab / 1e6, embed_dim / 1e3, flops / 6e15

    def slope(log_size):  # of the loss in log V
        table = np.exp(log_size) * width
        tokens = budget / (body + table)
        return p["beta"] * p["B"] * tokens ** -p["beta"] * table / (body + table) - (
            p["alpha2"] * p["A2"] * table ** -p["alpha2"]
        )

    return 1e3 * float(np.exp(root_scalar(slope, bracket=(np.log(1e-3), np.log(1e6)), xtol=1e-13).root))
