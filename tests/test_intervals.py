"""Three intervals of every quantity: each against a known answer, and with a fault that it must show."""

import jax
import numpy as np
import pandas as pd
import pytest
from scipy.linalg import sqrtm
from scipy.optimize import minimize
from scipy.stats import chi2

import jaxscale as js
from jaxscale.batch import lane_of, rows_for, table_of
from jaxscale.errors import ConfigError
from jaxscale.model import Model
from jaxscale.runtime import float64
from jaxscale.trust.intervals import COLUMNS, KINDS, _errors

NORMAL_90 = 1.6449
RUNS, EACH, RUN_SD, SD = 24, 8, 0.02, 0.005
SLOPE = 0.1
TABLES = 5


def widths(found: pd.DataFrame, kind: str, logged: bool = False) -> pd.Series:
    low, high = found[f"{kind}_low"], found[f"{kind}_high"]
    return np.log(high / low) if logged else high - low


def power_law(seed: int, run_sd: float = RUN_SD) -> js.Runs:
    """Log loss is a line in log N: ordinary least squares knows the answer. Rows of a run share an error."""
    rng = np.random.default_rng(seed)
    n = np.repeat(np.geomspace(1e7, 1e10, RUNS), EACH)
    shared = np.repeat(run_sd * rng.standard_normal(RUNS), EACH)
    loss = np.exp(0.9 - SLOPE * np.log(n / 1e9) + shared + SD * rng.standard_normal(len(n)))
    named = {"run": np.repeat(np.arange(RUNS), EACH), "step": np.tile(np.arange(EACH), RUNS), "row": np.arange(len(n))}
    return js.read_runs(pd.DataFrame({"params": n, "loss": loss} | named))


def sampling_sd(run_sd: float) -> float:
    """Of the slope, over tables: runs are RUNS independent means."""
    x = np.log(np.geomspace(1e7, 1e10, RUNS))
    return float(np.sqrt((run_sd**2 + SD**2 / EACH) / np.sum((x - x.mean()) ** 2)))


@pytest.fixture(scope="module")
def found(runs, fit) -> pd.DataFrame:
    return js.intervals(runs, at={"N": [1e9, 7e10], "D": [2e10, 1.4e12]}, posterior=fit)


def test_three_agree_where_the_law_and_the_noise_are_right(found, truth):
    assert list(found.columns) == list(COLUMNS)
    assert list(found.index) == ["E", "A", "alpha", "B", "beta", "curve:0", "curve:1"]
    assert found["agree"].all()
    for kind in KINDS:
        assert (found[f"{kind}_low"] < found["estimate"]).all()
        assert (found["estimate"] < found[f"{kind}_high"]).all()
        logged = widths(found, kind, logged=True)
        assert np.allclose(logged / widths(found, "posterior", logged=True), 1.0, atol=0.2)
    inside = found.loc[list(truth)]
    assert (inside["profile_low"] < pd.Series(truth)).all()
    assert (inside["profile_high"] > pd.Series(truth)).all()
    assert found.attrs["clusters"] == 40
    assert found.attrs["failed"] == 0


def test_three_know_least_squares_of_a_line():
    """Independent rows, log loss a line in log N: the slope's interval is that of least squares."""
    runs = power_law(1, run_sd=0.0)
    found = js.intervals(runs, "kaplan_n", noise="normal", cluster="row").loc["aN"]
    x, y = np.log(runs.table["params"].to_numpy()), np.log(runs.table["loss"].to_numpy())
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    half = NORMAL_90 * np.sqrt(covariance[0, 0])
    assert found["estimate"] == pytest.approx(-slope, rel=1e-3)
    for kind, off in (("posterior", 0.1), ("profile", 0.05), ("bootstrap", 0.2)):
        assert found[f"{kind}_low"] == pytest.approx(-slope - half, abs=off * half), kind
        assert found[f"{kind}_high"] == pytest.approx(-slope + half, abs=off * half), kind


def test_a_cluster_bootstrap_sees_what_rows_of_a_run_share():
    """The known answer is the slope's sd over tables; a posterior of independent rows is a third as wide as that."""
    by_run, by_row = [], []
    for seed in range(TABLES):
        runs = power_law(seed)
        one = js.fit(runs, "kaplan_n", noise="normal", seed=seed)
        by_run.append(js.intervals(runs, posterior=one))
        by_row.append(js.intervals(runs, posterior=one, cluster="row"))
    assert (by_run[0].attrs["clusters"], by_row[0].attrs["clusters"]) == (RUNS, RUNS * EACH)
    true = 2.0 * NORMAL_90 * sampling_sd(RUN_SD)
    ratio = {kind: np.mean([widths(one, kind)["aN"] for one in by_run]) / true for kind in KINDS}
    assert ratio["bootstrap"] == pytest.approx(1.0, abs=0.15)  # of one table 24 runs show it to 20 %
    assert ratio["posterior"] < 0.5
    assert ratio["profile"] < 0.5
    assert np.mean([widths(one, "bootstrap")["aN"] for one in by_row]) / true < 0.5
    assert not any(one.loc["aN", "agree"] for one in by_run)
    assert all(one.loc["aN", "agree"] for one in by_row)


