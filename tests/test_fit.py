"""One table from file to fit: recovery, the gate, refusals, invariance, saving."""

import dataclasses

import arviz as az
import numpy as np
import pytest
import xarray as xr

import jaxscale as js
from jaxscale.readers import read_runs
from jaxscale.status import EBFMI, ESS, PARETO_K, R_HAT, Health
from jaxscale.summary import SUMMARY


def test_recovers_the_truth(fit, truth):
    table = fit.summary()
    assert fit.status.ok
    assert list(table.columns) == list(SUMMARY)
    assert list(table.index) == ["E", "A", "alpha", "B", "beta", "sigma", "nu"]
    for name, value in truth.items():
        assert abs(table.loc[name, "mean"] - value) < 4 * table.loc[name, "sd"]
    assert (table["r_hat"] < R_HAT).all()
    assert (table[["ess_bulk", "ess_tail"]] > ESS).all(axis=None)


def test_agrees_with_nuts_on_another_seed(runs, fit):
    reference = js.fit(runs, method="nuts", seed=7)
    assert reference.status.ok
    ours, theirs = _logs(fit), _logs(reference)
    for name, draws in ours.items():
        error = np.sqrt(1 / 2500 + 1 / 2500)  # both have a few thousand effective draws
        assert abs(draws.mean() - theirs[name].mean()) / theirs[name].std() < 4 * error, name
        assert abs(np.log(draws.std() / theirs[name].std())) < 0.1, name


def _logs(fit):
    return {k: np.log(v) for k, v in fit.draws().items()}


def test_same_seed_same_bits_and_other_seed_other_draws(runs, fit):
    again = js.fit(runs)
    assert again.summary().equals(fit.summary())
    assert not js.fit(runs, seed=1).summary().equals(fit.summary())


def test_data_tree_is_arviz(fit):
    groups = set(fit.data.children)
    assert groups == {"posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data"}
    assert fit.data["log_likelihood"]["loss"].shape == (8, 500, 40)
    loo = az.loo(fit.data, var_name="loss")
    assert np.isfinite(loo.elpd)
    # the likelihood is a density of the loss itself, so other scales compare with it
    draws = fit.draws()
    y = fit.data["observed_data"]["loss"].to_numpy()[0]
    x = {s: fit.data["constant_data"][s].to_numpy()[:1] for s in ("N", "D")}
    mean = fit.curves(x, {k: v[:1] for k, v in draws.items()})[0, 0]
    from scipy.stats import t

    expected = t.logpdf(np.log(y / mean) / draws["sigma"][0], draws["nu"][0]) - np.log(draws["sigma"][0]) - np.log(y)
    assert fit.data["log_likelihood"]["loss"].to_numpy()[0, 0, 0] == pytest.approx(expected, rel=1e-10)


def test_predict_orders_and_widens(fit):
    table = fit.predict({"N": [1e9, 7e10], "D": [2e10, 1.4e12]})
    assert list(table.columns) == ["mean", "sd", "q05", "q50", "q95", "new_q05", "new_q95"]
    assert list(table.index) == [0, 1]
    assert (table["new_q05"] < table["q05"]).all()
    assert (table["new_q95"] > table["q95"]).all()
    assert table.loc[1, "mean"] < table.loc[0, "mean"]
    by_compute = fit.predict({"N": 7e10, "C": 6 * 7e10 * 1.4e12})
    assert by_compute.loc[0, "q50"] == pytest.approx(table.loc[1, "q50"], rel=1e-12)
    with pytest.raises(js.DataError, match="length"):
        fit.predict({"N": [1e9, 2e9, 3e9], "D": [1e10, 2e10]})
    with pytest.raises(js.DataError, match="tokens"):
        fit.predict({"N": 1e9})


