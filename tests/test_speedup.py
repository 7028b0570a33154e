"""The compute multiplier: identities that hold in every draw, crossings in closed form, honest infinities."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.optimize import brentq
from typer.testing import CliRunner

import jaxscale as js
from jaxscale.cli import app
from jaxscale.decide.paired import paired
from jaxscale.decide.speedup import _Pair
from jaxscale.decide.split import Frontier
from tests.conftest import TRUTH, design

COUNT = 300
FACTOR = 2.5


def one_term(seed, floor=(1.5, 1.9)):
    """Draws of L = Linf + (C0 / C)^a, C in PF-days."""
    rng = np.random.default_rng(seed)
    params = {
        "Linf": rng.uniform(*floor, COUNT),
        "C0": 10 ** rng.uniform(-1, 1, COUNT),
        "a": rng.uniform(0.1, 0.3, COUNT),
    }
    return Frontier(js.get_law("henighan_c"), params, {})


def two_terms(seed, **fixed):
    rng = np.random.default_rng(seed)
    params = {p: v * np.exp(0.05 * rng.normal(size=COUNT)) for p, v in TRUTH.items()}
    return Frontier(js.get_law("chinchilla"), params | fixed, {})


def closed_form(frontier, compute):
    """Least loss of a Chinchilla law along a budget."""
    p = frontier.params
    ratio = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1.0 / (p["alpha"] + p["beta"]))
    n = ratio * (compute / 6.0) ** (p["beta"] / (p["alpha"] + p["beta"]))
    return p["E"] + p["A"] / n ** p["alpha"] + p["B"] / (compute / (6.0 * n)) ** p["beta"]


def multiplier(a, b, compute):
    log_c = np.full(COUNT, np.log(compute))
    return _Pair(a, b, "frontier").multiplier(log_c, a.best(log_c).loss, b.best(log_c).loss, None)


def test_the_identity_of_one_term_holds_in_every_draw():
    a, b = one_term(0), one_term(1)
    compute = 1e21
    x = compute / 8.64e19
    worse, better = (f.params["Linf"] + (f.params["C0"] / x) ** f.params["a"] for f in (a, b))
    floor = a.params["Linf"]
    with np.errstate(invalid="ignore"):
        says = ((worse - floor) / (better - floor)) ** (1.0 / a.params["a"])
    says = np.where(better <= floor, np.inf, says)
    found = multiplier(a, b, compute)
    near = np.isfinite(says) & (np.abs(np.log10(says)) < 11)
    assert 50 < near.sum() < COUNT
    np.testing.assert_allclose(found[near], says[near], rtol=1e-6)
    assert np.isinf(found[better <= floor]).all()
    assert np.isfinite(found[near]).all()


def test_the_frontier_is_the_closed_form():
    frontier = two_terms(0)
    for compute in (1e18, 1e22, 1e26):
        best = frontier.best(np.full(COUNT, np.log(compute)))
        np.testing.assert_allclose(best.loss, closed_form(frontier, compute), rtol=1e-8)
        assert not best.edge.any()


def test_the_identity_holds_along_a_frontier():
    """With one floor, L = E + K C^-g along the frontier, g = alpha beta / (alpha + beta)."""
    a = two_terms(0)
    b = two_terms(1, E=a.params["E"])
    g = a.params["alpha"] * a.params["beta"] / (a.params["alpha"] + a.params["beta"])
    for compute in (1e19, 1e23):
        worse, better = closed_form(a, compute), closed_form(b, compute)
        says = ((worse - a.params["E"]) / (better - a.params["E"])) ** (1.0 / g)
        np.testing.assert_allclose(multiplier(a, b, compute), says, rtol=1e-6)


def test_curves_cross_where_they_must():
    """Two powers of one floor cross at C0_a^(a / (a - b)) C0_b^(b / (b - a))."""
    a, b = one_term(0), one_term(1, floor=(1.7, 1.7))
    a.params["Linf"][:] = 1.7
    a.params["a"][:] = 0.2
    b.params["a"][:] = 0.1
    where = np.exp((0.2 * np.log(a.params["C0"]) - 0.1 * np.log(b.params["C0"])) / 0.1) * 8.64e19
    found = _Pair(a, b, "frontier").crossing((1e8, 1e32))
    assert found["share"] == 1.0
    assert found["p_b_better_beyond"] == 0.0
    for name, q in {"q05": 0.05, "q50": 0.5, "q95": 0.95}.items():
        np.testing.assert_allclose(found[name], np.quantile(where, q, method="inverted_cdf"), rtol=1e-4)
    assert _Pair(a, b, "frontier").crossing((1e30, 1e32))["share"] < 0.1


# ---- the verb --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def better():
    """A recipe that needs 2.5 times less compute everywhere: N and D count for sqrt(2.5) times as many."""
    saves = {"A": TRUTH["A"] * FACTOR ** (-TRUTH["alpha"] / 2), "B": TRUTH["B"] * FACTOR ** (-TRUTH["beta"] / 2)}
    return js.fit(js.simulate("chinchilla", TRUTH | saves, design(40, seed=1), sd=0.01, seed=1))


def true_multiplier(n, d):
    """By which a's compute at its best split is scaled to reach what b reaches at a point that is not its best."""
    goal = (
        TRUTH["E"] + TRUTH["A"] / (n * FACTOR**0.5) ** TRUTH["alpha"] + TRUTH["B"] / (d * FACTOR**0.5) ** TRUTH["beta"]
    )
    a = Frontier(js.get_law("chinchilla"), {p: np.array([v]) for p, v in TRUTH.items()}, {})
    return np.exp(brentq(lambda log_m: closed_form(a, 6 * n * d * np.exp(log_m))[0] - goal, -9.0, 9.0))


