"""Task accuracy as a sigmoid of task loss: the second step of Llama 3's and OLMo's predictions."""

from dataclasses import replace

import jax

from jaxscale.law import SCORE, Paper, Variable, between, law, relative, share
from jaxscale.variables import NATS

TASK_LOSS = Variable("loss", "nats", "loss of the task's answers", NATS, span=(0.05, 20.0))


@law(
    inputs={"L": TASK_LOSS},
    response=SCORE,
    priors={
        "a": replace(between("b", 0.0, spread=1.2), sign=-1.0),
        "k": relative("L", -1.0, median=5.0, spread=0.7),
        "L0": relative("L", spread=0.5),
        "b": share(0.9, 1.0),
    },
    falls=("L",),
    source=Paper("Bhagia et al. 2024, after Llama 3", arxiv="2412.04403"),
    topic="downstream",
    after="chinchilla",
)
def task_two_step_sigmoid(L, *, a, k, L0, b):
    """acc(L) = a / (1 + exp(-k (L - L0))) + b, with -b < a < 0 < k.

    L is the loss of the correct answers per token, character or byte, as the first step has it; b is the accuracy at
    no loss and a + b that of guessing. The papers fit it a task; coefficients were not published.
    """
    return a * jax.nn.sigmoid(k * (L - L0)) + b
