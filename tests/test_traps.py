"""Mistakes of the field that no other file shows to be met; docs/traps.md lists them all and names the tests."""

import ast
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
from scipy.stats import halfnorm

import jaxscale as js
from jaxscale.batch import lane_of, table_of
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.protocols import nonembedding_params, vertex_bias
from jaxscale.protocols.isoflop import parabolas
from jaxscale.report import html
from jaxscale.report.checklist import checklist
from jaxscale.residuals import clipping
from jaxscale.runtime import float64
from jaxscale.trust.sensitivity import sensitivity

from .conftest import TRUTH, design
from .test_residuals import ladder, likelihoods

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 5.76e23  # Chinchilla's
DELTAS = (1e-5, 1e-2, 1.0)
UNEVEN = {"E": 1.7, "A": 1000.0, "alpha": 0.45, "B": 200.0, "beta": 0.25}  # the exponents of Czech et al.


def size_of(fit: js.Fit, budget: float = BUDGET) -> float:
    """Best size of a point fit."""
    return float(js.plan(fit, budget).draws["N"][0])


def optimum(c, p):
    a, b = p["alpha"], p["beta"]
    return (a * p["A"] / (b * p["B"])) ** (1 / (a + b)) * (np.asarray(c) / 6) ** (b / (a + b))


@pytest.fixture(scope="module")
def surface() -> js.Runs:
    """Five budgets of 16 sizes to either side by a factor of 16, without noise."""
    c, away = np.meshgrid(np.geomspace(1e18, 1e22, 5), np.geomspace(1 / 16, 16, 16), indexing="ij")
    n = (optimum(c, UNEVEN) * away).ravel()
    d = c.ravel() / 6 / n
    loss = js.get_law("chinchilla")(n, d, **UNEVEN)
    return js.read_runs(pd.DataFrame({"params": n, "tokens": d, "flops": c.ravel(), "loss": loss}))


# ---- 1, 2: the optimum ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["student_t", "huber"])
def test_1_units_order_and_seed_move_no_parameter(runs, noise):
    frame = runs.table[["params", "tokens", "loss"]]
    in_bits = frame.assign(params=frame["params"] / 1e9, tokens=frame["tokens"] / 1e12, loss=frame["loss"] / np.log(2))
    tables = {
        "as it is": js.read_runs(frame),
        "turned": js.read_runs(frame.iloc[::-1].reset_index(drop=True)),
        "shuffled": js.read_runs(frame.sample(frac=1.0, random_state=0).reset_index(drop=True)),
        "units": js.read_runs(in_bits, units={"params": "B", "tokens": "T", "loss": "bits"}),
    }
    found = [js.fit_many(tables, noise=noise, method="point", seed=s, keep=0).points() for s in range(3)]
    values = pd.concat(found)[list(js.get_law("chinchilla").params)].to_numpy()
    assert len(values) == 12
    np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), rtol=1e-5)


def test_1_a_search_that_stopped_early_shows_no_number(runs, monkeypatch):
    from jaxscale.infer import cascade

    found = cascade.points
    stopped = lambda *args: (p := found(*args))._replace(decrement=np.ones_like(p.decrement))  # noqa: E731
    monkeypatch.setattr(cascade, "points", stopped)
    fit = js.fit(runs, noise="huber")
    assert fit.status.code == "not_converged"
    assert "did not reach an optimum" in fit.status.sentence
    assert fit.summary().isna().all(axis=None)
    with pytest.raises(js.PlanError):
        js.plan(fit, BUDGET)


def optima(runs: js.Runs, law: str, noise: str | None = None, seeds: int = 100) -> pd.DataFrame:
    """Point fits of one table under many seeds: a fit's searches depend on its name."""
    fits = js.fit_many({f"{i}": runs for i in range(seeds)}, law, noise=noise, method="point", keep=0)
    assert fits.status()["ok"].all()
    return fits.points()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["simulated_ladder", "chinchilla_epoch"])
def test_2_a_hundred_seeds_find_one_optimum(name, request):
    runs = request.getfixturevalue("epoch") if name == "chinchilla_epoch" else js.datasets.load(name)
    values = optima(runs, "chinchilla")[list(js.get_law("chinchilla").params)].to_numpy()
    assert len(np.unique(values[:, 0])) > 1, "the searches were not the same"
    np.testing.assert_allclose(values, np.broadcast_to(values[0], values.shape), rtol=1e-5)


# ---- 4: bad rows, and Huber's delta ---------------------------------------------------------------