def test_points_are_compared_with_the_best_split(fit, better):
    rows = js.speedup(fit, better, at={"N": [1e8, 1e9], "D": [1e11, 4e9]}, path="frontier")
    says = [true_multiplier(n, d) for n, d in zip(rows.N, rows.D, strict=True)]
    assert says[0] < 0.9 * FACTOR
    assert (rows.q05 < says).all()
    assert (rows.q95 > says).all()


@pytest.mark.parametrize("at", [{"C": [1e20, 1e22]}, {"N": 1e9, "D": [4e9, 4e10]}, {"C": 1e21, "M": 20.0}])
def test_a_known_multiplier_is_found(fit, better, at):
    rows = js.speedup(fit, better, at=at)
    assert {"scale", "q05", "q50", "q95", "never", "p_b_better", "loss_a", "loss_b"} <= set(rows)
    assert (rows.q05 < FACTOR).all()
    assert (rows.q95 > FACTOR).all()
    assert (rows.q95 / rows.q05 < 3.0).all()
    assert (rows.p_b_better > 0.95).all()
    if "N" in at:
        np.testing.assert_allclose(rows.scale, 6.0 * rows.N * rows.D)


def test_turned_round_the_multiplier_is_less_than_one(fit, better):
    rows = js.speedup(better, fit, at=1e21)
    assert rows.q95[0] < 1.0
    assert rows.p_b_better[0] < 0.05
    np.testing.assert_allclose(rows.q50[0], 1.0 / js.speedup(fit, better, at=1e21).q50[0], rtol=0.1)


def test_a_recipe_equals_itself(fit):
    rows = js.speedup(fit, fit)
    np.testing.assert_allclose(rows[["q05", "q50", "q95"]], 1.0)
    largest = float(np.max(6.0 * design(40)["N"] * design(40)["D"]))
    np.testing.assert_allclose(rows.scale, largest * np.array([1.0, 10.0, 100.0]))


def test_what_is_never_reached_is_infinite_and_counted(fit, better):
    """A floor that most of a's draws lie above."""
    lower = TRUTH | {"E": 1.2}
    deep = js.fit(js.simulate("chinchilla", lower, design(40, seed=1), sd=0.01, seed=1))
    rows = js.speedup(fit, deep, at=[1e20, 1e26])
    assert rows.never[1] > 0.9
    assert np.isinf(rows.q50[1])
    assert any("count as infinite" in note for note in rows.attrs["notes"])
    back = js.speedup(deep, fit, at=1e26)
    assert back.never[0] == 0.0
    assert back.q95[0] < 0.1


