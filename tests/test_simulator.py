"""Simulated tables follow their law, and the bundled one is what its recipe makes."""

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale.data import make_ladder
from tests.conftest import TRUTH, design


def test_bundled_ladder_is_what_its_recipe_makes():
    table = js.datasets.load("simulated_ladder").table
    assert len(table) == 60
    pd.testing.assert_frame_equal(table[["run", "params", "tokens", "loss"]], make_ladder.ladder(), check_exact=False)


def test_doctor_finds_the_two_under_tuned_runs():
    found = next(f for f in js.doctor(js.datasets.load("simulated_ladder")) if f.code == "outliers")
    assert found.message.startswith("2 of 60")
    assert all(name in found.message for name in make_ladder.UNDER_TUNED)


def test_without_noise_it_is_the_law():
    runs = js.simulate("chinchilla", TRUTH, design(5), sd=0.0)
    law = js.get_law("chinchilla")
    np.testing.assert_allclose(runs.table["loss"], law(runs.table["params"], runs.table["tokens"], **TRUTH))
    assert runs.source == "<simulated from chinchilla>"


def test_noise_has_its_size_and_seed():
    inputs = {"N": np.full(4000, 1e9), "D": np.full(4000, 1e11)}
    a, b, c = (
        js.simulate("chinchilla", TRUTH, inputs, noise="normal", sd=0.02, seed=s).table["loss"] for s in (0, 0, 1)
    )
    assert np.log(a).std() == pytest.approx(0.02, rel=0.05)
    assert (a == b).all()
    assert not (a == c).any()


def test_counts_are_counts():
    runs = js.simulate("coverage_exp_power", {"a": -3.0, "b": -0.3}, {"k": np.geomspace(1, 1e3, 500), "trials": 200.0})
    solved = runs.table["solved"]
    assert (solved == solved.round()).all()
    assert solved.between(0, 200).all()
    expected = js.get_law("coverage_exp_power")(runs.table["samples"], a=-3.0, b=-0.3)
    z = (solved / 200 - expected) / np.sqrt(expected * (1 - expected) / 200)
    assert z.std() == pytest.approx(1.0, abs=0.12)


def test_what_is_missing_is_named():
    with pytest.raises(js.LawError, match="missing: beta; unknown: none"):
        js.simulate("chinchilla", {k: v for k, v in TRUTH.items() if k != "beta"}, design(5))
    with pytest.raises(js.LawError, match="takes the inputs D, N"):
        js.simulate("chinchilla", TRUTH, {"N": 1e9})
