"""Chains that jump: a bent target with two modes, of which everything is known; and errors planted in their moves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxscale import diagnose
from jaxscale.infer import hmc, mixture, moves
from jaxscale.runtime import float64
from jaxscale.status import R_HAT

BLOCKS = 160
SECOND = 0.2  # weight of the second mode
PLACES = np.array([0.0, 9.0])


class Target:
    """x is normal about 0, or in one case of five about 9 and as wide; y is normal about x^2 of its mode."""

    size = 2

    def log_density(self, u, lane):
        x = u[0] - PLACES
        each = -0.5 * x**2 - 0.5 * ((u[1] - x**2) / lane["sd"]) ** 2
        return jax.scipy.special.logsumexp(each + jnp.log(jnp.array([1.0 - SECOND, SECOND])))

    def values(self, u, lane):
        return u


def exact(u: np.ndarray) -> np.ndarray:
    """Of draws (..., 2) what has a known mean: (..., 5) less that mean."""
    second = u[..., 0] > PLACES.mean()
    x = u[..., 0] - np.where(second, PLACES[1], PLACES[0])
    off = (u[..., 1] - x**2) / 0.3
    return np.stack([second - SECOND, x, x**2 - 1.0, off, off**2 - 1.0], axis=-1)


FLAWS = ("nothing", "how likely jumps are proposed", "momentum at the end")


@pytest.mark.parametrize("flaw", FLAWS)
def test_moves_find_both_modes_and_a_flaw_shows(flaw, monkeypatch):
    monkeypatch.setattr(moves, "JUMPS", 2)
    monkeypatch.setattr(moves, "DIFFERENCES", 1)
    if flaw == FLAWS[1]:
        monkeypatch.setattr(moves, "_log_proposed", lambda kinds, inverse, u: jnp.zeros(len(u)))
    if flaw == FLAWS[2]:
        trajectory = moves._trajectory
        monkeypatch.setattr(moves, "_trajectory", lambda *a: (*trajectory(*a)[:2], jnp.zeros((hmc.CHAINS, 2))))
    rng = np.random.default_rng(0)
    x, off = rng.standard_normal(1000), 0.3 * rng.standard_normal(1000)
    archive = np.concatenate([np.stack([place + x, x**2 + off], axis=1) for place in PLACES])  # as many in either mode
    with float64():
        lane = {"sd": jnp.asarray(0.3)}
        u = jnp.asarray(archive[:: len(archive) // hmc.CHAINS])
        kinds = jax.jit(mixture.fitted)(jnp.asarray(archive), jax.random.key(0))
        step = jax.jit(lambda u, key: moves.run_block(Target(), lane, kinds, jnp.asarray(archive), u, key))
        drawn = []
        for key in jax.random.split(jax.random.key(1), BLOCKS):
            u, block = step(u, key)
            drawn.append(np.asarray(block.u))
    errors = exact(np.concatenate(drawn[10:], axis=1))
    found = diagnose.convergence(np.moveaxis(errors, -1, 0)[None])
    away = errors.mean(axis=(0, 1)) / diagnose.mcse_mean(np.moveaxis(errors, -1, 0))
    assert flaw != "nothing" or (found.r_hat < R_HAT).all()
    assert (np.abs(away) < 4).all() == (flaw == "nothing")
