"""What a law may be wrong by beyond the data: its size, its sign, where there is none, and that it mends coverage."""

import json

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import jaxscale as js
from jaxscale.batch import keys_of, lane_of, rows_for, table_of
from jaxscale.discrepancy import (
    EDGE,
    SCALES,
    SHARED,
    TAILS,
    Discrepancy,
    _errors,
    _log_population,
    _origin,
    kept_discrepancy,
    sized,
)
from jaxscale.infer import cascade
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.population import USUAL, prior_of
from jaxscale.runtime import at_the_door
from jaxscale.trust.backtest import forecasts

COUPLED = {"E": 1.7, "A": 3355.0, "alpha": 0.408, "B": 18186.0, "beta": 0.431, "k": 0.6}
INSIDE, FAR = {"N": 1e9, "D": 1e11}, {"N": [4e10, 1.6e11], "D": [2e12, 8e12]}


def model_of(name: str) -> Model:
    law = js.get_law(name)
    return Model(law, get_noise(None, law.response))


@pytest.fixture(scope="module")
def grid() -> js.Runs:
    """5 x 5 runs in which parameters and tokens are not separable."""
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(3e7, 3e9, 5), np.geomspace(1e9, 1e11, 5)))
    return js.simulate("coupled", COUPLED, {"N": n, "D": d}, noise="normal", sd=0.003, seed=1)


@at_the_door
def scale(runs: js.Runs, name: str) -> float:
    model = model_of(name)
    found = sized(model, table_of(runs, model.law, model.noise))
    assert found is not None
    assert found.origins == 3
    return found.scale


def test_a_law_that_is_worse_than_most_has_its_own_prior():
    for name in ("chinchilla", "kaplan_nd"):
        likeliest = SCALES[_log_population(js.get_law(name)).argmax()]
        assert likeliest == pytest.approx(prior_of(name)[0], rel=0.1)
    assert prior_of("kaplan_nd")[0] > 1.5 * prior_of("chinchilla")[0] == 1.5 * USUAL[0]


def test_a_wrong_law_is_found_out(grid, runs):
    assert scale(grid, "chinchilla") > 2.0 * scale(runs, "chinchilla")
    assert scale(grid, "chinchilla") > 1.5 * scale(grid, "coupled")
    assert scale(runs, "chinchilla") < USUAL[0]


def test_inside_the_data_the_law_is_believed(fit):
    assert fit.predict(INSIDE).equals(fit.predict(INSIDE, discrepancy=False))


def test_beyond_the_data_both_intervals_widen(fit):
    with_it, without = fit.predict(FAR), fit.predict(FAR, discrepancy=False)
    for low, high in (("q05", "q95"), ("new_q05", "new_q95")):
        wider = np.log(with_it[high] / with_it[low]) / np.log(without[high] / without[low])
        assert wider[0] > 1.02
        assert wider[1] > wider[0]
    moved = np.abs(with_it["q50"] - without["q50"])
    assert (moved < 0.25 * (without["q95"] - without["q05"])).all(), "the law is right here, so little is to be mended"
    assert (with_it["new_q95"] > with_it["q95"]).all()


def test_errors_grow_with_the_distance_and_keep_their_sign():
    certain, even = tuple(float(s == SCALES[25]) for s in SCALES), (0.0,) * len(SCALES)
    error = Discrepancy({"N": (8.0, 10.0)}, certain, even, (1.0,) * len(SCALES), 2.0, 3)
    decades = error.decades(js.get_law("kaplan_n"), {"N": np.array([1e7, 1e9, 1e11, 1e12])})
    assert decades == pytest.approx([1.0, 0.0, 1.0, 2.0])
    curve, run = error.draws(decades, 20_000, 0)
    tau = 2.0 * SCALES[25]
    expected = tau * np.sqrt(SHARED) * np.array([1 + EDGE, 0.0, 1 + EDGE, 2 + EDGE])
    assert curve.std(axis=0) == pytest.approx(expected, rel=0.03)
    assert np.corrcoef(curve[:, 2], curve[:, 3])[0, 1] == pytest.approx(1.0)
    assert run.std(axis=0) == pytest.approx(expected / np.sqrt(SHARED), rel=0.03)
    assert np.corrcoef(run[:, 2], run[:, 3])[0, 1] == pytest.approx(SHARED, abs=0.02)
    again, _ = error.draws(decades[2:3], 20_000, 0)
    assert np.array_equal(again[:, 0], curve[:, 2]), "what else is asked does not matter"
    assert kept_discrepancy(json.loads(json.dumps(error.kept()))) == error
    assert error.scale == tau


