"""Doctor and backtest: each trap that a table can show, and scores that mean what they say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jaxscale as js
from jaxscale.trust.backtest import _crps, forecasts
from jaxscale.words import plain


def codes(findings):
    return [f.code for f in findings]


def test_a_good_table_gets_no_warning(runs):
    assert not [f for f in js.doctor(runs) if f.level != "note"]


def test_outliers_by_name(runs):
    table = runs.table.assign(run=[f"m{i}" for i in range(len(runs))])
    table.loc[[4, 17], "loss"] *= [1.2, 1.1]
    found = next(f for f in js.doctor(js.read_runs(table)) if f.code == "outliers")
    assert found.message.startswith("2 of 40")
    assert found.message.index("run m4 (+") < found.message.index("run m17 (+")


def test_doctor_names_besiroglus_five(epoch):
    found = next(f for f in js.doctor(epoch) if f.code == "outliers")
    five = [epoch.label(int(i)) for i in np.flatnonzero(epoch.table["excluded_by_besiroglu"])]
    named = found.message.split("farthest first: ")[1]
    assert len(five) == 5
    assert sorted(n.split(" (")[0] for n in named.split(", ")[:5]) == sorted(five)


def test_collinear_narrow_few_levels_few_runs(collinear, runs):
    found = js.doctor(collinear)
    assert found[0].level == "error"
    assert found[0].code == "cannot_be_identified"
    rng = np.random.default_rng(0)
    nearly = collinear.table.assign(tokens=collinear.table["tokens"] * np.exp(rng.normal(0, 0.3, 40)))
    assert "collinear" in codes(js.doctor(js.read_runs(nearly)))
    two_sizes = runs.table.assign(params=np.where(runs.table["params"] > 1e9, 2e9, 2e8))
    assert "few_levels" in codes(js.doctor(js.read_runs(two_sizes)))
    narrow = runs.table.assign(params=1e9 * (runs.table["params"] / 1e9) ** 0.2)
    assert "narrow" in codes(js.doctor(js.read_runs(narrow)))
    assert "few_runs" in codes(js.doctor(runs.take(range(8))))


def test_extrapolation_and_exclusions_are_said(runs):
    found = js.doctor(runs.exclude([0], "crashed"), budget=1e26)
    assert "excluded" in codes(found)
    far = next(f for f in found if f.code == "extrapolation")
    largest = (6 * runs.table["params"] * runs.table["tokens"]).iloc[1:].max()
    assert f"1e26 FLOP is {plain(1e26 / largest, digits=2)} times" in far.message
    assert "extrapolation" in codes(js.doctor(runs, budget=largest))


def test_backtest_holds_out_the_largest(runs):
    scores, points = forecasts(runs)
    assert list(scores.columns) == [
        "law",
        "fold",
        "n_train",
        "n_test",
        "log_rmse",
        "crps",
        "coverage90",
        "elpd",
        "status",
    ]
    assert list(scores["n_train"]) == [32, 24, 16]
    compute = np.sort(6 * runs.table["params"] * runs.table["tokens"])
    held = points[points["fold"] == 0]
    np.testing.assert_allclose(np.sort(held["order"]), compute[-8:])
    assert scores.loc[0, "coverage90"] == pytest.approx(held["inside"].mean())
    assert scores.loc[0, "log_rmse"] == pytest.approx(
        np.sqrt(np.mean(np.log(held["q50"] / held["observed"]) ** 2)), rel=1e-9
    )
    assert 0 < scores.loc[0, "log_rmse"] < 0.05
    pd.testing.assert_frame_equal(js.backtest(runs, laws=["chinchilla"]), scores)


def test_held_out_runs_do_not_reach_the_fit(runs):
    """Changing the losses that are held out changes no forecast."""
    compute = runs.table["params"] * runs.table["tokens"]
    top = compute.rank(ascending=False) <= 8
    spoiled = js.read_runs(runs.table.assign(loss=np.where(top, runs.table["loss"] * 1.5, runs.table["loss"])))
    (_, a), (scores, b) = forecasts(runs), forecasts(spoiled)
    a, b = (p[p["fold"] == 0].reset_index(drop=True) for p in (a, b))
    pd.testing.assert_frame_equal(a[["q05", "q50", "q95"]], b[["q05", "q50", "q95"]])
    assert scores.loc[0, "coverage90"] == 0.0


def test_refused_folds_have_no_scores(collinear):
    scores, points = forecasts(collinear)
    assert scores[["log_rmse", "crps", "coverage90", "elpd"]].isna().all(axis=None)
    assert scores["status"].str.contains("Cannot be identified").all()
    assert points.empty
    with pytest.raises(js.ConfigError, match="hold_out"):
        js.backtest(collinear, hold_out=0.7)
    with pytest.raises(js.ConfigError, match="no predictive"):
        js.backtest(collinear, noise="huber")


def test_crps_of_a_normal_is_the_closed_form():
    draws = np.random.default_rng(0).normal(size=(200_000, 3))
    y = np.array([-1.0, 0.0, 2.5])
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(_crps(draws, y), exact, atol=5e-3)