def test_4_five_bad_rows_hardly_move_the_usual_fit(epoch):
    """As they move Huber's, which this table brought into the literature."""
    trimmed = epoch.exclude(np.flatnonzero(epoch.table["excluded_by_besiroglu"]), "bad rows")
    assert len(epoch) - len(trimmed) == 5
    usual, hubers = (
        [size_of(js.fit(table, noise=noise, method="point")) for table in (epoch, trimmed)] for noise in (None, "huber")
    )
    assert usual[0] == pytest.approx(usual[1], rel=0.05)
    assert hubers[1] == pytest.approx(73.2e9, rel=0.01)
    assert hubers[0] > 1.5 * hubers[1]


def test_4_delta_is_said_beside_the_scatter(runs):
    made = js.fit(runs, noise="huber")
    said = {d: clipping(replace(made, noise=get_noise(f"huber:delta={d}", made.law.response)))[0] for d in DELTAS}
    times = {d: float(re.findall(r"delta is ([0-9.e-]+) robust", text)[0]) for d, text in said.items()}
    assert 0.5 < times[1e-2] < 2.0, "the runs scatter by 1 %"
    assert times[1.0] == pytest.approx(100 * times[1e-2], rel=0.1)
    assert "least squares" in said[1.0]
    assert "medians" in said[1e-5]
    assert said[1e-2].endswith("residuals.")
    assert clipping(made)[0] in made.about["notes"]


# ---- 6, 7, 15: coverage ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "noise", "tables"),
    [("t3", "student_t", 100), ("outliers 8", "outliers", 100), ("checkpoints", "checkpoints", 30)],
)
def test_6_intervals_hold_the_truth_in_worlds_unlike_the_fit(scenario, noise, tables):
    """Full posteriors, of 480 rows where rows are checkpoints: slow, as they take minutes. At 3.5 standard errors."""
    sys.path.insert(0, str(ROOT / "benchmarks" / "calibration"))
    try:
        from coverage import study
    finally:
        sys.path.pop(0)
    found = study(scenario, noise, 0, tables)
    inside = found["inside"]
    assert len(inside) >= 0.9 * tables, "most fits pass their gate"
    least = 0.9 - 3.5 * np.sqrt(0.09 / len(inside))
    assert (inside.mean(axis=0) > least).all(), inside.mean(axis=0)


@pytest.mark.slow
def test_7_a_wrong_law_a_decade_out():
    """Truth `coupled`, fit `chinchilla`: twenty full fits with their records, so slow."""
    truth = {"E": 1.7, "A": 3355.0, "alpha": 0.408, "B": 18186.0, "beta": 0.431, "k": 0.6}
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(3e7, 3e9, 5), np.geomspace(1e9, 1e11, 5)))
    far = {"N": 3e9 * 10**0.5, "D": 1e11 * 10**0.5}
    value = js.get_law("coupled")(far["N"], far["D"], **truth)
    held, believed = [], []
    for seed in range(20):
        fit = js.fit(js.simulate("coupled", truth, {"N": n, "D": d}, noise="normal", sd=0.01, seed=seed))
        for kept, option in ((held, True), (believed, False)):
            row = fit.predict(far, discrepancy=option).iloc[0]
            kept.append(row["q05"] <= value <= row["q95"])
    assert np.mean(held) >= 0.85
    assert np.mean(believed) < np.mean(held)


# ---- 8: as many points as parameters --------------------------------------------------------------


def test_8_three_points_for_three_parameters():
    c = np.array([1e19, 1e20, 1e21])
    table = pd.DataFrame({"flops": c, "loss": 1.7 + (1e16 / c) ** 0.1})
    fit = js.fit(js.read_runs(table), "henighan_c")
    assert fit.status.code == "too_few_runs"
    assert "3 for the 3 parameters of henighan_c, so the prior alone would answer" in fit.status.sentence
    assert "Add at least 1 runs" in fit.status.fix
    assert fit.summary().isna().all(axis=None)
    assert js.doctor(js.read_runs(table), "henighan_c")[0].code == "too_few_runs"


# ---- 9: parabolas ---------------------------------------------------------------------------------


def test_9_the_bias_of_a_parabola_is_known_and_the_law_has_none(surface):
    """Uncorrected it is 19 % of N*, which is the 15.8 % of D* that was published."""
    table = surface.table
    found = parabolas(table["flops"], table["params"], table["loss"])
    truth = optimum(found["flops"], UNEVEN)
    raw = found["params"].to_numpy() / truth - 1.0
    bias = vertex_bias(UNEVEN["alpha"], UNEVEN["beta"], 16.0, 16)
    assert 1.0 / (1.0 + raw[0]) - 1.0 == pytest.approx(-0.158, abs=0.002)
    assert found["params"].to_numpy() / (1.0 + bias) == pytest.approx(truth, rel=0.01)
    drawn = js.fit(surface, noise="least_squares")
    assert size_of(drawn, 1e24) == pytest.approx(optimum(1e24, UNEVEN), rel=0.01)


