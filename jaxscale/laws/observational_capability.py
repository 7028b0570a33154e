"""Observational scaling: a benchmark's score as a sigmoid of capability scores."""

import jax
import numpyro.distributions as dist

from jaxscale.law import SCORE, Law, Paper, Variable, family, law, share


def _component(j: int) -> Variable:
    return Variable(f"capability_{j}", "", f"principal component {j} of benchmark scores", axis="raw", span=(-4.0, 4.0))


@family("principal components", 3)
def observational_capability(components: int) -> Law:
    """The law of this many capability scores."""
    places = range(1, components + 1)
    weights = [f"beta{j}" for j in places]

    def formula(*S, h, alpha, **beta):
        return h * jax.nn.sigmoid(sum((beta[w] * s for w, s in zip(weights, S, strict=True)), start=alpha))

    parts = " + ".join(f"beta{j} S{j}" for j in places)
    formula.__doc__ = f"""E({", ".join(f"S{j}" for j in places)}) = h sigma({parts} + alpha).

    S1, S2, ... are principal components of the standardised scores of many models; their signs are arbitrary. h is
    the best score, 1 where the benchmark has no wrong labels.
    """
    return law(
        inputs={f"S{j}": _component(j) for j in places},
        response=SCORE,
        priors={
            "h": share(0.95, 1.0),
            "alpha": dist.Normal(0.0, 1.5),
            **{w: dist.Normal(0.0, 1.0) for w in weights},
        },
        source=Paper("Ruan et al. 2024", arxiv="2405.10938"),
        topic="downstream",
        after="capability_log_compute",
        name="observational_capability" if components == 3 else f"observational_capability:{components}",
    )(formula)
