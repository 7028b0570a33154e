"""The runs to buy next: exact Bayesian linear models, brute force, the knowledge gradient in closed form, the verb."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from typer.testing import CliRunner

import jaxscale as js
from jaxscale.cli import app
from jaxscale.decide.design import Search
from jaxscale.decide.goals import Regret, Spread
from jaxscale.decide.suggest import new_run_variance
from jaxscale.noise import NOISES
from jaxscale.noise.base import Noise
from jaxscale.runtime import float64

TARGET = {"N": 7e10, "D": 1.4e12}


def linear(seed=0, draws=400, size=4, runs=9, targets=2):
    """Draws of parameters, features of candidates and targets, and what runs cost."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(draws, size)) @ rng.normal(size=(size, size))
    near, far = rng.normal(size=(size, runs)), 3.0 * rng.normal(size=(size, targets))
    return theta, near, far, rng.uniform(0.1, 2.0, runs), rng.uniform(1.0, 5.0, runs)


def exact(theta, near, far, noise, batch):
    """Mean posterior variance at the targets of a Bayesian linear model whose prior has the draws' covariance."""
    precision = np.linalg.inv(np.cov(theta.T))
    for c in batch:
        precision = precision + np.outer(near[:, c], near[:, c]) / noise[c]
    return float(np.mean(np.diag(far.T @ np.linalg.inv(precision) @ far)))


def search_of(seed, spend=8.0, runs=3, repeats=1):
    theta, near, far, noise, cost = linear(seed)
    search = Search(theta @ near, noise, cost, Spread(theta @ far), spend, runs, repeats)
    return search, lambda batch: exact(theta, near, far, noise, batch), cost


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_leaves_what_an_exact_linear_model_says(seed):
    search, truth, _ = search_of(seed, spend=1e9, runs=9, repeats=3)
    for batch in ((), (4,), (4, 1), (4, 1, 4), (0, 1, 2, 3, 4, 5, 6)):
        state = search.after(batch)
        np.testing.assert_allclose(search.value(state), truth(batch), rtol=1e-9)
        each = [truth((*batch, c)) for c in range(9)]
        np.testing.assert_allclose(search.with_each(state), each, rtol=1e-9)


def test_greedy_and_exchange_against_every_batch():
    """On 40 pools of nine candidates: never dearer than allowed, and within 1 % of the best batch there is."""
    behind, greedy = [], []
    for seed in range(40):
        search, truth, cost = search_of(seed)
        found = search.best()
        assert cost[list(found.chosen)].sum() <= 8.0
        assert len(set(found.chosen)) == len(found.chosen) <= 3
        batches = (b for k in range(4) for b in itertools.combinations(range(9), k) if cost[list(b)].sum() <= 8.0)
        best = min(truth(b) for b in batches)
        behind.append(search.value(found) / best - 1.0)
        greedy.append(search.value(search.greedy(search.start, 0.0)) / best - 1.0)
    assert min(behind) > -1e-9
    assert max(behind) < 0.01
    assert np.mean(greedy) > 10.0 * np.mean(behind)  # what the exchange is for


def test_runs_repeat_as_often_as_they_may():
    search, _, _ = search_of(1, spend=1e9, runs=8, repeats=2)
    counts = np.bincount(search.best().chosen, minlength=9)
    assert counts.max() == 2
    assert counts.sum() == 8


def test_runs_are_bought_in_the_order_in_which_they_help():
    search, _, _ = search_of(5, spend=1e9, runs=4)
    found = search.best()
    first = {c: search.value(search.after([c])) for c in found.chosen}
    assert min(first, key=lambda c: first[c]) == found.chosen[0]


