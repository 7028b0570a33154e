"""Sparsity, precision, transfer and continual pre-training: published coefficients give published numbers."""

import os

import numpy as np
import pytest

import jaxscale as js
from jaxscale import datasets

needs_mirror = pytest.mark.skipif(
    not os.environ.get("JAXSCALE_DATA"), reason="JAXSCALE_DATA names no mirror of the public tables"
)


def at(name: str, preset: str, *inputs: float) -> float:
    law = js.get_law(name)
    return float(np.asarray(law(*inputs, **law.published[preset])))


@pytest.mark.parametrize(
    ("law", "preset", "inputs", "expected", "digits"),
    [
        ("sparsing", "relu_2.4b", (800.0,), 0.0652, 4),
        ("fp_quant", "capybara", (1e9, 1e11, 4.0, 3.0, 128.0), 2.56307, 5),
        ("qid", "gptq_pythia", (1e9, 2.06e11, 2.0), 3.03, 2),
        ("qid", "gptq_pythia", (1e9, 2.06e11, 3.0), 0.326, 3),
        ("precision", "kumar2024", (220e6, 26e9, 16.0, 16.0, 16.0), 3.1976, 4),
        ("precision", "kumar2024", (220e6, 26e9, 6.0, 6.0, 6.0), 3.2824, 4),
        ("precision", "kumar2024", (220e6, 26e9, 4.0, 4.0, 4.0), 3.5918, 4),
        ("cmr", "460m", (100.0,), 0.298, 3),
        ("cmr", "940m", (100.0,), 0.349, 3),
        ("cmr", "1.6b", (100.0,), 0.414, 3),
        ("cmr", "3.1b", (100.0,), 0.478, 3),
    ],
)
def test_printed_numbers(law, preset, inputs, expected, digits):
    assert at(law, preset, *inputs) == pytest.approx(expected, abs=0.505 * 10.0**-digits)


def test_routing_is_worth_parameters():
    """5M with 128 experts is about as good as a dense 55M."""
    routed = at("routed_moe", "s_base", 5e6, 128.0)
    assert at("routed_moe", "s_base", 60e6, 1.0) < routed < at("routed_moe", "s_base", 50e6, 1.0)


def test_sparsity_cheapens_parameters():
    """At 1e21 FLOP the best sparse model has more parameters, fewer active ones and less loss."""
    sizes = np.geomspace(1e9, 1e12, 2000)
    law = js.get_law("moe_sparsity")
    best = []
    for sparsity in (0.0, 0.98):
        data = 1e21 / (6.0 * sizes * (1.0 - sparsity))
        loss = law(sizes, data, sparsity, **law.published["abnar2025"])
        best.append((loss.min(), sizes[loss.argmin()]))
    assert best[0] == pytest.approx((2.275, 2.46e9), rel=5e-3)
    assert best[1] == pytest.approx((2.014, 8.33e10), rel=5e-3)


@pytest.mark.parametrize(("e", "m", "expected"), [(8.0, 7.0, 1730e12), (4.0, 3.0, 27.3e12), (2.0, 1.0, 0.39e12)])
def test_critical_data(e, m, expected):
    """Beyond D_crit more tokens make a quantised model worse."""
    data = expected * np.array([0.5, 1.0, 2.0])
    law = js.get_law("fp_quant")
    loss = law(1e9, data, e, m, 128.0, **law.published["capybara"])
    assert loss.argmin() == 1


def test_precision_stays_finite_where_the_formula_does_not():
    law = js.get_law("precision")
    loss = law(1e8, 1e10, 3.0, np.array([1.0, 2.0, 3.0, 4.0]), 16.0, **law.published["kumar2024"])
    assert np.isfinite(loss).all()
    assert (np.diff(loss) < 0).all()


def test_critical_ratio_changes_with_training():
    """Short runs of the largest model leave no room for domain text."""
    assert at("cmr", "3.1b", 10.0) < 0.0 < at("cmr", "3.1b", 100.0)


@needs_mirror
@pytest.mark.parametrize(
    ("router", "expected"),
    [
        ("S-Base", (-0.0830, -0.1180, 0.00992, 1.1136, 2.07, 239.0)),
        ("RL-R", (-0.0827, -0.1234, 0.01123, 1.1070, 1.72, 470.0)),
        ("Hash", (-0.0874, -0.1384, 0.01264, 1.1595, 4.27, 427.0)),
    ],
)
def test_refit_of_the_released_runs(router, expected):
    table = next(d for d in datasets.list() if d.name == "routed_lm_clark2022")
    runs = datasets.load(table.name, where=f"{table.where} and router_type in ['Dense', '{router}']", group=None)
    fit = js.fit(runs, "routed_moe", noise="least_squares", progress=False)
    found = fit.summary()["mean"]
    assert tuple(found[p] for p in js.get_law("routed_moe").params) == pytest.approx(expected, rel=3e-3)
