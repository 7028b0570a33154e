"""RegMix: the target's loss as a linear regression on the mixture's shares."""

import numpyro.distributions as dist

from jaxscale.law import Law, Paper, Response, Variable, family, law

# a plane over the simplex may cross zero far from the runs
PLANE_LOSS = Response("loss", "nats/token", "loss of the target domain", support="real", on="raw")


@family("domains", 3)
def regmix(domains: int) -> Law:
    """The member with this many training domains."""
    shares = {
        f"r{j}": Variable(f"share_{j}", "share", f"share of domain {j} in the mixture", axis="raw", span=(0.0, 1.0))
        for j in range(1, domains + 1)
    }
    weights = [f"w{j}" for j in range(1, domains + 1)]

    def formula(*r, w0, **w):
        return w0 + sum(w[name] * share for name, share in zip(weights, r, strict=True))

    plane = " + ".join(f"{w} {r}" for w, r in zip(weights, shares, strict=True))
    formula.__doc__ = f"""L({", ".join(shares)}) = w0 + {plane}, in nats per token of the target domain.

    w_j is what the plane says of training on domain j alone. Shares add up to 1, so the intercept w0 is the same thing
    as a shift of all w_j and is fixed at 0. The paper's better regression is of boosted trees; what it claims, and
    what to judge by, is the order of mixtures and that it holds at larger models. Its own mixture is the mean of the
    best hundred of many random ones.
    """
    return law(
        name="regmix" if domains == 3 else f"regmix:{domains}",
        inputs=shares,
        response=PLANE_LOSS,
        priors={"w0": 0.0} | dict.fromkeys(weights, dist.Normal(4.0, 4.0)),
        linear=weights,
        source=Paper("Liu et al. 2024", arxiv="2407.01492"),
        decides="the mixture",
        topic="mixture",
    )(formula)