def test_regret_is_the_knowledge_gradient():
    """Two choices, one run: E min of two correlated normals has a closed form (Clark 1961)."""
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(4000, 2))
    losses = theta @ np.array([[1.0, 0.2], [0.1, 1.3]]) + np.array([0.0, 0.4])
    curves, noise = theta @ np.array([[1.0, -0.5, 0.0], [1.0, 2.0, 1.0]]), np.array([0.3, 0.2, 1e9])
    goal = Regret(losses, float(losses.min(axis=1).mean()), most=3, futures=14)
    search = Search(curves, noise, np.ones(3), goal, 10.0, 3)
    mean, found = losses.mean(axis=0), search.with_each(search.start)
    for c in range(3):
        step = np.cov(np.column_stack([losses, curves[:, c]]).T)[2, :2]
        step = step / np.sqrt(np.var(curves[:, c], ddof=1) + noise[c])
        apart = abs(step[0] - step[1])
        z = (mean[0] - mean[1]) / max(apart, 1e-12)
        least = mean[0] * norm.cdf(-z) + mean[1] * norm.cdf(z) - apart * norm.pdf(z)
        np.testing.assert_allclose(found[c], least - goal.perfect, atol=2e-4)
    np.testing.assert_allclose(found[2], search.value(search.start), rtol=1e-3)  # a run that says nothing


# ---- what a run tells ------------------------------------------------------------------------


def told(noise, mean, params, **lane):
    with float64():
        lane = {"trials": jnp.asarray(50.0), "size": jnp.zeros(1), **lane}
        values = {p: jnp.full((1, 1), v) for p, v in params.items()}
        return float(noise(jnp.full((1, 1), mean), values, lane)[0, 0])


@pytest.mark.parametrize(
    ("spec", "mean", "params"),
    [
        ("normal/log", 2.0, {"sigma": 0.02}),
        ("student_t/log", 2.0, {"sigma": 0.02, "nu": 1.2}),
        ("student_t/raw", 2.0, {"sigma": 0.1, "nu": 6.0}),
        ("checkpoints/log", 2.0, {"run_sd": 0.02, "sigma": 0.01, "memory": 0.5}),
        ("binomial/raw", 0.3, {}),
    ],
)
def test_information_written_out_is_that_of_the_density(spec, mean, params):
    name, _, on = spec.partition("/")
    noise = NOISES[name](on)
    simulated = told(lambda *a: Noise.information(noise, *a), mean, params)
    np.testing.assert_allclose(told(noise.information, mean, params), simulated, rtol=0.25)
    squares = [told(lambda *a, k=k: _squared(noise, k, *a), mean, params) for k in range(4)]
    np.testing.assert_allclose(np.mean(squares), told(noise.information, mean, params), rtol=0.05)


def _squared(noise, key, mean, params, lane):
    """As Noise.information, by other and more draws and a plain gradient."""
    many = jnp.broadcast_to(mean, (1, 4000))
    y = noise.seen(noise.sample(jax.random.key(key + 1), many, params, lane), lane)

    def density(at):
        return jnp.sum(noise.per_row(noise.unlink(at), params, {**lane, "y": y}))

    return jnp.mean(jax.grad(density)(noise.link(many)) ** 2)[None, None]


def test_a_mixture_tells_less_than_its_core_and_more_than_its_variance():
    params = {"sigma": 0.01, "outlier_share": 0.1, "outlier_width": 20.0}
    found = told(NOISES["outliers"]("log").information, 2.0, params)
    variance = 1e-4 * (0.9 + 0.1 * 21.0**2)
    assert 3.0 / variance < found < 1e4


def test_noise_without_a_variance_still_tells(fit):
    inputs = {"N": np.array([1e9]), "D": np.array([2e10])}
    draws = {p: v[:100] for p, v in fit.draws().items()} | {"nu": np.full(100, 1.0), "sigma": np.full(100, 0.01)}
    np.testing.assert_allclose(new_run_variance(fit, inputs, draws), 2.0 * 1e-4)


# ---- the verb --------------------------------------------------------------------------------


