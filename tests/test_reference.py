"""Our posteriors are those of a second engine, on three tables; benchmarks/reference has them all."""

import functools
import json
import os
from pathlib import Path

import numpy as np
import pytest

import jaxscale as js
from benchmarks.reference.judge import QUICK, differences, judged, misses, moments
from benchmarks.reference.tables import CASES, fingerprint, posterior
from jaxscale.batch import keys_of
from jaxscale.infer import cascade
from jaxscale.model import Model
from jaxscale.runtime import float64

FILE = Path(__file__).resolve().parents[1] / "benchmarks" / "reference" / "references.json"
REFERENCES = json.loads(FILE.read_text())
SIMULATED, REAL = ("chinchilla", "coverage_exp_power"), "gadre_overtraining"
SEARCHES = 64


@functools.cache
def summary(name):
    """Of one fit of ours at default settings."""
    case = CASES[name]
    fit = js.fit(case.runs(), case.law, noise=case.noise)
    assert fit.status.ok, fit.status
    draws, model = fit.draws(), Model(fit.law, fit.noise)
    return {p: moments(x) for p, x in judged(model, np.stack([draws[p] for p in model.params], axis=-1)).items()}


@pytest.mark.parametrize("name", [*SIMULATED, REAL])
def test_posteriors_are_those_of_a_second_engine(name):
    if name == REAL and not os.environ.get(js.datasets.MIRROR):
        pytest.skip(f"{js.datasets.MIRROR} names no mirror of the public tables")
    reference = REFERENCES[name]
    assert not reference["faults"]
    density = fingerprint(CASES[name], CASES[name].runs())
    assert np.allclose(density, reference["density"], rtol=1e-6), (
        f"the posterior of {name} has changed; sample its reference again: python benchmarks/reference/run.py"
    )
    assert not misses(differences(summary(name), reference["parameters"]), QUICK)


def test_small_effects_of_either_sign_are_found():
    """Far from zero in all of them lies a mode whose mass is smaller by e^24; searches once ended there."""
    with float64():
        model, lane = posterior(CASES["mixing_law_exp"], CASES["mixing_law_exp"].runs())
        found = cascade.points(model, [lane] * SEARCHES, keys_of(0, [str(i) for i in range(SEARCHES)]))
    assert np.ptp(found.objective) < 1e-3


@pytest.mark.parametrize("shift", [0.3, -0.3])
def test_a_shifted_reference_is_missed(shift):
    known = REFERENCES["chinchilla"]["parameters"]
    shifted = {p: {**s, "mean": s["mean"] + shift * s["sd"]} for p, s in known.items()}
    assert len(misses(differences(summary("chinchilla"), shifted), QUICK)) == len(known)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_wider_or_narrower_reference_is_missed(factor):
    known = REFERENCES["chinchilla"]["parameters"]
    stretched = {p: {**s, "sd": s["sd"] * factor} for p, s in known.items()}
    assert len(misses(differences(summary("chinchilla"), stretched), QUICK)) == len(known)


def test_parameters_must_be_the_same():
    known = dict(REFERENCES["chinchilla"]["parameters"])
    with pytest.raises(KeyError, match="log nu"):
        differences({p: s for p, s in known.items() if p != "log nu"}, known)


def test_no_number_is_a_miss():
    known = REFERENCES["chinchilla"]["parameters"]
    blank = {p: {**s, "mean": np.nan} for p, s in known.items()}
    assert len(misses(differences(blank, known), QUICK)) == len(known)
