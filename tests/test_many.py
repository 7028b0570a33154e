"""Many tables at once: what is given back, that tables do not touch each other, and bits that nothing else moves."""

import dataclasses
import os
import subprocess
import sys

import arviz as az
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale import diagnose
from jaxscale.batch import LANES, keys_of, lane_of, rows_for, stack, table_of
from jaxscale.infer import cascade, collapsed, mixture
from jaxscale.infer.programs import programs
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.readers import read_runs
from jaxscale.runtime import float64
from jaxscale.status import ESS, PARETO_K, R_HAT, ROUGH_ESS, ROUGH_K
from tests.batch_job import ROOT, assert_same_bits, contents, errors_away, narrow, tables

PARAMS = ["E", "A", "alpha", "B", "beta", "sigma", "nu"]
SUMMARY = ["mean", "sd", "q05", "q50", "q95", "r_hat", "ess_bulk", "ess_tail"]
FORECAST = ["mean", "sd", "q05", "q50", "q95", "new_q05", "new_q95"]
AT = {"N": [1e9, 7e10], "D": [2e10, 1.4e12]}


@pytest.fixture(scope="module")
def made(runs):
    """Two shapes of table; one that chains fail on, so that lanes are regrouped; one under the id that js.fit uses."""
    return tables(range(9)) | {"narrow": narrow(7, span=8), "fit": runs}


@pytest.fixture(scope="module")
def batch(made):
    return js.fit_many(made)


@pytest.fixture(scope="module")
def points(made):
    return js.fit_many(made, noise="huber")


# ---- what is given back ----------------------------------------------------------------------


def test_summary_is_long(batch, made):
    table = batch.summary()
    assert list(table.columns) == ["fit", "parameter", *SUMMARY]
    assert list(table.fit) == [name for name in made for _ in PARAMS]
    assert list(table.parameter) == PARAMS * len(made)
    assert (table.q05 < table.q50).all()
    assert (table.q50 < table.q95).all()
    assert len(batch) == 11
    assert list(batch) == list(made)
    assert repr(batch) == "Fits(chinchilla, 11 tables, 11 of them ok)"


def test_status_is_the_worst_of_the_summary(batch, made):
    table = batch.status()
    assert list(table.columns) == ["ok", "status", "method", "r_hat", "ess", "pareto_k"]
    assert table.index.name == "fit"
    assert list(table.index) == list(made)
    assert table.ok.dtype == bool
    assert table.ok.all()
    assert table.status.str.startswith("Converged (").all()
    assert table.method["narrow"].endswith("importance")
    assert ESS < batch.health().ess_weights["narrow"] == table.ess["narrow"]
    assert table.pareto_k["narrow"] < PARETO_K
    chains = table[table.method == "HMC"]
    assert len(chains) > 6
    worst = batch.summary().groupby("fit").agg({"r_hat": "max", "ess_bulk": "min", "ess_tail": "min"}).loc[chains.index]
    assert (chains.r_hat == worst.r_hat).all()
    assert (chains.r_hat < R_HAT).all()
    assert (chains.ess == worst[["ess_bulk", "ess_tail"]].min(axis=1)).all()
    assert (chains.ess > ESS).all()