def pool(count=12):
    grid = itertools.product(np.geomspace(1e8, 1e10, count), np.geomspace(2e9, 3e11, count))
    frame = pd.DataFrame(grid, columns=["N", "D"])
    return frame.assign(cost=6.0 * frame.N * frame.D, name=[f"run {i}" for i in range(len(frame))])


@pytest.fixture(scope="module")
def bought(fit):
    return js.suggest(fit, pool(), target=TARGET, spend=2e21, runs=5, discrepancy=False, check=True)


def test_rows_say_where_what_and_how_much(fit, bought):
    assert list(bought.columns) == ["N", "D", "cost", "expected_sd_after", "gain", "candidate", "checked_sd_after"]
    assert 3 <= len(bought) <= 5
    assert bought.cost.sum() <= 2e21
    assert (bought.gain > 0).all()
    offered = pool()
    np.testing.assert_allclose(offered.loc[bought.candidate, "N"], bought.N)
    now = fit.predict(TARGET, discrepancy=False).sd[0]
    assert bought.attrs["sd_now"] == pytest.approx(now, rel=0.03)
    left = now - bought.gain.cumsum()
    np.testing.assert_allclose(left, bought.expected_sd_after, rtol=0.05)


def test_reweighting_by_simulated_results_agrees(bought):
    found = bought.checked_sd_after.dropna()
    assert len(found) >= 2
    np.testing.assert_allclose(found, bought.expected_sd_after[: len(found)], rtol=0.1)


def test_the_loop_of_buying_and_fitting_again(fit, runs, truth, bought):
    """The runs are made, the fit is made again with them, and the interval is about as narrow as was promised."""
    made = js.simulate("chinchilla", truth, {"N": bought.N.to_numpy(), "D": bought.D.to_numpy()}, sd=0.01, seed=7)
    again = js.fit(pd.concat([runs.table, made.table], ignore_index=True))
    sd = again.predict(TARGET, discrepancy=False).sd[0]
    assert sd == pytest.approx(bought.expected_sd_after.iloc[-1], rel=0.25)
    assert sd < 0.9 * bought.attrs["sd_now"]
    then = js.suggest(again, pool(), target=TARGET, spend=2e21, runs=3, discrepancy=False)
    assert then.attrs["sd_now"] == pytest.approx(sd, rel=0.03)
    assert then.gain.iloc[0] < bought.gain.iloc[0]


def test_better_than_random_batches_of_the_same_cost(fit, bought):
    rng, offered = np.random.default_rng(0), pool()
    for _ in range(10):
        some = offered.sample(5, random_state=rng.integers(1 << 31))
        if some.cost.sum() <= 2e21:
            other = js.suggest(fit, some, target=TARGET, spend=2e21, runs=5, discrepancy=False, least=0.0)
            assert other.expected_sd_after.iloc[-1] > bought.expected_sd_after.iloc[-1]


def test_a_budget_lowers_regret(fit):
    found = js.suggest(fit, pool(), target={"budget": 1e24}, spend=2e21, runs=4)
    assert (np.diff([found.attrs["sd_now"], *found.expected_sd_after]) < 0).all()
    assert (np.diff([found.attrs["regret_now"], *found.expected_regret_after]) < 0).all()
    draws = fit.draws()
    power = draws["alpha"] + draws["beta"]
    log_n = (np.log(draws["alpha"] * draws["A"] / (draws["beta"] * draws["B"]))) / power
    log_n = log_n + draws["beta"] / power * np.log(1e24 / 6)
    assert found.attrs["sd_now"] == pytest.approx(log_n.std(), rel=0.03)
    # the regret of one size for all draws, over that of each draw's own
    n = np.exp(np.linspace(log_n.min(), log_n.max(), 400))
    curve = fit.curves({"N": n, "D": 1e24 / (6 * n)}, draws)
    regret = curve.mean(axis=0).min() - curve.min(axis=1).mean()
    assert found.attrs["regret_now"] == pytest.approx(regret, rel=0.1)


