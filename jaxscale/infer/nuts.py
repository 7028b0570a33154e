"""NumPyro's NUTS on the same density, whitened: the reference, and the last resort of the cascade."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

from jaxscale.batch import Lane
from jaxscale.model import Model

CHAINS = 4
WARM_UP = 1000
TARGET = 0.95


def run_nuts(
    model: Model, lane: Lane, centre: jax.Array, factor: jax.Array, u: jax.Array, key: jax.Array, draws: int
) -> dict[str, Any]:
    """Sample one lane from starts u (CHAINS, size); `draws` of each chain.

    Returns:
        u (CHAINS, draws, size), values (CHAINS, draws, params), energy and diverging (CHAINS, draws).
    """
    with jax.numpy_dtype_promotion("standard"):  # NumPyro's kernel mixes integers and floats
        return _compiled(model, lane, centre, factor, u, key, draws)


@functools.partial(jax.jit, static_argnums=(0, 6))
def _compiled(model, lane, centre, factor, u, key, draws):
    """The whole of NumPyro's run as one program: left to itself it compiles anew for every table."""

    def whitened() -> None:
        z = numpyro.sample("z", dist.ImproperUniform(dist.constraints.real_vector, (), (model.size,)))
        with numpyro.handlers.block():  # else the model's own sites would count a second time
            log_density = model.log_density(centre + factor @ z, lane)
        numpyro.factor("log_density", log_density)

    sampler = MCMC(
        NUTS(whitened, dense_mass=True, target_accept_prob=TARGET),
        num_warmup=WARM_UP,
        num_samples=draws,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    z = jax.scipy.linalg.solve_triangular(factor, (u - centre[None, :]).T, lower=True).T
    sampler.run(key, init_params={"z": z}, extra_fields=("energy", "diverging"))
    extra = sampler.get_extra_fields(group_by_chain=True)
    drawn = centre[None, None, :] + sampler.get_samples(group_by_chain=True)["z"] @ factor.T
    values = jax.vmap(jax.vmap(lambda v: model.values(v, lane)))(drawn)
    return {"u": drawn, "values": values, "energy": extra["energy"], "diverging": extra["diverging"]}