def test_a_fit_of_a_batch_is_that_of_fit(runs, fit, made, batch, points):
    """Under the id that js.fit draws its key from, to the bit; under another, within the error of both."""
    ours = batch.summary().set_index(["fit", "parameter"])
    assert ours.loc["fit"].equals(fit.summary())
    assert list(batch.health().stages["fit"]) == fit.about["stages"]
    assert batch.status().status["fit"] == str(fit.status)
    assert batch.points().loc["fit", PARAMS].to_dict() == dict(fit.point)
    assert points.points().loc["fit", PARAMS[:5]].to_dict() == dict(js.fit(runs, noise="huber").point)
    for name in ("table 0", "table 5"):
        pair = ours.loc[name], js.fit(made[name], seed=1).summary()
        assert all((one.r_hat < R_HAT).all() for one in pair)
        error = np.sqrt(sum(1 / one.ess_bulk for one in pair))
        assert ((pair[0]["mean"] - pair[1]["mean"]).abs() < 4 * error * pair[1]["sd"]).all()
        # a quantile of 5 % scatters by sqrt(.05 .95 / ess) over the density there, about 2.1 sd of a normal;
        # coefficients have longer tails to the right, hence logarithms
        error = 2.1 * np.sqrt(sum(1 / one.ess_tail for one in pair)) * np.log(pair[1].q95 / pair[1].q05) / 3.29
        for q in ("q05", "q95"):
            assert (np.log(pair[0][q] / pair[1][q]).abs() < 4 * error).all()
        point = points.summary().set_index(["fit", "parameter"]).loc[name, "mean"].to_dict()
        assert point == pytest.approx(js.fit(made[name], noise="huber", seed=3).point, rel=1e-6)


def test_predictions_and_draws_are_those_of_fit(fit, made, batch):
    every = js.fit_many({name: made[name] for name in ("table 2", "fit", "table 0")}, keep=4000)
    table = every.predict(AT)
    assert list(table.columns) == ["fit", *FORECAST]
    assert list(table.fit) == ["table 2", "table 2", "fit", "fit", "table 0", "table 0"]
    assert list(table.index) == list(range(6))
    own = table[table.fit == "fit"].drop(columns="fit").reset_index(drop=True)
    assert own.equals(fit.predict(AT, discrepancy=False)), "a batch has no record of each table, and believes its law"
    with pytest.raises(js.DataError, match="tokens"):
        every.predict({"N": 1e9})
    kept, thinned = every.draws("fit"), batch.draws("fit")
    assert list(kept) == list(thinned) == PARAMS
    for name, values in fit.draws().items():
        assert np.array_equal(kept[name], values)
        assert np.array_equal(thinned[name], values[::4])
    with pytest.raises(js.ConfigError, match="no fit is called 'fitt'"):
        batch.draws("fitt")


def test_data_has_a_dimension_of_fits(batch, made):
    group = batch.data["posterior"]
    assert set(group.data_vars) == set(PARAMS)
    assert group["alpha"].dims == ("fit", "chain", "draw")
    assert group["alpha"].shape == (len(made), 1, 1000)
    assert list(group["fit"].to_numpy()) == list(made)
    assert np.array_equal(group["beta"].sel(fit="table 4").to_numpy()[0], batch.draws("table 4")["beta"])
    assert batch.data["status"]["ok"].to_numpy().all()
    assert az.extract(batch.data, var_names="alpha").sizes == {"fit": len(made), "sample": 1000}


def test_points_have_no_interval(made, points):
    table, status, forecast = points.summary(), points.status(), points.predict(AT)
    assert list(points.points().columns) == [*PARAMS[:5], "objective", "decrement", "in_best", "second"]
    assert list(points.points().index) == list(made)
    assert table["mean"].notna().all()
    assert table[SUMMARY[1:]].isna().all(axis=None)
    assert (status.method == "point").all()
    assert status.status.str.contains("optimum was reached").all()
    assert list(forecast.fit) == [name for name in made for _ in range(2)]
    assert forecast["mean"].notna().all()
    assert forecast[FORECAST[1:]].isna().all(axis=None)
    assert set(points.data.children) == {"status"}
    with pytest.raises(ValueError, match=r"fit: no draws to show\. Point fit"):
        points.draws("fit")


def test_no_draws_kept(made, batch):
    fits = js.fit_many({name: made[name] for name in ("table 0", "table 1")}, keep=0)
    assert fits.summary().equals(batch.summary().head(14))
    assert set(fits.data.children) == {"status"}
    for ask in (lambda: fits.predict(AT), lambda: fits.draws("table 0")):
        with pytest.raises(js.ConfigError, match="keep=0"):
            ask()


