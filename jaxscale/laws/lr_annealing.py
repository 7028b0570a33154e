"""Loss along a run from two areas under its learning-rate schedule: what was stepped and what was annealed."""

from jaxscale.law import LOSS, Paper, Variable, between, exponent, floor, law, preset, share, term

FORWARD = Variable("forward_area", "", "sum of learning rates, the warm-up at its peak")
ANNEALED = Variable(
    "annealing_area", "", "sum of the momentum of learning-rate decay, lambda = 0.999", axis="raw", span=(0.0, 1.0)
)
DEMO = "the script's demo data, peak 2e-4, 20 000 steps; lambda = 0.999"
CURVES = "three curves of the multi-power data, peak 3e-4; S1 is the column lr_sum, the warm-up at its own rate"


@law(
    inputs={"S1": FORWARD, "S2": ANNEALED},
    response=LOSS,
    priors={
        "L0": floor(),
        "A": term("S1", "alpha"),
        "alpha": exponent(median=0.5),
        # from 0 to L0, about a seventh of it: no loss is negative where S2 < 1
        "C": between("L0", 0.0).with_dist(share(centre=0.85, spread=1.5).dist),
    },
    linear=("L0", "A"),
    falls=("S1", "S2"),
    source=Paper("Tissue et al. 2024", arxiv="2408.11029"),
    published={
        "demo": preset("recomputed", DEMO, L0=2.628, A=0.430, alpha=0.550, C=0.411),
        "mpl_25m": preset("recomputed", CURVES, L0=3.176, A=0.495, alpha=0.54, C=0.399),
        "mpl_100m": preset("recomputed", CURVES, L0=2.794, A=0.587, alpha=0.46, C=0.482),
        "mpl_400m": preset("recomputed", CURVES, L0=2.524, A=0.654, alpha=0.42, C=0.569),
    },
    decides="the schedule",
    topic="learning rate",
)
def lr_annealing(S1, S2, *, L0, A, alpha, C):
    """L = L0 + A / S1^alpha - C S2, in nats per token.

    S1 and S2 come from `jaxscale.schedules.prepare`: S1 sums the learning rates, S2 the momentum m_i =
    lambda m_(i-1) + lr_(i-1) - lr_i. The warm-up counts with the peak learning rate in both, as in the authors'
    script, unlike in `multi_power`. C is proportional to 1 - lambda and holds for that lambda only. The prior lets C
    reach L0; where a lambda below 0.999 or a small peak makes S2 tiny, give it another, such as
    priors={"C": positive(4.0, 1.0)}.
    """
    return L0 + A / S1**alpha - C * S2
