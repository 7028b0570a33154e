"""Shared set-up: strict numerics, the local mirror of public tables, and tables and fits that many tests use."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxscale as js
from jaxscale.runtime import make_room

MIRROR = Path(__file__).resolve().parents[2] / "shared" / "data"
if "JAXSCALE_DATA" not in os.environ and MIRROR.is_dir():
    os.environ["JAXSCALE_DATA"] = str(MIRROR)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}


def design(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A design that identifies the Chinchilla law: sizes and tokens drawn apart."""
    rng = np.random.default_rng(seed)
    return {"N": 10 ** rng.uniform(7.6, 10.2, n), "D": 10 ** rng.uniform(9.0, 12.0, n)}


@pytest.fixture(autouse=True)
def room_for_programs() -> None:
    """Tests compile for a hundred laws, many of them not through the API's door."""
    make_room()


@pytest.fixture(scope="session")
def truth() -> dict[str, float]:
    """Besiroglu's coefficients."""
    return TRUTH


@pytest.fixture(scope="session")
def runs() -> js.Runs:
    """Forty simulated runs; 33 to 48 rows share a compiled program."""
    return js.simulate("chinchilla", TRUTH, design(40), sd=0.01, seed=0)


@pytest.fixture(scope="session")
def fit(runs: js.Runs) -> js.Fit:
    """Their posterior under default settings."""
    return js.fit(runs)


@pytest.fixture(scope="session")
def collinear() -> js.Runs:
    """D = 20 N: no law of both can be had from it."""
    n = design(40)["N"]
    return js.simulate("chinchilla", TRUTH, {"N": n, "D": 20.0 * n}, sd=0.01, seed=0)


@pytest.fixture(scope="session")
def epoch() -> js.Runs:
    """The 245 digitised Chinchilla runs."""
    if "JAXSCALE_DATA" not in os.environ:
        pytest.skip("JAXSCALE_DATA names no mirror of the public tables")
    return js.datasets.load("chinchilla_epoch")