def test_several_targets_are_served_together(fit):
    both = js.suggest(fit, pool(), target={"N": [7e10, 1e8], "D": [1.4e12, 2e13]}, spend=2e21, discrepancy=False)
    alone = js.suggest(fit, pool(), target=TARGET, spend=2e21, discrepancy=False)
    sd = fit.predict({"N": [7e10, 1e8], "D": [1.4e12, 2e13]}, discrepancy=False).sd
    assert both.attrs["sd_now"] == pytest.approx(np.sqrt(np.mean(sd**2)), rel=0.03)
    assert set(both.candidate) != set(alone.candidate)


def test_a_run_beyond_the_data_tells_of_the_laws_own_error(fit):
    """Of two equally dear runs beyond the data and one within, the one near the target; by exact conditioning."""
    beyond = fit.discrepancy
    assert beyond is not None
    offered = pd.DataFrame({"N": [3e8, 2e10, 4e10], "D": [6e9, 1e12, 1.2e12], "cost": [1.0, 1.0, 1.0]})
    found = js.suggest(fit, offered, target=TARGET, spend=1.0, runs=1)
    now = fit.predict(TARGET).sd[0]
    assert found.attrs["sd_now"] == pytest.approx(now, rel=0.05)
    assert found.candidate.tolist() == [2]
    assert any("allows for an error of chinchilla" in note for note in found.attrs["notes"])
    inputs, here = ({s: np.array([v]) for s, v in p.items()} for p in (TARGET, {"N": 4e10, "D": 1.2e12}))
    draws = {p: v[np.linspace(0, len(v) - 1, 2000).round().astype(int)] for p, v in fit.draws().items()}
    far = np.concatenate([beyond.decades(fit.law, inputs), beyond.towards(fit.law, inputs, here)])
    curve, _ = beyond.draws(far, 2000, fit.about["seed"])  # as predict draws them
    t, c = (fit.curves(p, draws)[:, 0] for p in (inputs, here))
    t, c = t * np.exp(curve[:, 0]), np.log(c) + curve[:, 1]
    _, run = beyond.draws(beyond.decades(fit.law, here), 2000, 1)
    v = new_run_variance(fit, here, draws)[0] + run.var() - curve[:, 1].var()
    left = np.var(t, ddof=1) - np.cov(t, c)[0, 1] ** 2 / (np.var(c, ddof=1) + v)
    np.testing.assert_allclose(found.expected_sd_after[0], np.sqrt(left), rtol=0.03)  # a run's own part is simulated
    believed = js.suggest(fit, offered, target=TARGET, spend=1.0, runs=1, discrepancy=False)
    assert believed.attrs["sd_now"] < now


def test_small_or_lopsided_runs_say_nothing_of_the_laws_error_at_the_target(fit):
    beyond, target = fit.discrepancy, {s: np.array([v]) for s, v in TARGET.items()}
    runs = {"N": np.array([1e6, 1e12, 1e9, 1e11]), "D": np.array([1e7, 1e8, 1e10, 1e13])}
    assert (beyond.decades(fit.law, runs)[[0, 1, 3]] > 0.5).all()
    shared = beyond.towards(fit.law, target, runs)
    np.testing.assert_array_equal(shared[:3], 0.0)
    assert 0.5 < shared[3] < beyond.decades(fit.law, runs)[3]
    _, errors, own = beyond.told(fit.law, target, runs, 2000, 0)
    assert (errors[:, :3] == 0.0).all()
    assert own[1] > own[2] == 0.0  # its own error is there all the same, as noise


def test_without_a_cost_compute_is_the_price(fit):
    bare = pool()[["N", "D"]].rename(columns={"N": "params", "D": "tokens"})
    found = js.suggest(fit, bare, target=TARGET, spend=2e21, discrepancy=False)
    np.testing.assert_allclose(found.cost, 6 * found.N * found.D)
    assert any("training compute" in note for note in found.attrs["notes"])