def test_save_and_load(fit, tmp_path):
    path = tmp_path / "fit.nc"
    fit.save(path)
    back = js.load(path)
    assert back.summary().equals(fit.summary())
    assert back.status == fit.status
    assert back.predict({"N": 1e9, "D": 1e11}).equals(fit.predict({"N": 1e9, "D": 1e11}))
    assert {k: v for k, v in back.about.items() if k != "notes"} == {k: v for k, v in fit.about.items() if k != "notes"}
    with xr.open_datatree(path) as tree:
        assert "posterior" in tree
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(js.DataError, match="not a saved fit"):
        js.load(path)
    with pytest.raises(js.DataError, match="no such file"):
        js.load(tmp_path / "other.nc")


@pytest.mark.parametrize(
    ("design", "code", "says"),
    [("collinear", "cannot_be_identified", "one line"), ("one size", "cannot_be_identified", "every run has params"),
     ("three runs", "too_few_runs", "3 for the 5 parameters")],
)  # fmt: skip
def test_designs_that_cannot_answer_are_refused(collinear, runs, design, code, says):
    table = {
        "collinear": collinear,
        "one size": read_runs(runs.table.assign(params=1e9)),
        "three runs": runs.take([0, 1, 2]),
    }[design]
    fit = js.fit(table)
    assert not fit.status.ok
    assert fit.status.code == code
    assert says in str(fit.status)
    assert "run" in fit.status.fix
    assert fit.summary().isna().all(axis=None)
    assert fit.predict({"N": 1e9, "D": 1e10}).isna().all(axis=None)
    assert "posterior" not in fit.data
    with pytest.raises(js.PlanError, match=str(fit.status)[:20]):
        js.plan(fit, 1e22)
    assert "a run at N = " in fit.status.fix
    assert js.fit(table, noise="huber").status == fit.status  # a point would only hide it


def test_a_bootstrap_that_misses_its_optima_is_refused(runs, monkeypatch):
    from jaxscale.infer import bootstrap

    def lost(model):
        params = {p: np.ones(bootstrap.AT_ONCE) for p in model.params}
        return lambda lane, weight, u: (params, np.where(np.arange(bootstrap.AT_ONCE) < 10, 9.0, 0.0))

    monkeypatch.setattr(bootstrap, "_program", lost)
    fit = js.fit(runs, noise="huber", method="bootstrap", draws=50)
    assert fit.status.code == "not_converged"
    assert fit.summary().isna().all(axis=None)


def test_what_the_prior_answers_is_said():
    """Losses far above the floor say little of it: the note names E, whatever the flat vector mixes."""
    inputs = {"D": 2.0 ** np.arange(8, 22)}
    steep = js.simulate("rectified_ft", {"E": 0.01, "B": 30.0, "Dl": 5.0, "beta": 0.2}, inputs, sd=0.01)
    fit = js.fit(steep, "rectified_ft")
    assert fit.status.ok
    assert any(note.startswith("These runs say little about E") for note in fit.about["notes"])


def test_nuts_tries_again_with_smaller_steps_where_it_diverged(runs, monkeypatch):
    """And walks on only while its chains may still agree."""
    from jaxscale.infer import nuts

    asked, walks = [], nuts.walks

    def diverging(*args):
        asked.append(args[-1])
        for i, walk in enumerate(walks(*args)):
            assert i == 0  # a divergence cannot be taken back
            yield walk._replace(diverging=walk.diverging.at[0, 0].set(args[-1] == nuts.TARGETS[0]))

    monkeypatch.setattr(nuts, "walks", diverging)
    fit = js.fit(runs, method="nuts")
    assert fit.status.ok
    assert asked == list(nuts.TARGETS)


GOOD = Health("HMC", r_hat=1.001, ess_bulk=2000.0, ess_tail=1500.0, divergences=0, ebfmi=0.9)


