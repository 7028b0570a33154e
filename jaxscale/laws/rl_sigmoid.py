"""ScaleRL: pass rate as a sigmoid of compute, from an initial rate to a ceiling."""

from jaxscale.law import COMPUTE, SCORE, Paper, between, exponent, law, preset, relative, share

TABLE = "R0 is measured and not published"


@law(
    inputs={"C": COMPUTE},
    response=SCORE,
    priors={
        "R0": share(centre=0.1),
        "A": between("R0"),
        "Cmid": relative("C"),
        "B": exponent(median=1.5),
    },
    linear=(),
    rises=("C",),
    source=Paper("Khatri et al. 2025", arxiv="2510.13786", where="eq. 1"),
    published={
        "scalerl_8b": preset("secondary", TABLE, Cmid=2542.0, B=1.92, A=0.610),
        "scalerl_8b_32k": preset("secondary", TABLE, Cmid=11272.0, B=1.89, A=0.645),
        "scalerl_8b_batch512": preset("secondary", TABLE, Cmid=2818.0, B=1.77, A=0.605),
        "scalerl_8b_batch2048": preset("secondary", TABLE, Cmid=10909.0, B=1.70, A=0.645),
        "scalerl_scout": preset("secondary", TABLE, Cmid=4242.0, B=1.65, A=0.710),
    },
    decides="C for a target score",
    topic="reinforcement learning",
)
def rl_sigmoid(C, *, R0, A, Cmid, B):
    """R(C) = R0 + (A - R0) / (1 + (Cmid / C)^B), for compute C in GPU-hours."""
    return R0 + (A - R0) / (1.0 + (Cmid / C) ** B)