# ---- 11, 12, 14, 16: what the answer leans on -----------------------------------------------------


@pytest.fixture(scope="module")
def leaning(runs, fit):
    return sensitivity(fit, runs, 1e23, js.plan(fit, 1e23).draws["N"]).set_index("assumption")


def test_11_another_count_of_parameters_is_another_answer(runs, leaning):
    """The row is a fit of its own to the other count."""
    row = leaning.loc["parameters without embeddings (estimated)"]
    other = js.read_runs(runs.table.assign(params=nonembedding_params(runs.table["params"])))
    assert row["params"] == pytest.approx(size_of(js.fit(other, method="point"), 1e23), rel=1e-3)
    assert row["times"] > 1.05


def test_12_a_second_count_in_the_table_is_fitted_too(runs, fit):
    active = 0.3 * runs.table["params"] ** 1.04
    table = js.read_runs(runs.table.assign(params_active=active))
    rows = sensitivity(fit, table, 1e23).set_index("assumption")
    assert "parameters without embeddings (estimated)" not in rows.index
    counted = js.fit(js.read_runs(runs.table.assign(params=active)), method="point")
    assert rows.loc["parameters by the column params_active", "params"] == pytest.approx(
        size_of(counted, 1e23), rel=1e-3
    )


def test_14_the_prior_of_the_floor_is_varied(runs, fit, leaning):
    """Of sizes that follow the floor closely the weights are those of SciPy's densities, by resampling."""
    rows = leaning.filter(like="prior of E", axis=0)
    assert list(rows.index) == ["prior of E half as wide", "prior of E twice as wide"]
    assert np.abs(np.log(rows["times"])).max() < 0.02, "here the runs settle the floor"
    floor, rng = fit.draws()["E"], np.random.default_rng(0)
    follows = sensitivity(fit, runs, 1e23, np.exp(50.0 * floor)).set_index("assumption")["times"]
    assert follows["prior of E half as wide"] < 0.97 < 1.0 < follows["prior of E twice as wide"]
    for said, width in (("half as wide", 1.0), ("twice as wide", 4.0)):
        weight = halfnorm.pdf(floor, scale=width) / halfnorm.pdf(floor, scale=2.0)
        drawn = np.median(rng.choice(floor, 400_000, p=weight / weight.sum()))
        assert np.log(follows[f"prior of E {said}"]) == pytest.approx(50.0 * (drawn - np.median(floor)), abs=0.02)


@pytest.mark.slow
def test_14_another_prior_by_weights_is_a_fit_under_it():
    """On a table that hardly tells the floor: three posteriors, two of them of programs that nobody else needs."""
    x = design(40)
    inputs = {"N": 1e9 * (x["N"] / 1e9) ** 0.3, "D": 3e10 * (x["D"] / 3e10) ** 0.3}
    weak = js.simulate("chinchilla", TRUTH, inputs, sd=0.03, seed=0)
    fit = js.fit(weak)
    sizes = js.plan(fit, 1e22).draws["N"]
    rows = sensitivity(fit, weak, 1e22, sizes).set_index("assumption")["times"]
    for said, width in (("half as wide", 1.0), ("twice as wide", 4.0)):
        under = js.plan(js.fit(weak, priors={"E": dist.HalfNormal(width)}), 1e22).draws["N"]
        moved = np.median(under) / np.median(sizes)
        error = 1.25 * np.log(sizes).std() * np.sqrt(2 / 3000)  # of two medians of some 3000 draws
        assert abs(np.log(rows[f"prior of E {said}"] / moved)) < 3 * error
    assert rows["prior of E half as wide"] > 1.1


def test_16_the_cut_of_early_runs_is_varied(runs, epoch, leaning):
    without = leaning.filter(like="fewest tokens", axis=0)
    assert list(without.index) == [f"without the {p} % of runs that saw the fewest tokens" for p in (10, 25)]
    d = runs.table["tokens"]
    left = js.fit(runs.take(np.flatnonzero(d > np.quantile(d, 0.25))), method="point")
    assert without["params"].iloc[1] == pytest.approx(size_of(left, 1e23), rel=1e-3)
    assert (without["sds"] < 2.0).all(), "on a table that follows the law the cut hardly matters"
    real = js.fit(epoch, method="point")
    moved = sensitivity(real, epoch, BUDGET).set_index("assumption").loc[without.index[0]]
    assert moved["times"] < 0.7, "on the digitised runs it does"
    assert moved["sds"] > 3.0


