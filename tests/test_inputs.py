"""Inputs of other kinds: that may be zero, that a paper counts in other units, that are vectors; and families."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest

import jaxscale as js
from jaxscale import registry
from jaxscale.law import EXAMPLES, LOSS, PARAMS, Law, Ours, Response, Variable, exponent, family, floor, law, term
from jaxscale.noise import get_noise

SHARE = Variable("share", "share", "share of code in the mixture", axis="raw", span=(0.0, 1.0))
DROPS = Variable("drop", "", "drops of the learning rate", axis="raw", span=(0.0, 1.0), length=3)
TRUTH = {"E": 1.7, "A": 0.8, "alpha": 0.3, "t": 0.4}


@pytest.fixture(autouse=True)
def no_test_law_stays() -> Iterator[None]:
    js.list_laws()
    laws, families = dict(registry._LAWS), dict(registry._FAMILIES)
    yield
    for kept, now in ((laws, registry._LAWS), (families, registry._FAMILIES)):
        now.clear()
        now.update(kept)


def mixed(**changes) -> Law:
    """A law of billions of parameters and a share that may be zero."""

    def mixed_law(N, r, *, E, A, alpha, t):
        """L(N, r) = E + A / N^alpha + t r, with N in billions."""
        return E + A / N**alpha + t * r

    parts = {
        "inputs": {"N": PARAMS.counted_in(1e9, "billion parameters"), "r": SHARE},
        "response": LOSS,
        "priors": {"E": floor(), "A": term("N", "alpha"), "alpha": exponent(), "t": dist.HalfNormal(1.0)},
        "source": Ours("a test"),
    }
    return law(**(parts | changes))(mixed_law)


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n, r = 10 ** rng.uniform(7, 10, 40), rng.choice([0.0, 0.25, 1.0], 40)
    loss = TRUTH["E"] + TRUTH["A"] / (n / 1e9) ** TRUTH["alpha"] + TRUTH["t"] * r
    return pd.DataFrame({"params": n, "share": r, "loss": loss})


def test_tables_and_queries_stay_canonical(table):
    """The published unit is the formula's alone."""
    fit = js.fit(js.read_runs(table), mixed(), noise="least_squares")
    assert fit.point == pytest.approx(TRUTH, rel=1e-5)
    got = fit.predict({"N": 1e11, "r": 0.0})["mean"].item()
    assert got == pytest.approx(TRUTH["E"] + TRUTH["A"] * 100.0 ** -TRUTH["alpha"], rel=1e-6)
    in_billions = js.read_runs(table.assign(params=table.params / 1e9), units={"params": "B"})
    assert js.fit(in_billions, mixed(), noise="least_squares").point == pytest.approx(fit.point, rel=1e-6)


def test_a_law_of_such_inputs_keeps_the_contract():
    js.check_law(mixed())


def test_one_level_of_a_raw_input_is_refused(table):
    fit = js.fit(js.read_runs(table.assign(share=0.25)), mixed())
    assert not fit.status.ok
    assert "every run has share (r) = 0.25" in fit.status.sentence
    assert np.isnan(fit.summary()["mean"]).all()


def stepped() -> Law:
    def stepped_law(N, d, *, E, A, alpha, B):
        """L(N, d) = E + A / N^alpha - B sum d."""
        return E + A / N**alpha - B * jnp.sum(d, axis=-1)

    return law(
        inputs={"N": PARAMS, "d": DROPS},
        response=LOSS,
        priors={"E": floor(), "A": term("N", "alpha"), "alpha": exponent(), "B": dist.HalfNormal(0.2)},
        source=Ours("a test"),
    )(stepped_law)


def test_a_vector_is_read_from_its_columns():
    rng = np.random.default_rng(1)
    n, drops = 10 ** rng.uniform(7, 10, 30), rng.uniform(0, 1, (30, 3))
    truth = {"E": 1.8, "A": 400.0, "alpha": 0.35, "B": 0.1}
    table = pd.DataFrame({"params": n, **{f"drop:{j}": drops[:, j] for j in range(3)}})
    table["loss"] = np.asarray(stepped()(n, drops, **truth))
    fit = js.fit(js.read_runs(table), stepped(), noise="least_squares")
    assert fit.point == pytest.approx(truth, rel=1e-4)
    assert fit.data["constant_data"]["d"].shape == (30, 3)
    assert fit.predict(table)["mean"].to_numpy() == pytest.approx(table["loss"], rel=1e-6)
    with pytest.raises(js.DataError, match="'drop:0' to 'drop:2'"):
        js.fit(js.read_runs(table.drop(columns="drop:1")), stepped())


