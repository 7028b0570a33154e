"""Model merging: a floor that falls with the base model and a tail that falls with the experts merged."""

from jaxscale.law import LOSS, PARAMS, Paper, Variable, exponent, floor, law, positive, term

EXPERTS = Variable("experts", "experts", "expert models merged", span=(1.0, 64.0))


@law(
    inputs={"N": PARAMS.counted_in(1e9, "billion parameters"), "k": EXPERTS},
    response=LOSS,
    priors={
        "Ls": floor(),
        "B": term("N", "beta"),
        "beta": exponent(),
        "A0": term("N", "gamma", median=0.3),
        "gamma": exponent(),
        "b": positive(median=0.5, spread=0.7),
    },
    linear=("Ls", "B", "A0"),
    falls=("N", "k"),
    source=Paper("Model Merging Scaling Laws, 2025", arxiv="2509.24244"),
    decides="N, k",
    topic="merging",
)
def merging_floor_tail(N, k, *, Ls, B, beta, A0, gamma, b):
    """L(N, k) = Ls + B N^-beta + A0 N^-gamma / (k + b), in nats per token, for k experts of N billion parameters.

    The mean over choices of k experts, which scatter as 1 / sqrt(k): weight runs by k. Coefficients were not found.
    """
    return Ls + B * N**-beta + A0 * N**-gamma / (k + b)