def test_what_the_errors_of_an_origin_say():
    rng = np.random.default_rng(0)
    along, size, error = rng.normal(size=(6, 3)), rng.uniform(0.1, 2.0, 6), rng.normal(size=6)
    noise = 0.3
    ours = _origin(error, along, noise, size)
    theirs, drift = [], []
    for tau in SCALES[[5, 30]]:
        own = along @ along.T + noise**2 * np.eye(6) + tau**2 * (1 - SHARED) * np.diag(size**2)
        slope = tau * np.sqrt(SHARED) * size
        theirs.append(stats.multivariate_t(np.zeros(6), own + np.outer(slope, slope), TAILS).logpdf(error))
        drift.append(slope @ np.linalg.solve(own + np.outer(slope, slope), error))  # of a, whose prior is standard
    assert ours.log_p[30] - ours.log_p[5] == pytest.approx(theirs[1] - theirs[0], rel=1e-8)
    assert (ours.pull / (1.0 + ours.precision))[[5, 30]] == pytest.approx(drift, rel=1e-6)
    broken = error.copy()
    broken[2] = 1e6
    assert np.abs(np.diff(_origin(broken, along, noise, size).log_p)).max() < 5.0, "one run decides nothing"


def test_the_last_errors_move_the_forecast(grid):
    """The separable law is too high at every origin, so it is lowered beyond the data, and by less than all of it."""
    fit = js.fit(grid, "chinchilla")
    far = {"N": 3e9 * 10**0.5, "D": 1e11 * 10**0.5}
    truth = float(js.get_law("coupled")(far["N"], far["D"], **COUPLED))
    moved, believed = (fit.predict(far, discrepancy=d).iloc[0] for d in (True, False))
    assert believed["q05"] > truth
    assert truth < moved["q50"] < believed["q50"]
    assert moved["q05"] < truth < moved["q95"]


@at_the_door
def test_parameters_explain_what_the_posterior_says_they_do(runs, fit):
    """The linearised spread of the curve beyond the data against that of the draws."""
    model, far = model_of("chinchilla"), {"N": np.array([3e10]), "D": np.array([2e12])}
    table = table_of(runs, model.law, model.noise)
    lane = lane_of(table, model.noise, rows_for(len(table)))
    there = lane | {"x": {s: jnp.full(len(lane["w"]), np.log(v[0])) for s, v in far.items()}}
    _, _, along = _errors(model, cascade.points(model, [lane], keys_of(0, ["fit"])).u[0], lane, there)
    drawn = np.log(fit.curves(far, fit.draws()))[:, 0].std()
    assert np.sqrt((np.asarray(along)[0] ** 2).sum()) == pytest.approx(drawn, rel=0.3)


def test_the_record_is_of_the_mode_and_survives_a_file(grid, tmp_path):
    fit = js.fit(grid, "chinchilla")
    record = fit.discrepancy.record
    assert [counts[:2] for counts in record] == [(10, 15), (15, 10), (20, 5)]
    table = grid.table.iloc[np.argsort(grid.table["params"] * grid.table["tokens"], kind="stable")]
    point = js.fit(table.iloc[:20].reset_index(drop=True), "chinchilla", method="point")
    forecast = point.predict({"N": table["params"].iloc[20:], "D": table["tokens"].iloc[20:]})["mean"]
    errors = np.log(forecast.to_numpy() / table["loss"].iloc[20:].to_numpy())
    assert record[-1][2] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-3)
    fit.save(tmp_path / "fit.nc")
    assert js.load(tmp_path / "fit.nc").discrepancy == fit.discrepancy


def test_none_where_there_is_no_record(runs):
    few = js.fit(runs.take(range(7)), "kaplan_nd", noise="normal")
    assert few.discrepancy is None
    assert few.predict(FAR).equals(few.predict(FAR, discrepancy=False))
    shares = model_of("mixing_law_exp")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.dirichlet([1, 1, 1], 30), columns=["share_1", "share_2", "share_3"]).assign(loss=2.0)
    assert at_the_door(sized)(shares, table_of(js.read_runs(frame), shares.law)) is None


def test_a_backtest_forecasts_as_a_fit_does(grid):
    (believed, _), (scores, points) = forecasts(grid, discrepancy=False), forecasts(grid)
    for fold in (0, 1):
        assert scores.loc[fold, "coverage90"] >= believed.loc[fold, "coverage90"]
        assert scores.loc[fold, "elpd"] > believed.loc[fold, "elpd"] + 2.0
        assert scores.loc[fold, "crps"] < believed.loc[fold, "crps"]
        assert scores.loc[fold, "log_rmse"] < believed.loc[fold, "log_rmse"]
    assert (points["q05"] < points["q95"]).all()