def test_a_family_has_a_member_of_each_size(tmp_path):
    (tmp_path / "broken.py").write_text(FAMILY)
    usual = js.get_law(str(tmp_path / "broken.py"))
    assert usual.name == "broken"
    two = js.get_law("broken:2")
    assert two.params == ("b", "c0", "c1", "c2")
    assert js.get_law("broken:2") is two
    assert two not in js.list_laws()
    assert pickle.loads(pickle.dumps(two)).params == two.params
    with pytest.raises(js.LawError, match="number of breaks"):
        js.get_law("broken:x")


FAMILY = '''
from jaxscale.law import LOSS, PARAMS, Ours, exponent, family, law, term

@family("breaks", 1)
def broken(breaks):
    slopes = {f"c{i}": exponent() for i in range(breaks + 1)}

    @law(
        name="broken" if breaks == 1 else f"broken:{breaks}",
        inputs={"x": PARAMS}, response=LOSS, source=Ours("a test"), priors={"b": term("x", "c0"), **slopes},
    )
    def formula(x, *, b, c0, **c):
        """y(x) = b x^-c0, less c1."""
        return b * x**-c0 * sum(c.values())

    return formula
'''


def test_a_box_names_inputs():
    with pytest.raises(js.LawError, match="no inputs"):
        mixed(box={"M": (1.0, 2.0)})
    assert mixed(box={"N": (0.1, 10.0)}).box == {"N": (0.1, 10.0)}


def test_a_family_is_kept_by_name():
    @family("parts", 2)
    def parts_law(parts):
        return mixed(name="parts_law" if parts == 2 else f"parts_law:{parts}")

    assert js.get_law("parts_law:3").name == "parts_law:3"


GRADE = Response("grade", "levels", "grade", support="ordinal", on="raw", noise="ordered", scale=1.0, levels=(1, 10))


def graded() -> Law:
    def grade_law(n, *, top, b, a):
        """g(n) = top - b n^-a."""
        return top - b * n**-a

    priors = {"top": dist.Normal(7.0, 3.0), "b": term("n", "a", median=2.0), "a": exponent()}
    return law(inputs={"n": EXAMPLES}, response=GRADE, priors=priors, source=Ours("a test"))(grade_law)


def test_grades_are_whole_levels():
    """The rounding is part of the model: its chances add up, and a fit finds what made the grades."""
    noise = get_noise(None, GRADE)
    levels = np.arange(1, 11)
    for mean in (-3.0, 1.4, 5.6, 30.0):
        chances = np.exp(noise.distribution(jnp.full(10, mean), {"sigma": jnp.asarray(0.7)}, {}).log_prob(levels))
        assert chances.sum() == pytest.approx(1.0, abs=1e-5)
        assert levels[np.argmax(chances)] == np.clip(np.round(mean + 1e-9), 1, 10)
    truth = {"top": 8.0, "b": 40.0, "a": 0.4}
    runs = js.simulate(graded(), truth, {"n": np.geomspace(30, 1e5, 120)}, sd=0.5)
    fit = js.fit(runs, graded(), progress=False)
    assert fit.status.ok
    table = fit.summary()
    assert all(table.loc[p, "q05"] < v < table.loc[p, "q95"] for p, v in truth.items())
    assert set(fit.predict({"n": [100.0, 1e6]})["new_q95"]) <= set(map(float, levels))
    with pytest.raises(js.DataError, match="a whole number from 1 to 10"):
        js.fit(js.read_runs(runs.table.assign(grade=runs.table.grade + 0.5)), graded())


def test_a_percentage_is_no_share(table):
    with pytest.raises(js.DataError, match="divide a percentage by 100"):
        js.fit(js.read_runs(table.assign(share=100 * table.share)), mixed())
