"""Distillation: loss of a student from its size, its tokens and its teacher's loss."""

import jax
import jax.numpy as jnp

from jaxscale.law import LOSS, PARAMS, TOKENS, Paper, Variable, exponent, floor, law, log, positive, preset, term

TEACHER_LOSS = Variable("teacher_loss", "nats/token", "loss of the teacher", span=(1.2, 4.0))


@law(
    inputs={"N_S": PARAMS, "D_S": TOKENS, "L_T": TEACHER_LOSS},
    response=LOSS,
    priors={
        "E": floor(),
        "A": term("N_S", "alpha"),
        "alpha": exponent(median=0.4),
        "B": term("D_S", "beta"),
        "beta": exponent(median=0.4),
        "gamma": positive(0.5, 0.3),
        "A_d": term("N_S", "alpha_d"),
        "alpha_d": exponent(),
        "B_d": term("D_S", "beta_d"),
        "beta_d": exponent(median=0.5),
        "gamma_d": positive(0.7, 0.3),
        "c0": positive(2.5, 0.3),
        "c1": positive(300.0, 1.0),
        "f1": positive(0.1, 0.5),
        "d1": positive(1.3, 0.15),
    },
    source=Paper("Busbridge et al. 2025", arxiv="2502.08606"),
    published={
        "busbridge2025": preset(
            E=1.220, A=3355.0, alpha=0.408, B=18186.0, beta=0.431, gamma=0.452,
            A_d=2243.0, alpha_d=0.321, B_d=24181.0, beta_d=0.637, gamma_d=0.764,
            c0=2.549, c1=522.6, f1=0.090, d1=1.315,
            note="table 6: supervised part of 73 runs, distilled part of 697",
        )
    },
    decides="N_S, D_S, L_T",
    topic="distillation",
)  # fmt: skip
def distillation_busbridge(
    N_S, D_S, L_T, *, E, A, alpha, B, beta, gamma, A_d, alpha_d, B_d, beta_d, gamma_d, c0, c1, f1, d1
):
    """L_S(N_S, D_S, L_T) = L_T + L_T^-c0 (1 + (L_T / (d1 L))^(1/f1))^(-c1 f1) (A_d / N_S^alpha_d + B_d / D_S^beta_d)^gamma_d, L = E + (A / N_S^alpha + B / D_S^beta)^gamma.

    In nats per token; N_S counts all the student's parameters, D_S the tokens it learns from, and L is what it would
    reach without a teacher. The paper fits L to supervised runs first (coupled) and holds it: give those
    six as numbers in `priors`, for distilled runs alone hardly fix them.
    """  # noqa: E501
    alone = E + (A / N_S**alpha + B / D_S**beta + 0.0) ** gamma
    weak_teacher = jax.nn.softplus((log(L_T) - jnp.log(d1 * alone)) / f1)
    gap = jnp.exp(-c0 * log(L_T) - c1 * f1 * weak_teacher)
    return L_T + gap * (A_d / N_S**alpha_d + B_d / D_S**beta_d + 0.0) ** gamma_d


def training_flops(N_S, D_S, N_T=0.0, logit_tokens=0.0, pretraining_tokens=0.0):
    """3 F(N_S) D_S + F(N_T) (logits + 3 pre-training), with F = 2 N FLOP a token; zeros where the teacher is free."""
    return 6.0 * N_S * D_S + 2.0 * N_T * (logit_tokens + 3.0 * pretraining_tokens)
