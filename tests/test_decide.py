"""Plans of a posterior: the closed form, serving, limits, regret, targets, averages, refusals."""

import dataclasses
import time

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale.decide.cost import Cost
from jaxscale.decide.plan import frontier
from jaxscale.trust.average import Average, Part
from tests.conftest import TRUTH


def closed_form(draws, compute):
    g = (draws["alpha"] * draws["A"] / (draws["beta"] * draws["B"])) ** (1 / (draws["alpha"] + draws["beta"]))
    return g * (compute / 6) ** (draws["beta"] / (draws["alpha"] + draws["beta"]))


def test_optimum_is_the_closed_form_for_every_draw(fit):
    plan = js.plan(fit, 1e23)
    np.testing.assert_allclose(plan.draws["N"], closed_form(fit.draws(), 1e23), rtol=1e-4)
    np.testing.assert_allclose(6 * plan.draws["N"] * plan.draws["D"], 1e23, rtol=1e-12)
    table = plan.summary()
    assert list(table.columns) == ["q05", "q50", "q95"]
    assert {"N", "D", "tokens_per_param", "loss", "cost"} <= set(table.index)
    assert (table["q05"] <= table["q95"]).all()


def test_recommended_is_within_its_regret(fit):
    plan = js.plan(fit, 1e23)
    best, valley = plan.recommended, plan.valley()
    assert plan.summary().loc["N", "q05"] < best["N"] < plan.summary().loc["N", "q95"]
    assert valley["N_low"] < best["N"] < valley["N_high"]
    assert plan.valley(0.01)["N_high"] > valley["N_high"]
    curve = fit.curves({"N": np.array([best["N"]]), "D": np.array([best["D"]])}, fit.draws())[:, 0]
    regret = curve - js.plan(fit, 1e23, discrepancy=False).draws["loss"]
    assert regret.min() > -1e-9
    assert np.mean(regret <= best["regret_q95"]) == pytest.approx(0.95, abs=0.01)


def test_serving_favours_smaller_models_and_is_a_true_optimum(fit):
    plain, serving = js.plan(fit, 1e23), js.plan(fit, 1e23, serve_tokens=2e12, discrepancy=False)
    assert serving.summary().loc["N", "q50"] < plain.summary().loc["N", "q50"]
    draws = fit.draws()
    n = serving.draws["N"]
    np.testing.assert_allclose(6 * n * serving.draws["D"] + 2 * n * 2e12, 1e23, rtol=1e-9)
    for factor in (0.97, 1.03):  # along the same budget no other size does better
        m = n * factor
        d = (1e23 - 2 * m * 2e12) / (6 * m)
        other = draws["E"] + draws["A"] / m ** draws["alpha"] + draws["B"] / d ** draws["beta"]
        assert (other >= serving.draws["loss"] - 1e-12).all()


def test_serving_meets_its_first_order_condition_on_every_draw(fit):
    """Sardana and Frankle: the elasticities of the loss stand as eps_N / eps_D = 1 + D_inf / (3 D_train)."""
    plan, served = js.plan(fit, 1e23, serve_tokens=2e12), 2e12
    p, n, d = fit.draws(), plan.draws["N"], plan.draws["D"]
    eps_n = p["alpha"] * p["A"] * n ** -p["alpha"]
    eps_d = p["beta"] * p["B"] * d ** -p["beta"]
    np.testing.assert_allclose(eps_n / eps_d, 1.0 + served / (3.0 * d), rtol=1e-6)


FIVE = {
    "serve_tokens": 2e12,
    "unique_tokens": 5e12,
    "limits": {"N": (1e9, 9e9)},
    "ratio": (5, 2000),
    "multiple_of": {"N": 1e8, "D": 1e9},
}