def test_without_candidates_a_grid_about_the_data(fit):
    data = fit.data["constant_data"].to_dataset()
    found = js.suggest(fit, target=TARGET, spend=1e21, runs=4, discrepancy=False)
    assert 1 <= len(found) <= 4
    sizes, tokens = data["N"].to_numpy(), data["D"].to_numpy()
    ratio, seen = found.D / found.N, tokens / sizes
    assert ratio.between(0.49 * seen.min(), 2.01 * seen.max()).all()
    assert found.N.between(0.999 * sizes.min(), 4.001 * sizes.max()).all()


def test_no_run_is_bought_that_does_not_help(fit):
    found = js.suggest(fit, pool(), target=TARGET, spend=1e30, runs=40, discrepancy=False, least=0.02)
    assert 1 <= len(found) < 40
    variance = np.array([found.attrs["sd_now"], *found.expected_sd_after]) ** 2
    assert variance[-2] - variance[-1] >= 0.0199 * variance[0]


CANNOT = [
    ({"spend": 0.0}, "spend must be"),
    ({"spend": float("nan")}, "spend must be"),
    ({"runs": 0}, "runs must be"),
    ({"repeats": 0}, "repeats must be"),
    ({"spend": 1e10}, "the cheapest costs"),
    ({"target": {"N": 7e10}}, "no column for D"),
    ({"target": {"N": 7e10, "D": -1.0}}, "target cannot be used"),
    ({"target": {"budget": -1e24}}, "budget must be"),
    ({"candidates": pool()[["N", "cost"]]}, "no column for D"),
    ({"candidates": pool().assign(cost=-1.0)}, "number above 0"),
    ({"candidates": pool().assign(cost="dear")}, "number above 0"),
    ({"candidates": pool().assign(N=0.0)}, "candidates cannot be used"),
    ({"candidates": pool().iloc[:0]}, "no candidates"),
    ({"candidates": 3}, "Candidates are"),
]


@pytest.mark.parametrize(("change", "says"), CANNOT)
def test_what_cannot_be_suggested_says_why(fit, change, says):
    asked = {"candidates": pool(), "target": TARGET, "spend": 2e21} | change
    with pytest.raises(js.PlanError, match=says):
        js.suggest(fit, **asked)


def test_fits_without_a_posterior_are_refused(runs, collinear):
    with pytest.raises(js.PlanError, match="off the line"):
        js.suggest(js.fit(collinear), pool(), target=TARGET, spend=2e21)
    with pytest.raises(js.PlanError, match="no posterior"):
        js.suggest(js.fit(runs, noise="huber"), pool(), target=TARGET, spend=2e21)


def test_command(fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    pool().to_csv(tmp_path / "pool.csv", index=False)
    asked = ["suggest", str(tmp_path / "fit.nc"), "--target", "N=7e10", "--target", "D=1.4T", "--spend", "2e21"]
    asked += ["--candidates", str(tmp_path / "pool.csv"), "--runs", "3"]
    done = CliRunner().invoke(app, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert {"runs", "sd_now", "spent", "spend", "notes", "status"} == set(document)
    found = js.suggest(fit, pool(), target=TARGET, spend=2e21, runs=3)
    assert [r["candidate"] for r in document["runs"]] == found.candidate.tolist()
    text = CliRunner().invoke(app, asked).stdout
    assert "3 runs for" in text
    assert "sd left" in text
    risk = CliRunner().invoke(app, [*asked[:2], "--budget", "1e24", "--spend", "2e21", "--runs", "2"])
    assert "expected regret" in risk.stdout
    assert "best size is known to" in risk.stdout
    for wrong, code, says in [
        (asked[:2], 2, "say what the runs are for"),
        ([*asked[:2], "--budget", "1e24"], 2, "--spend"),
        ([*asked[:2], "--budget", "1e24", "--spend", "10"], 1, "No candidate can be paid"),
    ]:
        done = CliRunner().invoke(app, wrong)
        assert done.exit_code == code
        assert says in done.output
