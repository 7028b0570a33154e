"""NumPyro's NUTS on the same density, whitened: the reference, and the last resort of the cascade."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

from jaxscale.batch import Lane
from jaxscale.model import Model

CHAINS = 4
WARM_UP = 1000
TARGET = 0.95


@functools.lru_cache(maxsize=32)
def _sampler(model: Model, draws: int, rows: int) -> MCMC:
    """One sampler a shape: NumPyro's vectorised kernel cannot be traced a second time (it wraps itself again)."""

    def whitened(lane: Lane, centre: jax.Array, factor: jax.Array) -> None:
        z = numpyro.sample("z", dist.ImproperUniform(dist.constraints.real_vector, (), (model.size,)))
        with numpyro.handlers.block():  # else the model's own sites would count a second time
            log_density = model.log_density(centre + factor @ z, lane)
        numpyro.factor("log_density", log_density)

    return MCMC(
        NUTS(whitened, dense_mass=True, target_accept_prob=TARGET),
        num_warmup=WARM_UP,
        num_samples=draws,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
        jit_model_args=True,
    )


def run_nuts(
    model: Model, lane: Lane, centre: jax.Array, factor: jax.Array, u: jax.Array, key: jax.Array, draws: int
) -> dict[str, Any]:
    """Sample one lane from starts u (CHAINS, size); `draws` of each chain.

    Returns:
        u (CHAINS, draws, size), energy and diverging (CHAINS, draws), as NumPy arrays.
    """
    sampler = _sampler(model, draws, lane["w"].shape[0])
    z = jax.scipy.linalg.solve_triangular(factor, (u - centre[None, :]).T, lower=True).T
    with jax.numpy_dtype_promotion("standard"):  # NumPyro's kernel mixes integers and floats
        sampler.run(key, lane, centre, factor, init_params={"z": z}, extra_fields=("energy", "diverging"))
    extra = sampler.get_extra_fields(group_by_chain=True)
    drawn = sampler.get_samples(group_by_chain=True)["z"]
    found = {"u": centre[None, None, :] + drawn @ factor.T, "energy": extra["energy"], "diverging": extra["diverging"]}
    return {k: np.asarray(v) for k, v in found.items()}