def test_five_constraints_within_a_second(fit):
    """All of them hold, for the draws and for the recommendation; a warm plan takes less than a second."""
    js.plan(fit, 1e23, **FIVE)
    began = time.perf_counter()
    plan = js.plan(fit, 1e23, **FIVE)
    took = time.perf_counter() - began
    assert len(plan.draws["N"]) == 4000
    assert took < 1.0
    n, d = plan.draws["N"], plan.draws["D"]
    assert n.max() <= 9e9 * (1 + 1e-9)
    assert d.max() <= 5e12
    assert ((d / n >= 5 * (1 - 1e-9)) & (d / n <= 2000 * (1 + 1e-9))).all()
    np.testing.assert_allclose(6 * n * d + 2 * n * 2e12, 1e23, rtol=1e-9)
    best = plan.recommended
    assert best["N"] % 1e8 == pytest.approx(0.0, abs=1.0)
    assert best["D"] % 1e9 == 0.0
    assert 6 * best["N"] * best["D"] + 2 * best["N"] * 2e12 <= 1e23
    assert any("N is held back by its limit" in note for note in plan.notes)


def test_a_cap_that_binds_leaves_budget_unspent(fit):
    plan = js.plan(fit, 1e23, limits={"N": 1e9}, unique_tokens=1e11)
    np.testing.assert_allclose(plan.draws["N"], 1e9, rtol=1e-9)
    np.testing.assert_allclose(plan.draws["D"], 1e11, rtol=1e-9)
    assert plan.draws["cost"].max() < 1e22
    assert any("unspent" in note for note in plan.notes)


def test_costs_of_your_own(fit):
    """A function of N and D that is 6 N D gives the plan of 6nd; one that is no straight line in D is paid exactly."""
    usual = js.plan(fit, 1e23).draws
    mine = js.plan(fit, 1e23, cost=lambda N, D: 6.0 * N * D).draws
    np.testing.assert_allclose(mine["N"], usual["N"], rtol=1e-6)
    money = Cost("money", lambda at: 1e-18 * 6.0 * at["params"] * at["tokens"], lambda at: 1e-18 * 2.0 * at["params"])
    np.testing.assert_allclose(js.plan(fit, 1e5, cost=money).draws["N"], usual["N"], rtol=1e-6)
    bent = js.plan(fit, 1e23, cost=lambda N, D: 6.0 * N * D * (1.0 + (D / 1e12) ** 2), discrepancy=False).draws
    n, d = bent["N"], bent["D"]
    np.testing.assert_allclose(6.0 * n * d * (1.0 + (d / 1e12) ** 2), 1e23, rtol=1e-9)
    p = fit.draws()
    for step in (0.98, 1.02):  # no other size does better along the same budget
        m = n * step
        low, high = np.full_like(n, 1e6), np.full_like(n, 1e16)
        for _ in range(200):
            middle = np.sqrt(low * high)
            over = 6.0 * m * middle * (1.0 + (middle / 1e12) ** 2) > 1e23
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        other = p["E"] + p["A"] / m ** p["alpha"] + p["B"] / low ** p["beta"]
        assert (other >= bent["loss"] - 1e-12).all()
    with pytest.raises(js.JaxscaleError, match="asks for width"):
        js.plan(fit, 1e23, cost=lambda N, width: N * width)


def test_regret_of_candidates(fit):
    plan = js.plan(fit, 1e23, target=2.03, discrepancy=False)
    table = plan.regret([1e10, {"N": 3e10}, {"N": 3e10, "D": 1e11}])
    assert table["D"].to_numpy() == pytest.approx([1e23 / 6e10, 1e23 / 18e10, 1e11])
    p = fit.draws()
    loss = p["E"] + p["A"] / 1e10 ** p["alpha"] + p["B"] / (1e23 / 6e10) ** p["beta"]
    regret = loss - plan.draws["loss"]
    first = table.iloc[0]
    assert first["regret_mean"] == pytest.approx(regret.mean())
    assert first["regret_q90"] == pytest.approx(np.quantile(regret, 0.9))
    assert first["regret_worst"] == pytest.approx(regret.max())
    assert first["p_target"] == pytest.approx(np.mean(loss < 2.03))
    assert first["cvar"] == pytest.approx(np.sort(loss)[3600:].mean())
    assert table["loss_mean"].iloc[2] > table["loss_mean"].iloc[1]
    with pytest.raises(js.PlanError, match="does not say N"):
        plan.regret([{"D": 1e11}])


