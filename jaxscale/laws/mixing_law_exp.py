"""Data mixing law: a domain's loss is a floor and an exponential of the mixture's shares."""

import numpyro.distributions as dist
from jax import numpy as jnp

from jaxscale.law import LOSS, Law, Paper, Variable, family, floor, law, preset

NOTEBOOK = "two domains of the Pile, from the authors' notebook, in its order: exp(kappa r + b) above a floor"


def _two(kappa: float, b: float):
    """exp(kappa r1 + b) on the simplex of two shares: b = b (r1 + r2)."""
    return preset("verified", NOTEBOOK, k=1.0, t1=kappa + b, t2=b)


TWO_DOMAINS = {
    "pile_70m_1": _two(-2.438, -0.598),
    "pile_70m_2": _two(-1.547, -0.651),
    "pile_70m_3": _two(-1.641, -0.682),
    "pile_70m_4": _two(-2.904, -0.533),
    "pile_70m_5": _two(-2.296, -0.586),
    "pile_70m_6": _two(-2.519, -0.626),
    "pile_160m_1": _two(-3.665, -0.184),
    "pile_160m_2": _two(-1.685, -0.753),
}


@family("domains", 3)
def mixing_law_exp(domains: int) -> Law:
    """The member with this many training domains."""
    shares = {
        f"r{j}": Variable(f"share_{j}", "share", f"share of domain {j} in the mixture", axis="raw", span=(0.0, 1.0))
        for j in range(1, domains + 1)
    }
    effects = [f"t{j}" for j in range(1, domains + 1)]

    def formula(*r, c, k, **t):
        return c + k * jnp.exp(sum(t[name] * share for name, share in zip(effects, r, strict=True)))

    inside = " + ".join(f"{t} {r}" for t, r in zip(effects, shares, strict=True))
    formula.__doc__ = f"""L({", ".join(shares)}) = c + k exp({inside}), in nats per token of one validation domain.

    Shares add up to 1; t_j < 0 where domain j helps. On the simplex k and a shift of all t_j are the same thing, so
    k is fixed at 1 (folded into them); free it only together with a fixed t_j. The floor c of the two-domain fits
    was not printed. For a validation set of several domains, fit each of them and add up.
    """
    return law(
        name="mixing_law_exp" if domains == 3 else f"mixing_law_exp:{domains}",
        inputs=shares,
        response=LOSS,
        priors={"c": floor(), "k": 1.0} | dict.fromkeys(effects, dist.Normal(0.0, 1.5)),
        linear=("c",),
        source=Paper("Ye et al. 2024", arxiv="2403.16952"),
        published=TWO_DOMAINS if domains == 2 else {},
        decides="the mixture",
        topic="mixture",
    )(formula)