@pytest.mark.parametrize(
    ("health", "done", "may"),
    [
        ({}, 0.25, False),  # passed
        ({"r_hat": 1.05}, 0.25, True),
        ({"r_hat": 1.05}, 1.0, False),  # as much as is given already
        ({"r_hat": 1.2}, 0.25, False),
        ({"ess_bulk": 100.0}, 0.25, True),
        ({"r_hat": 1.05, "divergences": 1}, 0.25, False),
        ({"r_hat": float("nan")}, 0.25, False),
    ],
)
def test_chains_walk_on_only_where_it_may_help(health, done, may):
    from types import SimpleNamespace

    from jaxscale.infer.cascade import _may_pass

    now = dataclasses.replace(GOOD, **health)
    assert _may_pass(SimpleNamespace(health=[now], status=[now.status()]), 0, done) is may  # pyright: ignore


GOOD_WEIGHTS = Health("importance", pareto_k=0.3, ess_weights=800.0)


@pytest.mark.parametrize(
    "flaw",
    [{"r_hat": R_HAT + 1e-6}, {"ess_bulk": ESS - 1}, {"ess_tail": ESS - 1}, {"divergences": 1}, {"ebfmi": EBFMI - 0.01},
     {"finite": False}, {"r_hat": float("nan")}, {"ess_bulk": float("nan")}, {"ebfmi": float("nan")}],
)  # fmt: skip
def test_each_flag_of_the_gate(flaw):
    assert GOOD.status().ok
    status = dataclasses.replace(GOOD, **flaw).status()
    assert not status.ok
    assert "Not converged" in str(status)


@pytest.mark.parametrize(
    "flaw", [{"pareto_k": PARETO_K + 0.01}, {"pareto_k": 0.45}, {"pareto_k": float("nan")}, {"ess_weights": ESS - 1}]
)
def test_each_flag_of_the_gate_of_weights(flaw):
    assert GOOD_WEIGHTS.status().ok
    assert not dataclasses.replace(GOOD_WEIGHTS, **flaw).status().ok


def test_a_bad_sampler_is_refused(runs, monkeypatch):
    """Chains that do not move: every stage fails its gate, and nothing is shown."""
    from jaxscale.infer import cascade

    def stuck(job, padded, *_):
        u = np.repeat(np.random.default_rng(0).normal(size=(len(padded), 8, 1, 7)), 500, axis=2)
        yield u, u, np.zeros(u.shape[:3]), np.zeros(u.shape[:3], dtype=bool)

    monkeypatch.setattr(cascade, "_chains", stuck)
    fit = js.fit(runs, method="hmc")
    assert not fit.status.ok
    assert "R-hat" in str(fit.status)
    assert fit.summary().isna().all(axis=None)
    assert "posterior" not in fit.data
    with pytest.raises(ValueError, match="no draws to show"):
        fit.draws()


def test_point_fit_has_no_interval(runs):
    fit = js.fit(runs, noise="huber")
    table = fit.summary()
    assert fit.status.code == "point"
    assert table["mean"].notna().all()
    assert table.drop(columns="mean").isna().all(axis=None)
    forecast = fit.predict({"N": 1e9, "D": 1e11})
    assert forecast["mean"].notna().all()
    assert forecast.drop(columns="mean").isna().all(axis=None)


@pytest.mark.parametrize("noise", ["huber", "least_squares", "least_squares/raw"])
def test_invariance_of_point_fits(runs, noise):
    """Units, order of rows and seed of the starts move no parameter by 1e-5."""
    base = js.fit(runs, noise=noise).point
    frame = runs.table
    scaled = read_runs(frame.assign(params=frame["params"] / 1e9), units={"params": "B"})
    changed = [read_runs(frame.iloc[::-1].reset_index(drop=True)), scaled]
    points = [js.fit(table, noise=noise).point for table in changed]
    points += [js.fit(runs, noise=noise, seed=s).point for s in range(20)]
    for point in points:
        for name, value in base.items():
            assert point[name] == pytest.approx(value, rel=1e-5)


def test_the_sum_and_the_mean_have_one_optimum(runs):
    """Trap 1: with the whole table doubled the sum doubles, and nothing else changes."""
    frame = runs.table
    doubled = read_runs(frame.iloc[np.tile(np.arange(len(frame)), 2)].reset_index(drop=True))
    once, twice = js.fit(runs, noise="huber").point, js.fit(doubled, noise="huber").point
    for name, value in once.items():
        assert twice[name] == pytest.approx(value, rel=1e-5)


