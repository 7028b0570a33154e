"""The backtest: scores that mean what they say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jaxscale as js
from jaxscale.trust.backtest import _crps, forecasts
from jaxscale.trust.conformal import misses, stretch


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
        "stretch90",
        "conformal90",
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


def test_conformal_intervals_hold_their_share_whatever_the_model_believes():
    """Forecasts that believe a third of the true spread, on one side of zero only: the stretch mends both."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        y = np.exp(0.03 * rng.standard_t(4, 40))
        points = pd.DataFrame({"observed": y, "q05": np.exp(-0.0164), "q50": 1.0, "q95": np.exp(0.0164)})
        scores = misses(points, on_log=True)
        assert np.array_equal(scores <= 1.0, (points["q05"] <= y) & (y <= points["q95"]))
        inside.append(float(np.mean(scores[20:] <= stretch(scores[:20]))))
    assert np.mean(inside) == pytest.approx(0.9 + 0.1 / 21, abs=0.02)  # rank 19 of 20 is exceeded by 2 of 21
    assert np.isnan(stretch(np.ones(8)))
    assert stretch(np.ones(9)) == 1.0


def test_the_conformal_check_looks_only_back(runs):
    scores, points = forecasts(runs)
    past = misses(points[points["fold"] > 0], on_log=True)
    assert scores.loc[0, "stretch90"] == pytest.approx(stretch(past))
    held = misses(points[points["fold"] == 0], on_log=True)
    assert scores.loc[0, "conformal90"] == np.mean(held <= stretch(past))
    assert scores.loc[1:, ["stretch90", "conformal90"]].isna().all(axis=None)  # eight forecasts before it, or none


def test_crps_of_a_normal_is_the_closed_form():
    draws = np.random.default_rng(0).normal(size=(200_000, 3))
    y = np.array([-1.0, 0.0, 2.5])
    exact = y * (2 * stats.norm.cdf(y) - 1) + 2 * stats.norm.pdf(y) - 1 / np.sqrt(np.pi)
    np.testing.assert_allclose(_crps(draws, y), exact, atol=5e-3)