def test_counts():
    truth, inputs = {"a": -3.0, "b": -0.35}, {"k": 2.0 ** np.arange(14), "trials": 400.0}
    made = {str(i): js.simulate("coverage_exp_power", truth, inputs, seed=i) for i in range(3)}
    fits = js.fit_many(made, "coverage_exp_power", keep=4000)
    assert fits.status().ok.all()
    for _, row in fits.summary().iterrows():
        assert abs(row["mean"] - truth[row["parameter"]]) < 4 * row["sd"]
    ours, theirs = fits.predict({"k": 1e4}).iloc[0], js.fit(made["0"], "coverage_exp_power").predict({"k": 1e4}).iloc[0]
    assert ours["new_q05"] * 400 == pytest.approx(round(ours["new_q05"] * 400), abs=1e-9)  # a share of 400 trials
    assert (ours[FORECAST] - theirs[FORECAST]).abs().max() < 0.005  # two counts of 400


def test_runs_frames_and_paths_are_one(made, points, tmp_path):
    made["table 1"].table.to_csv(tmp_path / "runs.csv", index=False)
    made["table 1"].table.to_parquet(tmp_path / "runs.parquet")
    mixed = {"table 0": made["table 0"], "table 1": "", "table 2": made["table 2"].table}
    for path in (str(tmp_path / "runs.csv"), tmp_path / "runs.parquet"):
        assert_same_bits(js.fit_many(mixed | {"table 1": path}, noise="huber"), points, mixed)


def test_one_table_with_a_group(made, points):
    """Rows of families interleaved; ids in the order of first appearance, as text."""
    names = ["table 2", "table 0", "table 1"]
    frame = pd.concat([made[name].table.assign(family=name, at=range(len(made[name]))) for name in names])
    frame = frame.sort_values("at", kind="stable").reset_index(drop=True)
    runs = read_runs(frame, group="family")
    fits = js.fit_many(runs, noise="huber")
    assert list(fits) == names
    assert_same_bits(fits, points, names)
    hurt = dataclasses.replace(runs, table=frame.assign(loss=frame.loss.where(frame.index < len(frame) - 1)))
    fits = js.fit_many(hurt, noise="huber")
    assert fits.health().code[frame.family.iloc[-1]] == "cannot_be_read"
    assert_same_bits(fits, points, set(names) - {frame.family.iloc[-1]})
    numbered = read_runs(frame.assign(family=frame["at"] % 3), group="family")
    assert list(js.fit_many(numbered, noise="huber")) == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("options", "says"),
    [({"executor": "slurm"}, "no executor is called 'slurm'; there are local, ray"),
     ({"method": "bootstrap"}, "no bootstrap"), ({"method": "hcm"}, "no method is called"),
     ({"noise": "huber", "method": "nuts"}, "has no posterior"), ({"noise": "binomial"}, "does not describe"),
     ({"tables": {}}, "no table to fit"), ({"tables": [1, 2]}, "a mapping of ids"),
     ({"tables": "runs.csv"}, "a mapping of ids"), ({"tables": "one"}, "group"),
     ({"tables": {1: "a.csv", "1": "b.csv"}}, "same id")],
)  # fmt: skip
def test_options_that_do_not_exist(runs, options, says):
    options = {"tables": {"a": runs}} | options | ({"tables": runs} if options.get("tables") == "one" else {})
    with pytest.raises(js.ConfigError, match=says):
        js.fit_many(**options)


def test_nothing_can_be_read(runs, tmp_path):
    with pytest.raises(js.DataError, match="no such file"):
        js.fit_many({"a": str(tmp_path / "a.csv"), "b": runs.table.drop(columns="loss")})
    with pytest.raises(js.DataError, match="loss"):
        js.fit_many(dataclasses.replace(runs, table=runs.table.assign(loss=np.nan, family="x"), group="family"))


