"""Knowledge capacity: bits a parameter stores, by how often each fact was seen."""

import numpy as np
from jax import numpy as jnp
from scipy.optimize import root_scalar

from jaxscale.law import Ours, Response, Variable, law, positive, relative

EXPOSURES = Variable("exposures", "times", "times that each fact is seen in training", span=(1.0, 1e5))
BITS_PER_PARAM = Response("bits_per_param", "bits/parameter", "knowledge stored", better="higher")


@law(
    inputs={"e": EXPOSURES},
    response=BITS_PER_PARAM,
    priors={"Rinf": positive(2.0, 0.4), "e0": relative("e", median=0.7, spread=1.0), "p": positive(0.8, 0.4)},
    linear=("Rinf",),
    rises=("e",),
    source=Ours("Allen-Zhu & Li 2024, Physics of Language Models part 3.3, arXiv 2404.05405"),
    decides="exposures for a target capacity",
    topic="data",
)
def knowledge_capacity(e, *, Rinf, e0, p):
    """R(e) = Rinf (1 - exp(-(e / e0)^p)), in bits per parameter after e exposures of each fact.

    The paper has no form in exposures. It measures at least 1 bit after 100 exposures and 2 after 1000, and never
    more than 2.3; parameters leave out rows of the embedding that are not used. Weights in int8 hold as much, in int4
    0.7 bits. A data set gives no more than it holds: see `learned_bits`.
    """
    return Rinf * -jnp.expm1(-jnp.asarray((e / e0) ** p))


def learned_bits(bits_per_param, params, dataset_bits):
    """What a model of this capacity knows of a data set, in bits."""
    return np.minimum(np.asarray(bits_per_param) * params, dataset_bits)


def through_measured(p):
    """Rinf and e0 of the curve of this p through 1 bit after 100 exposures and 2 bits after 1000.

    Rinf is above 2.3, the most that was measured, where p is below 0.553.
    """
    # x = (100 / e0)^p; beyond ln 2 the first point is above half the ceiling, and the second cannot be twice it
    x = root_scalar(lambda x: 2.0 * np.expm1(-x) - np.expm1(-x * 10.0**p), bracket=(1e-9, np.log(2.0))).root
    return {"Rinf": float(-1.0 / np.expm1(-x)), "e0": float(100.0 * x ** (-1.0 / p)), "p": p}
