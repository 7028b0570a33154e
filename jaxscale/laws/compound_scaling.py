"""Compound scaling: how the activations, and so the runtime, of a network grow with its flops."""

from jaxscale.law import Paper, Response, Variable, law, preset, share, term

FLOPS_RATIO = Variable("flops_ratio", "times the base network", "flops relative to the base network")
ACTIVATIONS = Response("activations", "numbers", "activations, or runtime in any unit", scale=None)


@law(
    inputs={"s": FLOPS_RATIO},
    response=ACTIVATIONS,
    priors={"a0": term("s", -0.75, median=1.0), "alpha": share()},
    linear=("a0",),
    source=Paper("Dollár et al. 2021", arxiv="2103.06877"),
    published={"fast": preset(alpha=0.8, note="fast compound scaling; a0 is that of the base network")},
    decides="depth, width, resolution",
    topic="vision",
)
def compound_scaling(s, *, a0, alpha):
    """a(s) = a0 s^(1 - alpha / 2), the activations of a convolutional network with s times the flops.

    Activations, not flops, drive the runtime, nearly in proportion. alpha is the share of the flops that go into
    width: 1 is width alone, s^0.5; see `multipliers`.
    """
    return a0 * s ** (1.0 - 0.5 * alpha)


def multipliers(s, alpha=0.8):
    """Factors of depth d, width w and resolution r that make s times the flops, d w^2 r^2.

    Parameters grow as d w^2, activations as d w r^2.
    """
    return s ** ((1.0 - alpha) / 2.0), s ** (alpha / 2.0), s ** ((1.0 - alpha) / 4.0)
