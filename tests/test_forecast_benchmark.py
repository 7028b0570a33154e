"""The forecast benchmark in short: what it scores by, a ladder, two curves, and the page that goes with its numbers."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from tests.conftest import TRUTH, design

HOME = Path(__file__).resolve().parents[1] / "benchmarks" / "forecast"
sys.path.append(str(HOME))

import leaderboard  # noqa: E402
from scoring import scores, split  # noqa: E402
from windows import DRAWS, POWER, _mixed, windows  # noqa: E402


def test_scores_of_a_forecast_that_is_known():
    observed = np.array([1.0, 2.0, 4.0])
    forecast = pd.DataFrame({"q50": observed * np.exp([0.1, -0.1, 0.1]), "new_q05": observed / [1.1, 1.1, 0.9],
                             "new_q95": observed * 1.1})  # fmt: skip
    found = scores(forecast, observed)
    assert found["error"] == pytest.approx(0.1)
    assert found["coverage"] == pytest.approx(2 / 3)
    assert found["width"] == pytest.approx(2.0 * np.log(1.1))
    lost = scores(forecast.assign(q50=np.nan, new_q05=np.nan), observed)
    assert np.isnan(list(lost.values())).all()


def test_the_largest_runs_are_held_out():
    runs = pd.DataFrame({"params": [1e9, 1e7, 1e8, 1e6, 1e10], "tokens": 1e9, "loss": 1.0})
    train, test, reach = split(runs, 0.4)
    assert sorted(train.params) == [1e6, 1e7, 1e8]
    assert sorted(test.params) == [1e9, 1e10]
    assert reach == pytest.approx(2.0)


def test_a_ladder_that_follows_its_law_is_forecast():
    """Beside it one whose largest runs do not: the score must tell."""
    spec = importlib.util.spec_from_file_location("forecast_run", HOME / "run.py")
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    runs = js.simulate("chinchilla", TRUTH, design(40), sd=0.01, seed=3).table
    broken = runs.copy()
    largest = (runs.params * runs.tokens).rank(ascending=False) <= 8
    broken.loc[largest, "loss"] *= 1.2
    good, bad = (pd.DataFrame(run.study("simulated", t, ["chinchilla"], 0.2)) for t in (runs, broken))
    told = good[good["discrepancy"] & (good["law"] == "average")].iloc[0]
    assert told["held_out"] == 8
    assert told["error"] < 0.02
    assert told["coverage"] >= 0.75
    assert bad["error"].min() > 0.15
    assert bad["coverage"].max() < 0.5
    wide = good.pivot_table(index="law", columns="discrepancy", values="width")
    assert (wide[True] > wide[False]).all()


def test_curves_are_forecast_by_their_windows():
    """A power law with a floor, and one that bends half way, whose record says that it does."""
    x = np.geomspace(1e3, 2e5, 120)
    straight = 0.1 + 30.0 * x**-0.5
    bent = np.where(x < 3e4, 30.0 * x**-0.5, 30.0 * 3e4**-0.5 * (x / 3e4) ** -0.05)
    rng = np.random.default_rng(0)
    early = x <= 1e5
    curves = {
        name: y * np.exp(0.01 * rng.standard_normal(len(x))) for name, y in (("straight", straight), ("bent", bent))
    }
    found = windows(
        {n: (x[early], y[early]) for n, y in curves.items()}, {n: (x[~early], y[~early]) for n, y in curves.items()}
    )
    told = {name: scores(found[name], curves[name][~early]) for name in curves}
    assert told["straight"]["error"] < 0.02
    assert told["straight"]["coverage"] > 0.8
    assert told["bent"]["width"] > 2.0 * told["straight"]["width"]
    assert told["bent"]["coverage"] > 0.8


def test_a_window_is_as_wide_as_its_record():
    """Draws that agree and do not scatter leave the record's error alone, of one sign a draw."""
    x = np.geomspace(1e4, 2e4, 5)
    found = _mixed([(0.2, POWER, _same(gamma=0.1))], x, seed=0)
    np.testing.assert_allclose(found["q50"], 0.1 + 30.0 * x**-0.5)
    width = np.log(found["new_q95"] / found["new_q05"])
    np.testing.assert_allclose(width, 2.0 * 1.645 * 0.2, rtol=0.15)
    assert np.ptp(width) < 1e-6


def test_the_median_leans_to_the_better_record():
    """Of two parts that disagree, in either order."""
    x = np.geomspace(1e4, 2e4, 5)
    good, bad = (0.01, POWER, _same(gamma=0.1)), (0.3, POWER, _same(gamma=0.2))
    for kept in ([good, bad], [bad, good]):
        found = np.log(_mixed(kept, x, seed=0)["q50"] / (0.1 + 30.0 * x**-0.5))
        assert (found.abs() < 0.02).all()


def _same(gamma):
    """Draws that are all one power law, without scatter."""
    one = {"alpha": 30.0, "beta_g": -0.5, "gamma": gamma, "sigma": 1e-9, "nu": 5.0}
    return {name: np.full(DRAWS, value) for name, value in one.items()}


def test_the_page_goes_with_its_numbers():
    assert leaderboard.PAGE.read_text() == leaderboard.page()