def test_point_fit_is_at_scipys_optimum(runs):
    from scipy.optimize import minimize

    point = js.fit(runs, noise="least_squares").point
    n, d, y = (runs.table[c].to_numpy() for c in ("params", "tokens", "loss"))

    def cost(theta):
        logs = np.stack([np.full_like(n, theta[0]), theta[1] - theta[2] * np.log(n), theta[3] - theta[4] * np.log(d)])
        return 0.5 * np.sum((np.logaddexp.reduce(logs) - np.log(y)) ** 2)

    ours = cost([np.log(point["E"]), np.log(point["A"]), point["alpha"], np.log(point["B"]), point["beta"]])
    starts = [
        (e, a, x, b, z)
        for e in (0.0, 1.0)
        for a in (4.0, 8.0)
        for x in (0.3, 0.6)
        for b in (5.0, 9.0)
        for z in (0.3, 0.6)
    ]
    best = min(minimize(cost, s, method="BFGS", options={"gtol": 1e-10}).fun for s in starts)
    assert ours <= best * (1 + 1e-6)


def test_bootstrap_and_priors(runs):
    boot = js.fit(runs, noise="huber", method="bootstrap", draws=100)
    assert boot.status.code == "bootstrap"
    assert boot.draws()["alpha"].shape == (100,)
    assert boot.summary()["sd"].gt(0).all()
    forecast = boot.predict({"N": 1e9, "D": 1e11})
    assert forecast[["q05", "q95"]].notna().all(axis=None)
    assert forecast[["new_q05", "new_q95"]].isna().all(axis=None)
    fixed = js.fit(runs, priors={"alpha": 0.34})
    assert fixed.draws()["alpha"] == pytest.approx(0.34, rel=1e-12)
    assert fixed.status.ok
    with pytest.raises(js.LawError, match="no parameter 'gamma'"):
        js.fit(runs, priors={"gamma": 0.3})
    with pytest.raises(js.ConfigError, match="no method is called"):
        js.fit(runs, method="hcm")
    with pytest.raises(js.ConfigError, match="no noise is called"):
        js.fit(runs, noise="student")
    with pytest.raises(js.ConfigError, match="has no posterior"):
        js.fit(runs, noise="huber", method="nuts")


def test_float32_callers_get_float64(fit):
    """Whatever JAX's mode outside, the engine works in float64 and leaves the mode alone."""
    import jax
    import jax.numpy as jnp

    assert not jax.config.jax_enable_x64
    assert fit.draws()["alpha"].dtype == np.float64
    assert jnp.ones(1).dtype == jnp.float32
    value = fit.law(70_000_000_000, 1.4e12, **fit.law.published["besiroglu2024"])
    assert value.dtype == jnp.float64
    assert float(value) == pytest.approx(1.97388, abs=1e-5)


def test_main_job_on_real_input(epoch):
    """All 245 rows, nothing trimmed: N* within 5 % of the hand-trimmed answer."""
    fit = js.fit(epoch)
    assert fit.status.ok
    row = js.plan(fit, 5.76e23).summary().loc["N"]
    assert row["q50"] == pytest.approx(73.2e9, rel=0.05)
    assert row["q95"] / row["q05"] < 2.0
    trimmed = js.datasets.load("chinchilla_epoch", where="excluded_by_besiroglu == 0")
    huber = js.fit(trimmed, noise="huber").point
    for name, value in {"E": 1.8172, "A": 477.84, "B": 2143.86, "alpha": 0.34731, "beta": 0.36718}.items():
        assert huber[name] == pytest.approx(value, rel=1e-3)


@pytest.mark.slow
def test_hundred_seeds_one_optimum(epoch):
    base = js.fit(epoch, noise="huber").point
    for seed in range(100):
        point = js.fit(epoch, noise="huber", seed=seed).point
        assert all(point[k] == pytest.approx(v, rel=1e-5) for k, v in base.items())