def test_choices_keep_low_what_they_say(fit):
    plans = {choose: js.plan(fit, 1e23, choose=choose) for choose in ("loss", "regret", "cvar")}
    for choose, column in {"loss": "loss_mean", "regret": "regret_q95", "cvar": "cvar"}.items():
        values = [p.regret([{"N": p.recommended["N"]}])[column][0] for p in plans.values()]
        assert plans[choose].regret([{"N": plans[choose].recommended["N"]}])[column][0] == min(values)
    assert plans["cvar"].recommended["N"] != plans["loss"].recommended["N"]


def test_shapes_are_chosen_among(fit):
    sizes = [7e9, 1.3e10, 3e10, 7e10]
    plan = js.plan(fit, 1e23, shapes=sizes)
    p = fit.draws()
    losses = np.stack([p["E"] + p["A"] / n ** p["alpha"] + p["B"] / (1e23 / 6 / n) ** p["beta"] for n in sizes])
    np.testing.assert_array_equal(plan.draws["N"], np.array(sizes)[losses.argmin(axis=0)])
    assert plan.recommended["N"] == sizes[int(losses.mean(axis=1).argmin())]
    assert list(plan.profile["N"]) == sizes


def test_compute_to_reach_a_target(fit):
    """At each draw's own answer its own best choice has just that loss."""
    plan = js.plan(fit, 1e23, target=2.0, discrepancy=False)
    p, spent = fit.draws(), plan.draws["cost_to_target"]
    n = closed_form(p, spent)
    loss = p["E"] + p["A"] / n ** p["alpha"] + p["B"] / (spent / 6 / n) ** p["beta"]
    np.testing.assert_allclose(loss, 2.0, rtol=1e-7)
    least = js.plan(fit, target=2.0, discrepancy=False)
    assert least.budget == pytest.approx(np.median(spent), rel=1e-3)
    assert 0.2 < least.recommended["p_target"] < 0.6  # one choice does worse than each draw's own


def test_a_simulated_ladder_plans_its_truth(fit):
    """The truth's best size lies within the posterior's 90 % interval, and within the regret that is promised."""
    plan = js.plan(fit, 1e23)
    exact = float(closed_form({k: np.array([v]) for k, v in TRUTH.items()}, 1e23)[0])
    row = plan.summary().loc["N"]
    assert row["q05"] < exact < row["q95"]
    law = js.get_law("chinchilla")

    def true(n):
        return float(law(n, 1e23 / (6 * n), **TRUTH))

    assert true(plan.recommended["N"]) - true(exact) < plan.recommended["regret_q95"]


def test_given_inputs_are_not_chosen(fit):
    plan = js.plan(fit, 1e23, at={"N": 7e9}, discrepancy=False)
    np.testing.assert_allclose(plan.draws["D"], 1e23 / (6 * 7e9), rtol=1e-12)
    p = fit.draws()
    loss = p["E"] + p["A"] / 7e9 ** p["alpha"] + p["B"] / plan.draws["D"] ** p["beta"]
    np.testing.assert_allclose(plan.draws["loss"], loss, rtol=1e-12)


