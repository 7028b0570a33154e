"""How much a wrong learning rate costs, as a power of the model size."""

import numpyro.distributions as dist

from jaxscale.law import PARAMS, Ours, Response, law, term


@law(
    inputs={"N": PARAMS},
    response=Response("lr_sensitivity", "nats/token", "learning-rate sensitivity", scale=None),
    # some interventions take the growth away, so p may have either sign
    priors={"c": term({"N": "-p"}, median=1.0), "p": dist.Normal(0.2, 0.4)},
    linear=("c",),
    source=Ours("Wortsman et al. 2023, arXiv 2309.14322"),
    decides="whether a recipe is stable at N",
    topic="learning rate",
)
def lr_sensitivity(N, *, c, p):
    """LRS(N) = c N^p, the mean over learning rates of min(loss, loss at initialisation) - best loss.

    The rates are 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1 and 3e-1, for N parameters; one fit for each intervention. The
    measure is the paper's, the power law is ours: there the sensitivity is seen to rise with N, faster in width.
    """
    return c * N**p