def test_12_fits_without_a_posterior_have_sizes_and_no_sd(runs):
    made = js.fit(runs, noise="huber")
    rows = sensitivity(made, runs, 1e23)
    assert rows["params"].iloc[0] == pytest.approx(size_of(made, 1e23), rel=1e-3)
    assert rows["sds"].isna().all()
    assert rows["times"].iloc[1] > 1.05


def test_what_the_answer_leans_on_is_in_the_report(runs, tmp_path):
    html.write(js.fit(runs, method="point"), tmp_path / "r.html", budget=1e23)
    page = (tmp_path / "r.html").read_text()
    assert "What the best size leans on" in page
    kept = json.loads(re.findall(r'id="jaxscale-report">(.*?)</script>', page, re.DOTALL)[0])["sensitivity"]
    assert len(kept) == 4
    assert (kept[0]["assumption"], kept[0]["times"]) == ("as fitted", 1.0)


# ---- 13: one ray ----------------------------------------------------------------------------------


def test_13_on_a_ray_no_size_but_the_loss_along_it(collinear):
    fit = js.fit(collinear)
    with pytest.raises(js.PlanError, match="neither can the best split of compute"):
        js.plan(fit, BUDGET)
    (law,) = re.findall(r"--law (\w+) gives it by compute", fit.status.fix)
    along = js.fit(collinear, law, method="point")
    n = 3.0 * collinear.table["params"].max()
    loss = along.predict({"C": 6.0 * 20.0 * n**2})["mean"].item()
    assert loss == pytest.approx(js.get_law("chinchilla")(n, 20.0 * n, **TRUTH), rel=0.015)


# ---- 18, 19: scatter ------------------------------------------------------------------------------


def test_18_scatter_that_changes_with_compute_is_chosen_by_leaving_rows_out():
    runs = ladder(lambda rng, *_: rng.normal(0, 0.01, 48))
    best, said = js.api.choose(runs, js.get_law("chinchilla"), likelihoods(heteroscedastic=20.0))
    assert best == "heteroscedastic"
    assert re.search(r"heteroscedastic \+(19|20)", said[0])


def test_19_small_runs_are_repeated_where_that_helps_most(fit):
    """Twenty runs of one size near the target for the price of a large one."""
    offer = pd.DataFrame({"N": [1e9, 1e10], "D": [2e10, 2e11], "cost": [1.0, 20.0]})
    asked = {"target": {"N": 2e9, "D": 4e10}, "spend": 20.0, "runs": 20, "discrepancy": False, "least": 1e-4}
    once, often = js.suggest(fit, offer, **asked), js.suggest(fit, offer, repeats=20, **asked)
    assert set(often["N"]) == {1e9}
    assert len(often) > 10
    assert often["expected_sd_after"].iloc[-1] < once["expected_sd_after"].iloc[-1]


# ---- 21, 22: exponents ----------------------------------------------------------------------------


def test_21_no_ridge_to_a_floor_below_zero():
    """Losses straight in the logarithms: least squares alone goes to alpha = 0 and a floor of minus hundreds."""
    x, rng = design(40), np.random.default_rng(0)
    loss = (6.5 - 0.09 * np.log(x["N"]) - 0.06 * np.log(x["D"])) * np.exp(rng.normal(0, 0.003, 40))
    bent = js.read_runs(pd.DataFrame({"params": x["N"], "tokens": x["D"], "loss": loss}))
    point = js.fit(bent, method="point").point
    assert 0.0 <= point["E"] < loss.min()
    assert min(point["alpha"], point["beta"]) > 0.02
    terms = point["A"] * x["N"] ** -point["alpha"], point["B"] * x["D"] ** -point["beta"]
    assert max(v.max() for v in terms) < loss.max()
    said = next(f for f in js.doctor(bent) if f.code == "patterns")
    assert "too high at both ends" in said.message


@pytest.mark.slow
def test_22_one_exponent_for_both_costs_a_size(surface):
    """What forcing them to be equal costs: law `gadre` has one, and misses runs that the law of two fits exactly."""
    two, one = (js.fit(surface, law, noise="least_squares") for law in ("chinchilla", "gadre"))
    left = [float(np.sqrt(np.mean(f.residuals()["residual"] ** 2))) for f in (two, one)]
    assert left[0] < 1e-4 < 0.005 < left[1]
    truth = optimum(1e24, UNEVEN)
    assert size_of(two, 1e24) == pytest.approx(truth, rel=0.01)
    assert abs(np.log(size_of(one, 1e24) / truth)) > np.log(2.0)