def test_residuals_grow_to_errors_by_leverage():
    """Against the matrix itself; without clusters it is the residual over the root of one minus its leverage."""
    rng = np.random.default_rng(0)
    slopes, residual = rng.standard_normal((20, 3)), rng.standard_normal(20)
    slopes = np.column_stack([slopes, slopes[:, 0]])  # a direction twice: no more leverage
    hat = slopes @ np.linalg.pinv(slopes)
    assert np.allclose(_errors(residual, slopes, np.arange(20)), residual / np.sqrt(1.0 - np.diag(hat)))
    clusters = np.repeat(np.arange(5), 4)
    found = _errors(residual, slopes, clusters)
    for rows in (clusters == c for c in range(5)):
        kept = np.eye(4) - hat[np.ix_(rows, rows)]
        assert np.allclose(found[rows], np.linalg.inv(sqrtm(kept).real) @ residual[rows])


def test_profile_ends_are_where_another_optimiser_finds_the_cut(runs, fit, found):
    """The density's largest value with the quantity held there, by SLSQP, is chi-squared / 2 below the mode's."""
    model = Model(fit.law, fit.noise)
    with float64():
        lane = lane_of(table_of(runs, fit.law, fit.noise), fit.noise, rows_for(len(runs)))
        lower = jax.jit(jax.value_and_grad(lambda u: -model.log_density(u, lane)))
        at = {"N": np.log([7e10]), "D": np.log([1.4e12])}

        def quantities(u):
            params = model.parameters(model.coordinates(u), lane)
            named = [params[p] for p in ("E", "A", "alpha", "B", "beta")]
            return jax.numpy.log(jax.numpy.stack([*named, model.mean(params, at)[0]]))

        values, slopes = jax.jit(quantities), jax.jit(jax.jacfwd(quantities))
        means = fit.draws()
        start = model.from_parameters({p: float(np.median(v)) for p, v in means.items()}, lane)
        free = minimize(lambda u: tuple(map(np.asarray, lower(u))), np.asarray(start), jac=True, method="BFGS",
                        options={"gtol": 1e-7})  # fmt: skip
        names = ["E", "A", "alpha", "B", "beta", "curve:1"]
        assert np.allclose(np.exp(values(free.x)), found.loc[names, "estimate"], rtol=1e-4)
        for i, name in enumerate(names):
            for end in ("low", "high"):
                target = float(np.log(found.loc[name, f"profile_{end}"]))
                held = minimize(
                    lambda u: tuple(map(np.asarray, lower(u))), free.x, jac=True, method="SLSQP",
                    constraints={"type": "eq", "fun": lambda u, i=i, target=target: float(values(u)[i]) - target,
                                 "jac": lambda u, i=i: np.asarray(slopes(u)[i])},
                    options={"ftol": 1e-10, "maxiter": 300},
                )  # fmt: skip
                assert held.success, held.message
                assert held.fun - free.fun == pytest.approx(0.5 * chi2.ppf(0.9, 1), abs=1e-3), (name, end)


def test_a_refused_fit_has_no_interval(collinear):
    found = js.intervals(collinear)
    assert not found["agree"].any()
    assert found.drop(columns="agree").isna().all(axis=None)
    assert found.attrs["status"] == str(js.fit(collinear).status)


def test_residuals_without_a_sign_are_not_turned(runs):
    """Runs lag behind a frontier on one side: turned over they would run ahead of it."""
    found = js.intervals(runs, noise="frontier", draws=40)
    assert found[["bootstrap_low", "bootstrap_high"]].isna().all(axis=None)
    assert found[["profile_low", "posterior_low"]].notna().all(axis=None)
    assert found["agree"].any(), "the two that there are may agree"


def test_what_cannot_be_asked_is_refused(runs, fit):
    for wrong, said in (
        ({"level": 1.0}, "between 0 and 1"),
        ({"level": 0.99, "draws": 100}, "at least 400 draws"),
        ({"cluster": "seed"}, "no column is called 'seed' to cluster by; the table has"),
        ({"posterior": fit, "runs": power_law(0)}, "a fit of other runs"),
        ({"noise": "huber"}, "noise 'huber' has no posterior"),
        ({"posterior": js.fit(runs, method="point")}, "posterior is a point fit"),
    ):
        with pytest.raises(ConfigError, match=said):
            js.intervals(**{"runs": runs} | wrong)


def test_a_saved_fit_gives_the_same_unless_its_priors_are_lost(runs, fit, found, tmp_path):
    fit.save(tmp_path / "a.nc")
    again = js.intervals(runs, at={"N": [1e9, 7e10], "D": [2e10, 1.4e12]}, posterior=js.load(tmp_path / "a.nc"))
    pd.testing.assert_frame_equal(again, found)
    fixed = js.fit(runs, priors={"alpha": 0.34})
    with_it = js.intervals(runs, posterior=fixed, draws=40)
    assert "alpha" not in with_it.index
    assert with_it.loc["A", "profile_high"] < found.loc["A", "profile_high"]
    fixed.save(tmp_path / "b.nc")
    with pytest.raises(ConfigError, match="had its own of alpha"):
        js.intervals(runs, posterior=js.load(tmp_path / "b.nc"))
