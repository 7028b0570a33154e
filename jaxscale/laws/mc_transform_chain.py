"""Multiple choice, last stages: from probabilities of correct and incorrect answers to accuracy."""

from dataclasses import replace

import jax
import numpy as np

from jaxscale.law import SCORE, Ours, Variable, law, positive

CORRECT = Variable("nll_correct", "nats", "mean negative log-probability of the correct answer", span=(0.01, 300.0))
INCORRECT = Variable(
    "nll_incorrect", "nats", "mean negative logarithm of the incorrect answers' summed probability", span=(0.01, 300.0)
)


@law(
    inputs={"L": CORRECT, "W": INCORRECT},
    response=SCORE,
    priors={"s": positive(2.0, 0.7), "t": replace(positive(0.6, 0.6), sign=-1.0)},
    falls=("L",),
    rises=("W",),
    source=Ours(inspired_by="Schaeffer et al. 2024, arXiv 2406.04391"),
    topic="downstream",
    after="mc_nll",
)
def mc_transform_chain(L, W, *, s, t):
    """Acc(L, W) = 1 / (1 + exp((t + L - W) / s)), the share of questions whose log odds W - L exceed t < 0.

    Of one question p_vocab = exp(-L), p_choices = 1 / (1 + exp(L - W)), and it is answered where the correct choice is
    the largest: for certain at log odds 0, never below -ln(K - 1) of K choices, so t lies between. Over questions the
    log odds scatter logistically with scale s about their mean. Compute moves W too: that is why accuracy is harder to
    foresee than L.
    """
    return jax.nn.sigmoid((W - L - t) / s)


def share_of_choices(nll: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """p_choices of the correct answer, (questions,); nll is (questions, choices), correct (questions,) places."""
    log_p = -(nll - nll.min(axis=1, keepdims=True))
    p = np.exp(log_p)
    return p[np.arange(len(p)), correct] / p.sum(axis=1)