# ---- 25: digits -----------------------------------------------------------------------------------


def by_hand(runs: js.Runs, p: dict[str, float], kind: type) -> np.ndarray:
    """Log density of each row's log loss under Student-t noise, in NumPy numbers of a kind."""
    from scipy.special import gammaln

    n, d, y = (runs.table[c].to_numpy().astype(kind) for c in ("params", "tokens", "loss"))
    q = {k: kind(v) for k, v in p.items()}
    nu, one, half = q["nu"], kind(1.0), kind(0.5)
    z = np.log(y / (q["E"] + q["A"] * n ** -q["alpha"] + q["B"] * d ** -q["beta"])) / q["sigma"]
    constant = kind(gammaln(float(half * (nu + one))) - gammaln(float(half * nu)))
    constant = constant - half * np.log(nu * kind(np.pi)) - np.log(q["sigma"])
    return constant - half * (nu + one) * np.log1p(z * z / nu)


@pytest.mark.parametrize("platform", sorted({"cpu", jax.default_backend()}))
def test_25_the_log_density_has_its_digits_on_every_device(runs, platform):
    """1e-6 of longer numbers, where single precision is off by hundreds of times that."""
    law, p = js.get_law("chinchilla"), TRUTH | {"sigma": 1e-4, "nu": 4.0}
    with float64(), jax.default_device(jax.devices(platform)[0]):
        model = Model(law, get_noise(None, law.response))
        table = table_of(runs, law)
        lane = jax.tree.map(jnp.asarray, lane_of(table, model.noise, len(table)))
        u = model.from_parameters({k: jnp.asarray(v) for k, v in p.items()}, lane)
        ours = np.asarray(jax.jit(model.log_likelihood)(u, lane))
    exact = by_hand(runs, p, np.longdouble)
    ours = ours + np.log(runs.table["loss"].to_numpy())  # it is a density of the loss
    assert np.abs(ours - exact).max() < 1e-6
    assert np.abs(by_hand(runs, p, np.float32) - exact).max() > 1e-4


# ---- 27, 28: which loss, in which unit ------------------------------------------------------------


def test_27_the_reader_of_a_report_is_told_what_the_loss_is(runs):
    made = js.fit(runs, method="point")
    said = dict(checklist(made, "none"))["Definition of the response"]
    assert "(column 'loss', in nats/token)" in said
    assert "the last, the least or a smoothed one" in said


def test_28_bits_are_nats_once_declared(runs):
    in_bits = runs.table[["params", "tokens"]].assign(loss=runs.table["loss"] / np.log(2))
    usual = js.fit(runs, method="point")
    declared = js.fit(js.read_runs(in_bits, units={"loss": "bits"}), method="point")
    silent = js.fit(js.read_runs(in_bits), method="point")
    assert declared.point == pytest.approx(usual.point, rel=1e-6)
    assert silent.point["E"] == pytest.approx(usual.point["E"] / np.log(2), rel=0.05)
    assert size_of(silent) == pytest.approx(size_of(usual), rel=0.05), "the best size is the same"
    from jaxscale.report import plots

    figure = plots.loss_against_compute(usual)
    assert any("nats/token" in axes.get_ylabel() for axes in figure.axes)


# ---- 30: what a paper should state ----------------------------------------------------------------


def test_30_the_checklist_leaves_nothing_out(fit):
    said = dict(checklist(fit, "Held out: a fifth."))
    assert set(said) >= {
        "Functional form", "Definition of inputs", "Definition of the response", "Data", "Exclusions", "Objective",
        "Noise", "Priors", "Method", "Starts and basins", "Intervals", "Held-out check", "Seed", "Versions",
    }  # fmt: skip
    assert all(said.values())
    assert re.search(r"reached the best optimum", said["Starts and basins"])
    assert "jax " in said["Versions"]


# ---- the page -------------------------------------------------------------------------------------


def test_the_page_names_all_traps_and_tests_that_exist():
    page = (ROOT / "docs" / "traps.md").read_text()
    assert [int(n) for n in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)] == list(range(1, 31))
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)
    assert len(named) >= 30
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"
    ours = {n.name for n in ast.parse(Path(__file__).read_text()).body if isinstance(n, ast.FunctionDef)}
    shown = {n for f, n in named if f == "tests/test_traps.py"}
    assert {n for n in ours if re.match(r"test_\d", n)} == shown, "every test of a trap is on the page"
