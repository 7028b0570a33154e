"""The door: float64 inside, and room for the programs of any number of laws."""

import jax
import jax.numpy as jnp
import pytest

import jaxscale as js
from jaxscale import runtime


def test_the_callers_mode_is_left_alone():
    before = jnp.ones(1).dtype
    js.check_law("hestness", light=True)
    assert jnp.ones(1).dtype == before


@pytest.mark.skipif(not runtime.MAPS.is_file(), reason="only Linux counts a process's memory maps")
def test_programs_are_forgotten_before_memory_maps_run_out(monkeypatch):
    """XLA aborts the process at the limit; fifty laws in a row reach it."""
    forgotten = []
    monkeypatch.setattr(runtime, "_caches", [lambda: forgotten.append("programs")])
    monkeypatch.setattr(jax, "clear_caches", lambda: forgotten.append("jax"))
    monkeypatch.setattr(runtime, "_compiled", runtime.LOOK_EVERY)
    assert not runtime.make_room()
    monkeypatch.setattr(runtime, "MOST_MAPS", 0.0)
    assert not runtime.make_room()  # nobody looks before some programs were compiled
    monkeypatch.setattr(runtime, "_compiled", runtime.LOOK_EVERY)
    assert runtime.make_room()
    assert forgotten == ["programs", "jax"]
