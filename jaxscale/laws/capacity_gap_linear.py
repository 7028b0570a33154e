"""Capacity gap: the best size of a teacher grows linearly with the student's."""

import numpyro.distributions as dist

from jaxscale.law import PARAMS, Paper, Response, law, preset, term
from jaxscale.priors import Prior

BEST_TEACHER = Response(
    "teacher_params", "parameters", "best size of a teacher", support="real", on="raw", noise="normal", scale=None
)


@law(
    inputs={"N_S": PARAMS},
    response=BEST_TEACHER,
    priors={
        "a": term({"N_S": -1.0}, median=1.0, spread=0.5),
        "b": Prior(dist.Normal(0.0, 0.3), "real", scaled=True),  # printed negative; small beside the teachers
    },
    linear=("a", "b"),
    rises=("N_S",),
    source=Paper("Zhang et al. 2023", arxiv="2311.07052"),
    published={
        "zhang2023": preset(
            "secondary", a=2.498, b=-11.498e6, note="printed b is -11.498, read as millions; GPT-2 and Pythia"
        )
    },
    decides="N_T for a student",
    topic="distillation",
)
def capacity_gap_linear(N_S, *, a, b):
    """N_T(N_S) = a N_S + b, the teacher's parameters at which a student of N_S parameters does best.

    Each run of the table is a student with the best of its teachers, such as the top of a parabola in ln N_T; tables
    and b are in parameters. The teacher's loss, not its size, is the cause: see distillation_busbridge, in which
    the line is that of compute-optimal teachers.
    """
    return a * N_S + b


def student_of(N_T: float, *, a: float, b: float) -> float:
    """Size of the student that a teacher of N_T parameters suits best."""
    return (N_T - b) / a