# ---- tables do not touch each other ----------------------------------------------------------


def test_bad_tables_hurt_no_other(made, batch, collinear):
    table, where = made["table 0"].table, "row 3, column 'loss'"
    bad = {
        "nan": (table.assign(loss=table.loss.where(table.index != 3)), "cannot_be_read", where),
        "below 0": (table.assign(loss=table.loss.where(table.index != 3, -1.0)), "cannot_be_read", where),
        "no column": (table.drop(columns="tokens"), "cannot_be_read", "tokens"),
        "no file": ("nowhere.csv", "cannot_be_read", "no such file"),
        "collinear": (collinear, "cannot_be_identified", "one line"),
        "three runs": (made["table 0"].take([0, 1, 2]), "too_few_runs", "3 for the 5"),
    }
    mixed = {"nan": bad["nan"][0]} | made | {name: entry[0] for name, entry in bad.items()}
    fits = js.fit_many(mixed)
    assert list(fits) == list(mixed)
    assert repr(fits) == "Fits(chinchilla, 17 tables, 11 of them ok)"
    for name, (_, code, says) in bad.items():
        assert fits.health().code[name] == code
        assert says in fits.status().status[name]
        with pytest.raises(ValueError, match=f"{name}: no draws to show. Cannot be |Too few runs"):
            fits.draws(name)
    status = fits.status().loc[list(bad)]
    assert not status.ok.any()
    assert (status.method == "none").all()
    assert status[["r_hat", "ess", "pareto_k"]].isna().all(axis=None)
    for frame, rows in ((fits.summary(), len(PARAMS)), (fits.predict(AT), 2)):
        blank = frame[frame.fit.isin(bad)].drop(columns=["fit", "parameter"], errors="ignore")
        assert len(blank) == rows * len(bad)
        assert blank.isna().all(axis=None)
    assert fits.points().loc[list(bad)].isna().all(axis=None)
    assert np.isnan(fits.data["posterior"]["alpha"].sel(fit=list(bad)).to_numpy()).all()
    assert_same_bits(fits, batch, made)


# ---- bits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"workers": 1}, {"workers": 2, "shard_size": 2}, {"workers": 3, "shard_size": 5}])
def test_shards_workers_and_order_move_no_bit(made, batch, options):
    names = list(made)[::-1]
    fits = js.fit_many({name: made[name] for name in names}, **options)
    assert list(fits) == names
    assert (len(fits.shards) > 1) == ("shard_size" in options)
    assert_same_bits(fits, batch, made)


def test_neighbours_move_no_bit(made, batch):
    for names in (["narrow"], ["table 3", "fit"], list(made)[5:]):
        assert_same_bits(js.fit_many({name: made[name] for name in names}), batch, names)


def test_seed_and_id_move_bits(made, batch):
    other = js.fit_many({"table 0": made["table 0"], "renamed": made["table 0"]}, seed=1).summary()["mean"].to_numpy()
    assert len({*other, *batch.summary()["mean"].head(7)}) == 21


