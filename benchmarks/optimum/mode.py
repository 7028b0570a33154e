"""The posterior mode of jaxscale's default model by SciPy: the density is the package's, the search is not.

Starts are the best nodes of the Huber reference's grid, with moderate noise and with a tight core and heavy tails (the
two kinds of mode that one table can have), and draws from the prior, which know nothing of the table. All go through
L-BFGS-B, and the best ends that differ are polished by Newton.
"""

from __future__ import annotations

import functools
from typing import Any

import huber
import jax
import jax.numpy as jnp
import numpy as np
from newton import newton
from scipy.optimize import minimize
from tables import Simulated

import jaxscale as js
from jaxscale.batch import Lane, Table, lane_of, rows_for
from jaxscale.model import Model
from jaxscale.noise import get_noise

STARTS = {True: (8, 8, 6), False: (4, 3, 3)}  # of a table of few rows, and of others: moderate, tight, prior
FEW = 60
POLISHED, DISTINCT = 6, 1e-5  # ends that are polished, and how far apart they are
LEAST_AMOUNT, EXPONENTS = 1e-2, (0.05, 3.0)  # of starts: where the prior still has some mass
MODERATE, TIGHT = (1.0, 4.0), (0.2, 1.0)  # sigma over the median residual, and nu


@functools.cache
def model_of(noise: str) -> Model:
    """The package's model of Chinchilla's law."""
    law = js.get_law("chinchilla")
    return Model(law, get_noise(noise, law.response))


def lane(table: Simulated, model: Model) -> Lane:
    """One padded lane of the engine."""
    found = Table({"N": table.params, "D": table.tokens}, table.loss, None, 1.0, ())
    return lane_of(found, model.noise, rows_for(len(found)))


@functools.cache
def programs() -> dict[str, Any]:
    """Compiled: minus log density with gradient, its Hessian, draws of the prior, and the way from parameters."""
    model = model_of("student_t")

    def loss(u: jax.Array, lane: Lane) -> jax.Array:
        return -model.log_density(u, lane)

    return {
        "slope": jax.jit(jax.value_and_grad(loss)),
        "hessian": jax.jit(jax.jacfwd(jax.grad(loss))),
        "prior": jax.jit(lambda key: jax.vmap(model.draw_prior)(jax.random.split(key, STARTS[True][2]))),
        "flat": jax.jit(jax.vmap(model.from_parameters, in_axes=(0, None))),
    }


def parameters(
    places: np.ndarray, data: huber.Data, table: Simulated, noise: tuple[float, float]
) -> dict[str, np.ndarray]:
    """Places (k, 5) of the Huber grid, brought to where the prior has mass, in the law's own parameters."""
    e, a, b = np.maximum(places[:, :3], LEAST_AMOUNT).T
    alpha, beta = np.clip(places[:, 3:], *EXPONENTS).T
    mean = e[:, None] + a[:, None] * np.exp(-np.outer(alpha, data.n)) + b[:, None] * np.exp(-np.outer(beta, data.d))
    size = np.median(np.abs(data.y - np.log(mean)), axis=1)
    return {
        "E": e,
        "A": a * table.params.min() ** alpha,
        "alpha": alpha,
        "B": b * table.tokens.min() ** beta,
        "beta": beta,
        "sigma": np.maximum(noise[0] * size, 1e-4),
        "nu": np.full(len(e), noise[1]),
    }


def search(table: Simulated) -> huber.Best:
    """The best mode of many starts; `place` is a flat vector."""
    data, run = huber.data_of(table), programs()
    packed = jax.tree.map(jnp.asarray, lane(table, model_of("student_t")))
    moderate, tight, prior = STARTS[len(data.y) < FEW]
    places = huber.first_guesses(data)
    places[:, 3:] = np.exp(places[:, 3:])
    from_grid = [parameters(places[:k], data, table, n) for k, n in ((moderate, MODERATE), (tight, TIGHT))]
    begin = np.vstack([
        *(np.asarray(run["flat"](p, packed)) for p in from_grid),
        np.asarray(run["prior"](jax.random.key(table.number)))[:prior],
    ])  # fmt: skip

    def slope(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = run["slope"](u, packed)
        return float(value), np.asarray(gradient)

    def parts(u: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        return *slope(u), np.asarray(run["hessian"](u, packed))

    options = {"maxiter": 300, "ftol": 1e-10, "gtol": 1e-4, "maxcor": 20}
    ends = [minimize(slope, u, jac=True, method="L-BFGS-B", options=options) for u in begin]
    chosen = huber.different([(float(end.fun), end.x) for end in ends], DISTINCT, POLISHED)
    polished = sorted((newton(parts, u, 1.0) for u in chosen), key=lambda found: found[0])
    value, place, left = polished[0]
    agree = float(np.mean([end.fun < value + 1e-3 for end in ends]))
    return huber.Best(value, place, agree, left)
