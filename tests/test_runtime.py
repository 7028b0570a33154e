"""The door: float64 inside, and room for the programs of any number of laws."""

import threading
import time

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


def test_each_is_in_order_at_once_and_as_its_caller_computes():
    """Two threads wait for one another where there are two cores; each in float64 and on the caller's device."""
    device = jax.local_devices()[-1]
    together = threading.Barrier(min(runtime.cores(), 4))

    def study(number):
        together.wait(timeout=60)
        return number, (jnp.asarray(number).dtype, jax.config.jax_default_device)

    with jax.default_device(device):
        found = runtime.each(study, [3.0, 1.0, 2.0, 0.0][: together.parties])
    assert [number for number, _ in found] == [3.0, 1.0, 2.0, 0.0][: together.parties]
    assert {how for _, how in found} == {(jnp.dtype("float64"), device)}


def test_each_raises_the_first_error_and_begins_no_more():
    begun = []

    def study(number):
        begun.append(number)
        if number == 0:
            raise ValueError("the first")
        time.sleep(0.05)

    with pytest.raises(ValueError, match="the first"):
        runtime.each(study, range(1000))
    assert len(begun) < 1000