def test_an_average_of_laws_plans(fit, runs):
    """With one law of two it is that law's plan; with two, draws come by weight and regret is across both."""
    other = js.fit(runs, "coupled")
    assert other.status.ok

    def average(weight):
        return Average((Part(fit, 0.0, weight), Part(other, 0.0, 1.0 - weight)), pd.DataFrame(), 0)

    alone = js.plan(average(1.0), 1e23)
    assert alone.recommended["N"] == pytest.approx(js.plan(fit, 1e23).recommended["N"], rel=1e-6)
    both = js.plan(average(0.25), 1e23)
    assert len(both.draws["N"]) == 4000
    np.testing.assert_allclose(both.draws["N"][:1000], closed_form(_kept(fit, 1000), 1e23), rtol=1e-4)
    assert any("average" in note for note in both.notes)
    with pytest.raises(js.PlanError, match="No law"):
        js.plan(Average((), pd.DataFrame(), 0), 1e23)


def _kept(fit, count):
    draws = fit.draws()
    rows = np.random.default_rng(0).permutation(len(draws["A"]))[:count]
    return {k: v[rows] for k, v in draws.items()}


def test_unique_tokens_cap_the_data(fit):
    plan = js.plan(fit, 1e23, unique_tokens=1e11)
    assert plan.draws["D"].max() <= 1e11 * (1 + 1e-9)
    assert any("capped" in note for note in plan.notes)
    loose = js.plan(fit, 1e23, unique_tokens=1e14)
    np.testing.assert_allclose(loose.draws["N"], js.plan(fit, 1e23).draws["N"], rtol=1e-3)


IMPOSSIBLE = [
    {"budget": -1.0},
    {"budget": float("nan")},
    {"budget": 1e23, "serve_tokens": -1.0},
    {"budget": 1e23, "unique_tokens": 0.0},
    {"budget": 1e23, "unique_tokens": 1e3},
    {"budget": 1e15},  # below the smallest run
    {"budget": 1e23, "limits": {"N": (1e10, 1e9)}},
    {"budget": 1e23, "limits": {"N": 1e6}},
    {"budget": 1e23, "limits": {"size": 1e6}},
    {"budget": 1e23, "limits": {"N": 1e9}, "ratio": (None, 1e-4)},
    {"budget": 1e23, "ratio": (1e7, None)},
    {"budget": 1e23, "choose": "luck"},
    {"budget": 1e23, "cvar_level": 1.0},
    {"budget": 1e23, "serve_tokens": 1e20},
    {"budget": None},
    {"budget": 1e23, "target": 1.0},  # below the floor
    {"budget": 1e23, "at": {"N": np.array([1.0, 2.0])}},
    {"budget": 1e23, "shapes": [{"D": 1e9, "size": 3}]},
]


@pytest.mark.parametrize("options", IMPOSSIBLE)
def test_what_cannot_be_planned_says_why(fit, options):
    with pytest.raises(js.PlanError) as error:
        js.plan(fit, **options)
    assert len(str(error.value)) > 30


def test_laws_that_split_no_budget_are_refused():
    runs = js.simulate(
        "hestness", {"alpha": 10.0, "beta_g": -0.3, "gamma": 0.5}, {"m": np.geomspace(1e3, 1e7, 40)}, sd=0.005
    )
    fit = js.fit(runs, "hestness")
    assert fit.status.ok
    with pytest.raises(js.PlanError, match="hestness is a law of examples"):
        js.plan(fit, 1e20)


def test_gadre_plans_in_n_and_d():
    """A law of compute and tokens per parameter; its optimum ratio is (b / a)^(1 / (2 eta))."""
    params = js.get_law("gadre").published["redpajama"]
    rng = np.random.default_rng(0)
    inputs = {"C": 10 ** rng.uniform(17, 21, 40), "M": 10 ** rng.uniform(0.3, 2.5, 40)}
    fit = js.fit(js.simulate("gadre", params, inputs, sd=0.002), "gadre")
    assert fit.status.ok
    plan = js.plan(fit, 1e22)
    draws = fit.draws()
    np.testing.assert_allclose(plan.draws["M"], (draws["b"] / draws["a"]) ** (1 / (2 * draws["eta"])), rtol=1e-3)
    assert {"N", "D", "C", "M"} <= set(plan.summary().index)
    assert fit.predict({"N": 1e9, "D": 2e10})["q50"].notna().all()