# two devices are other programs, a minute of compiling
@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_devices_move_no_bit(tmp_path, devices):
    """Folders of a process that has so many devices and of this one."""
    js.fit_many(tables(range(6)), out=tmp_path / "here", shard_size=2)
    job = [sys.executable, "-m", "tests.batch_job", tmp_path / "there", "--tables=6", '--options={"shard_size": 2}']
    flags = os.environ | {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    said = subprocess.run(job, cwd=ROOT, env=flags, check=True, stdout=subprocess.PIPE, text=True, timeout=300).stdout
    assert said == f"{devices} devices\n"
    assert len(contents(tmp_path / "here")) > 4
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


# ---- collapsed importance sampling -----------------------------------------------------------


@pytest.fixture(scope="module")
def bent():
    """A narrow table whose floor bends away, though not so far that NUTS is lost: model, lane, start, long NUTS."""
    runs, law = narrow(0, span=16), js.get_law("chinchilla")
    reference = js.fit(runs, method="nuts", draws=16000)
    assert reference.status.ok
    model = Model(law, get_noise(None, law.response))
    with float64():
        lane = lane_of(table_of(runs, law), model.noise, rows_for(len(runs)))
        found = cascade.sample(model, [lane], keys_of(0, ["narrow"]), method="importance").proposal
        return model, *jax.tree.map(jnp.asarray, (lane, (found.centre[0], found.factor[0]))), reference


def test_collapsed_importance_sampling_agrees_with_nuts(bent):
    """Of 14 moments none is four Monte Carlo standard errors away."""
    model, lane, start, reference = bent
    with float64():
        packed = stack([lane] * LANES), *(np.stack([s] * LANES) for s in start)
        found = programs(model).collapsed(*packed, jax.random.split(jax.random.key(0), LANES))
        found = jax.tree.map(np.asarray, found)
    assert (diagnose.psis(found.log_weight)[1] < PARETO_K).all()
    assert (diagnose.importance_ess(found.log_weight) > 0.5 * collapsed.LAST).all()
    assert errors_away(np.concatenate(found.values), np.concatenate(found.log_weight), reference) < 4


TERMS = ("nothing", "slope", "conditional", "determinant of the conditional", "proposal")


@pytest.fixture(scope="module")
def flawed(bent):
    """Collapsed importance sampling less one term of its weights; one program, told at run time which."""
    model, lane, start, _ = bent
    complete, density = collapsed._complete, collapsed.t_log_density

    def sample(key, less):
        def completed(model, lane, bent, v, kick):
            u, log_target, conditional = complete(model, lane, bent, v, kick)
            slope = sum(s.bijector.log_slope(u[i]) for i, s in enumerate(model.sites) if i not in model.linear)
            determinant = conditional - density(kick[None, :])[0]
            return u, log_target - less[1] * slope, conditional - less[2] * conditional - less[3] * determinant

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(collapsed, "_complete", completed)
            patch.setattr(collapsed, "t_log_density", lambda z: density(z) * (1 - less[4] if len(z) > 1 else 1.0))
            found = collapsed.collapsed(model, lane, *start, key)
        return found.values, found.log_weight

    return jax.jit(sample)


@pytest.mark.parametrize("term", TERMS)
def test_a_term_dropped_from_the_weights_shows(bent, flawed, term):
    less = np.array([float(t == term) for t in TERMS])
    with float64():
        parts = [flawed(jax.random.key(i), less) for i in range(3)]
        values, log_weight = (np.concatenate([np.asarray(p) for p in part]) for part in zip(*parts, strict=True))
    assert (errors_away(values, log_weight, bent[-1]) < 4) == (term == "nothing")


# ---- importance sampling by a mixture --------------------------------------------------------


@pytest.mark.parametrize("flaw", [None, "a normal density for a Student-t"])
def test_a_mixture_agrees_with_nuts_and_a_flaw_in_its_density_shows(bent, flaw, monkeypatch):
    """From draws that are half as wide as they should be, moved by one of their standard deviations."""
    model, lane, (centre, factor), reference = bent
    if flaw:
        monkeypatch.setattr(mixture, "t_log_density", lambda z: -0.5 * jnp.sum(z * z, axis=1))
    with float64():
        start = (centre + factor[:, 0])[None] + 0.5 * jax.random.normal(jax.random.key(1), (500, model.size)) @ factor.T
        _, found = jax.jit(lambda key: mixture.mixture(model, lane, start, key))(jax.random.key(0))
        found = jax.tree.map(np.asarray, found)
    if not flaw:
        assert diagnose.psis(found.log_weight[None])[1] < ROUGH_K
        assert diagnose.importance_ess(found.log_weight[None]) > 10 * ROUGH_ESS
    assert (errors_away(found.values, found.log_weight, reference) < 4) == (flaw is None)
