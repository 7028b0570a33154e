"""Plans: the closed form, serving, caps, refusals."""

import dataclasses

import numpy as np
import pytest

import jaxscale as js
from jaxscale.decide.plan import frontier


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
    regret = curve - plan.draws["loss"]
    assert regret.min() > -1e-9
    assert np.mean(regret <= best["regret_q95"]) == pytest.approx(0.95, abs=0.01)


def test_serving_favours_smaller_models_and_is_a_true_optimum(fit):
    plain, serving = js.plan(fit, 1e23), js.plan(fit, 1e23, serve_tokens=2e12)
    assert serving.summary().loc["N", "q50"] < plain.summary().loc["N", "q50"]
    draws = fit.draws()
    n = serving.draws["N"]
    np.testing.assert_allclose(6 * n * serving.draws["D"] + 2 * n * 2e12, 1e23, rtol=1e-9)
    for factor in (0.97, 1.03):  # along the same budget no other size does better
        m = n * factor
        d = (1e23 - 2 * m * 2e12) / (6 * m)
        other = draws["E"] + draws["A"] / m ** draws["alpha"] + draws["B"] / d ** draws["beta"]
        assert (other >= serving.draws["loss"] - 1e-12).all()


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