def test_point_fit_plans_without_interval(runs):
    plan = js.plan(js.fit(runs, noise="huber"), 1e23)
    row = plan.summary().loc["N"]
    assert row["q05"] == row["q95"]
    assert any("no interval" in note for note in plan.notes)


def test_frontier_grows(fit):
    table = frontier(fit, [1e20, 1e21, 1e22])
    assert (np.diff(table["N_q50"]) > 0).all()
    assert (np.diff(table["loss_q50"]) < 0).all()


def test_a_law_with_a_box_is_not_planned_beyond_it():
    """farseer predicts ever lower losses for huge models on no data: a fit that runs there must not be believed."""
    law = js.get_law("farseer")
    truth = dict(law.published["li2025"])
    rng = np.random.default_rng(0)
    inputs = {"N": 10 ** rng.uniform(8.5, 10.2, 60), "D": 10 ** rng.uniform(9.5, 11.5, 60)}
    fit = js.fit(js.simulate(law, truth, inputs, sd=0.002), law, method="point", progress=False)
    fit = dataclasses.replace(fit, point=truth | {k: v for k, v in fit.point.items() if k not in truth})
    inside = js.plan(fit, budget=1e21)
    assert 0.2e9 < inside.recommended["N"] < 25e9
    with pytest.raises(js.PlanError, match="holds for params from"):
        js.plan(fit, budget=1e27)


def test_a_forecast_in_a_plan_is_that_of_predict(fit):
    """Far beyond the data: the law's own error widens the loss and moves no choice."""
    n, c = 7e10, 1e25
    there = {"N": n, "D": c / 6 / n}
    for beyond in (True, False):
        plan = js.plan(fit, c, at={"N": n}, target=1.9, discrepancy=beyond)
        told = fit.predict(there, discrepancy=beyond).iloc[0]
        np.testing.assert_allclose(plan.summary().loc["loss"], told[["q05", "q50", "q95"]].to_numpy(float), rtol=1e-9)
        assert plan.recommended["loss"] == pytest.approx(told["mean"], rel=1e-9)
        assert plan.recommended["p_target"] == np.mean(plan.draws["loss"] < 1.9)
        assert any(("error of the law itself" in note) == beyond for note in plan.notes if "times the compute" in note)
    wide, narrow = js.plan(fit, c), js.plan(fit, c, discrepancy=False)
    spread = {p: float(np.ptp(plan.summary().loc["loss"])) for p, plan in {"wide": wide, "narrow": narrow}.items()}
    assert spread["wide"] > 1.3 * spread["narrow"]
    np.testing.assert_array_equal(wide.draws["N"], narrow.draws["N"])
    assert wide.recommended["N"] == narrow.recommended["N"]
    assert wide.recommended["regret_q95"] == narrow.recommended["regret_q95"]


def test_what_a_target_takes_allows_for_the_laws_error(fit):
    """At each draw's own compute its own loss, error included, is the target."""
    plan = js.plan(fit, 1e24, target=1.94)
    spent = plan.draws["cost_to_target"]
    reached = np.isfinite(spent)
    believing = js.plan(fit, 1e24, target=1.94, discrepancy=False).draws["cost_to_target"]
    assert reached.mean() > 0.9
    assert np.log(spent[reached]).std() > 1.2 * np.log(believing).std()
    p = {k: v[reached] for k, v in fit.draws().items()}
    n = closed_form(p, spent[reached])
    d = spent[reached] / 6 / n
    loss = p["E"] + p["A"] / n ** p["alpha"] + p["B"] / d ** p["beta"]
    everyone = {"N": np.full(len(spent), 1e12), "D": np.full(len(spent), 1e12)}
    everyone["N"][reached], everyone["D"][reached] = n, d
    values = np.ones(len(spent))
    values[reached] = loss
    np.testing.assert_allclose(fit.with_error(everyone, values)[reached], 1.94, rtol=1e-5)
