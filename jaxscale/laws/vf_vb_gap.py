"""What verification is worth: the gap between verifier-based and verifier-free methods in the token budget."""

import numpyro.distributions as dist

from jaxscale.law import Ours, Response, Variable, law, term
from jaxscale.priors import Prior
from jaxscale.variables import COUNT

BUDGET = Variable("output_tokens", "tokens", "output tokens a problem may take", COUNT)
GAP = Response("gap", "share", "score with a verifier less that without", support="real", on="raw", better="higher")


@law(
    inputs={"H": BUDGET},
    response=GAP,
    priors={
        "c0": Prior(dist.Normal(0.0, 0.3), "real", scaled=True),
        "c1": term({"H": "-g"}, median=0.1),
        "g": dist.Normal(0.5, 0.3),
    },
    linear=("c0", "c1"),
    source=Ours(inspired_by="Setlur et al. 2025, arXiv 2502.12118, where the gap grows as sqrt(H) up to logarithms"),
    topic="inference",
)
def vf_vb_gap(H, *, c0, c1, g):
    """gap(H) = c0 + c1 H^g, for H output tokens a problem.

    The theory has g = 1/2, for data that grow with H and base models whose answers differ in quality; ask whether
    g > 0. Near g = 0 only c0 + c1 is known.
    """
    return c0 + c1 * H**g
