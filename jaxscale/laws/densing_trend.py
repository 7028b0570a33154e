"""Densing law: the best capability density of open models grows exponentially in time."""

import numpy as np
import numpyro.distributions as dist

from jaxscale.law import Paper, Response, Variable, law, preset

DAYS = Variable("days", "days", "days since the release of Llama 1, 2023-02-24", axis="raw", span=(0.0, 1000.0))
LOG_DENSITY = Response("log_density", "", "logarithm of capability density", support="real", on="raw", noise="normal")


@law(
    inputs={"t": DAYS},
    response=LOG_DENSITY,
    priors={"A": dist.Normal(0.0, 0.01), "B": dist.Normal(0.0, 2.0)},
    linear=("A", "B"),
    source=Paper("Xiao et al. 2024", arxiv="2412.04315"),
    published={
        "xiao2024": preset(A=0.0073, note="the text's slope, R2 = 0.912; B is not published"),
        "xiao2024_figure_1": preset(A=0.007, note="R2 about 0.93"),
        "xiao2024_before_chatgpt": preset(A=0.0048, note="MMLU, models before ChatGPT"),
    },
    topic="downstream",
)
def densing_trend(t, *, A, B):
    """ln rho(t) = A t + B, for t days since 2023-02-24.

    rho is a model's effective over its true size (see densing_two_step). The paper's line is that of the densest
    models: give only models that were denser than all before them, or it becomes the line of the average.
    """
    return A * t + B


def doubling_days(A: float, *others: float) -> float:
    """Days in which density doubles; with `others`, doubling times in days of what multiplies it, such as chips."""
    return 1.0 / (A / np.log(2.0) + sum(1.0 / days for days in others))