def test_a_shared_floor_joins_the_posteriors(fit, better):
    (a, b), notes = paired(fit, better, "E", 0)
    np.testing.assert_array_equal(a["E"], b["E"])
    assert any("share E" in note for note in notes)
    one, other = fit.draws()["E"], better.draws()["E"]
    precision = 1.0 / one.var() + 1.0 / other.var()
    middle = (one.mean() / one.var() + other.mean() / other.var()) / precision
    assert a["E"].mean() == pytest.approx(middle, abs=0.5 * precision**-0.5)
    assert a["E"].std() == pytest.approx(precision**-0.5, rel=0.2)
    # the partner of a draw fits its own table as well as a draw of its own posterior does
    far = {"N": np.array([1e9]), "D": np.array([3e10])}
    np.testing.assert_allclose(better.curves(far, b).mean(), better.curves(far, better.draws()).mean(), rtol=0.003)
    free, joined = js.speedup(fit, better, at=1e24), js.speedup(fit, better, at=1e24, shared="E")
    assert joined.q95[0] / joined.q05[0] < 0.8 * free.q95[0] / free.q05[0]


def test_floors_that_disagree_are_not_shared(fit):
    deep = js.fit(js.simulate("chinchilla", TRUTH | {"E": 1.0}, design(40, seed=1), sd=0.01, seed=1))
    with pytest.raises(js.PlanError, match="do not agree on E"):
        js.speedup(fit, deep, at=1e22, shared="E")


def test_points_of_point_fits(runs, fit):
    rows = js.speedup(js.fit(runs, noise="huber"), fit, at=1e22)
    assert rows.q05[0] < 1.3
    assert any("no interval" in note for note in rows.attrs["notes"])


CANNOT = [
    ({"at": -1.0}, "above 0"),
    ({"at": {"N": 1e9}}, "parameters and tokens"),
    ({"at": {"N": [1e9, 2e9], "D": [1e10, 2e10, 3e10]}}, "equally many"),
    ({"at": {"C": 1e22, "P": 4}}, "input of neither law"),
    ({"at": 1e22, "path": "ratio"}, "without points"),
    ({"at": 1e22, "path": "straight"}, "path is"),
    ({"at": 1e22, "shared": "gamma"}, "cannot be shared"),
    ({"at": 1e22, "shared": "A"}, "depends on the table"),
]


@pytest.mark.parametrize(("options", "says"), CANNOT)
def test_what_cannot_be_compared_says_why(fit, better, options, says):
    with pytest.raises(js.PlanError, match=says):
        js.speedup(fit, better, **options)


def test_refused_fits_and_other_laws_are_refused(fit, collinear):
    with pytest.raises(js.PlanError, match="Fit b was refused"):
        js.speedup(fit, js.fit(collinear), at=1e22)
    law = js.get_law("parscale")
    other = dataclasses.replace(fit, law=law, point=dict.fromkeys(law.params, 1.0))
    other = dataclasses.replace(other, data=other.data.filter(lambda node: node.name != "posterior"))
    with pytest.raises(js.PlanError, match="Say at which"):
        js.speedup(fit, other, at=1e22)


def test_command(fit, better, tmp_path):
    fit.save(tmp_path / "a.nc")
    better.save(tmp_path / "b.nc")
    asked = ["speedup", str(tmp_path / "a.nc"), str(tmp_path / "b.nc"), "--at", "C=1e20:1e22:2"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    rows = js.speedup(fit, better, at=[1e20, 1e22])
    np.testing.assert_allclose([r["q50"] for r in document["speedup"]], rows.q50)
    assert {"share", "q50", "p_b_better_beyond"} <= set(document["crossing"])
    text = CliRunner().invoke(app, asked).stdout
    assert "P(b better)" in text
    assert "curves" in text
    refused = CliRunner().invoke(app, [*asked, "--path", "ratio"])
    assert refused.exit_code == 1
    assert "without points" in refused.output
