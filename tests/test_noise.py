"""Observation models: each density is NumPyro's or SciPy's, each sampler draws from its density, options are read."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from numpyro.infer.util import log_density
from scipy import special, stats

import jaxscale as js
from jaxscale.batch import lane_of, table_of
from jaxscale.model import Model
from jaxscale.noise import NOISE_PARAMETERS, NOISES, get_noise
from jaxscale.noise.checkpoints import TRAIL
from jaxscale.noise.special import log, log_gamma, log_rising, mills
from jaxscale.runtime import float64

N_ROWS, ROWS = 24, 32
LOSSES = ("student_t", "normal", "outliers", "frontier", "heteroscedastic", "known_sd", "checkpoints")
ALL = (*LOSSES, "checkpoints:annealed=true", "frontier/raw", "heteroscedastic/raw", "known_sd/raw", "checkpoints/raw")
TRUTH = {"E": 1.82, "A": 482.0, "alpha": 0.348, "B": 2085.0, "beta": 0.366}


@pytest.fixture(autouse=True)
def _double():
    with float64():
        yield


def ladder(seed=0):
    """Six runs of four checkpoints, shuffled, with all that a noise may ask for."""
    rng = np.random.default_rng(seed)
    size, run = 10 ** rng.uniform(7.6, 9.7, 6), np.repeat(np.arange(6), 4)
    tokens = np.tile([1e9, 4e9, 1.6e10, 1e11], 6) * 10 ** rng.uniform(-0.1, 0.1, N_ROWS)
    loss = TRUTH["E"] + TRUTH["A"] / size[run] ** 0.348 + TRUTH["B"] / tokens**0.366
    frame = pd.DataFrame({"params": size[run], "tokens": tokens, "loss": loss * np.exp(rng.normal(0, 0.01, N_ROWS))})
    frame = frame.assign(run=[f"r{i}" for i in run], loss_sd=0.004, annealed=(np.arange(N_ROWS) % 4 == 3) * 1.0)
    return js.read_runs(frame.sample(frac=1.0, random_state=0).reset_index(drop=True))


def scores(kind):
    """Shares of 200 for the law of sampling, or scores."""
    rng = np.random.default_rng(0)
    k = np.geomspace(1, 1e4, N_ROWS)
    solved = rng.integers(5, 195, N_ROWS).astype(float)
    frame = pd.DataFrame({"samples": k, "compute": k * 1e3, "solved": solved, "trials": 200.0, "score": solved / 200})
    return js.read_runs(frame), {"count": "coverage_exp_power", "unit": "rl_sigmoid"}[kind]


def model_and_lane(spec, rows=ROWS):
    if get_kind(spec) == "loss":
        runs, name = ladder(), "chinchilla"
    else:
        runs, name = scores(get_kind(spec))
    law = js.get_law(name)
    model = Model(law, get_noise(spec, law.response))
    return model, jax.tree.map(jnp.asarray, lane_of(table_of(runs, law, model.noise), model.noise, rows))


def get_kind(spec):
    supports = NOISES[spec.partition("/")[0].partition(":")[0]].supports
    return "count" if supports == ("count",) else "unit" if supports == ("unit",) else "loss"


@pytest.mark.parametrize("spec", [*ALL, "binomial", "beta_binomial", "beta", "beta:floor=0.01,ceiling=learned"])
def test_flat_density_is_numpyros_and_pads_weigh_nothing(spec):
    model, lane = model_and_lane(spec)
    _, tight = model_and_lane(spec, rows=N_ROWS)

    @jax.jit
    def numpyros(u):
        density, _ = log_density(model.numpyro, (lane,), {}, model.coordinates(u))
        jacobian = jax.jacfwd(lambda v: jnp.stack([model.coordinates(v)[s.name] for s in model.sites]))(u)
        return density + jnp.linalg.slogdet(jacobian)[1]

    ours = jax.jit(jax.value_and_grad(model.log_density))
    for seed in range(3):
        u = model.draw_prior(jax.random.key(seed))
        expected = float(numpyros(u))
        for held in (lane, tight):
            density, slope = ours(u, held)
            assert float(density) == pytest.approx(expected, rel=1e-9, abs=1e-7)
            assert np.isfinite(slope).all()


@pytest.mark.parametrize("spec", ["outliers", "frontier", "beta_binomial", "beta"])
def test_rows_are_what_the_distribution_says(spec):
    """Densities written out for speed, against NumPyro's own."""
    model, lane = model_and_lane(spec)
    for seed in range(5):
        u = model.draw_prior(jax.random.key(seed))
        params = model.parameters(model.coordinates(u), lane)
        mean = jnp.clip(model.mean(params, lane["x"]), 1e-3, 5.0)
        if get_kind(spec) != "loss":
            mean = jnp.clip(mean, 0.01, 0.99)
        got = model.noise.per_row(mean, params, lane)
        expected = model.noise.distribution(mean, params, lane).log_prob(lane["y"])
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-8)


def test_frontier_by_quadrature():
    """A normal plus an exponential, integrated numerically."""
    sigma, part, excess = 0.02, 0.3, 4.0
    noise = get_noise("frontier", js.get_law("chinchilla").response)
    r = np.array([-0.06, 0.0, 0.05, 0.4])
    lag = np.linspace(0.0, 3.0, 300_001)[None, :]
    late = np.trapezoid(stats.norm(0, sigma).pdf(r[:, None] - lag) * stats.expon(scale=sigma * excess).pdf(lag), lag)
    expected = np.log((1 - part) * stats.norm(0, sigma).pdf(r) + part * late)
    params = {"sigma": sigma, "under_tuned": part, "excess": excess}
    got = noise.per_row(jnp.ones(4), params, {"y": jnp.asarray(r)})
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("on", ["log", "raw"])
def test_checkpoints_are_one_multivariate_normal(on):
    """Against the dense covariance, written from its definition."""
    model, lane = model_and_lane(f"checkpoints:annealed=true/{on}")
    params = model.parameters(model.coordinates(model.draw_prior(jax.random.key(1))), lane)
    frame = ladder().table
    tokens, run = np.log(frame["tokens"].to_numpy()), frame["run"].to_numpy()
    together = run[:, None] == run[None, :]
    steps = np.concatenate([np.diff(np.sort(tokens[run == r])) for r in np.unique(run)])
    apart = np.abs(tokens[:, None] - tokens[None, :]) / np.median(steps)
    p = {k: float(params[k]) for k in ("run_sd", "sigma", "memory", "mid_schedule")}
    covariance = together * (p["run_sd"] ** 2 + p["sigma"] ** 2 * p["memory"] ** apart)
    mean = np.asarray(model.mean(params, lane["x"]))[:N_ROWS]
    loc = (np.log(mean) if on == "log" else mean) + p["mid_schedule"] * (1 - frame["annealed"].to_numpy())
    y = np.log(frame["loss"].to_numpy()) if on == "log" else frame["loss"].to_numpy()
    expected = stats.multivariate_normal(loc, covariance).logpdf(y)
    got = model.noise.summed(model.mean(params, lane["x"]), params, lane)
    assert float(got) == pytest.approx(expected, rel=1e-8)
    ones = np.ones(N_ROWS)
    information = float(ones @ np.linalg.solve(covariance, ones)) * covariance[0, 0]
    assert float(model.noise.effective(params, lane)) == pytest.approx(information, rel=1e-8)


@pytest.mark.parametrize("spec", [*LOSSES[2:], "beta_binomial", "beta"])
def test_samples_follow_their_density(spec):
    """Quantiles of many samples against the distribution function, by quadrature of the density."""
    model, lane = model_and_lane(spec, rows=N_ROWS)
    u = model.draw_prior(jax.random.key(4))
    params = model.parameters(model.coordinates(u), lane)
    params |= {k: jnp.asarray(v) for k, v in {"sigma": 0.05, "concentration": 30.0}.items() if k in params}
    mean = jnp.full(N_ROWS, 0.4)
    keys = jax.random.split(jax.random.key(0), 4000)
    drawn = np.asarray(jax.jit(jax.vmap(lambda k: model.noise.sample(k, mean, params, lane)))(keys))[:, 3]
    if spec == "beta_binomial":
        grid = np.arange(201.0)
        each = jax.vmap(lambda k: model.noise.per_row(mean, params, lane | {"y": jnp.full(N_ROWS, k)})[3])
        shares, cumulative = drawn * 200, np.cumsum(np.exp(np.asarray(each(jnp.asarray(grid)))))
        got = np.array([np.mean(shares <= k) for k in grid])
    else:
        to = np.log if model.noise.on == "log" else (lambda v: v)
        grid = np.linspace(to(0.4) - 1.5, to(0.4) + 1.5, 3001) if spec != "beta" else np.linspace(1e-3, 1 - 1e-3, 3001)
        density = jax.vmap(lambda v: model.noise.per_row(mean, params, lane | {"y": jnp.full(N_ROWS, v)})[3])
        pdf = np.exp(np.asarray(density(jnp.asarray(grid))))
        cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (pdf[1:] + pdf[:-1]) * np.diff(grid))])
        got = np.array([np.mean(to(drawn) <= v) for v in grid])
    assert np.max(np.abs(got - cumulative)) < 1.95 / np.sqrt(4000)  # Kolmogorov, one in a thousand


@pytest.mark.parametrize("nu", [1.5, 5.0, 1e3])
def test_foretold_student_t_is_student_t(nu):
    """Draws by the polar method against scipy's distribution function, with tails from Cauchy-like to normal."""
    noise = get_noise("student_t", js.get_law("chinchilla").response)
    params = {"sigma": jnp.asarray(0.05), "nu": jnp.asarray(nu)}
    drawn = np.log(np.asarray(noise.foretold(jax.random.key(3), jnp.full(40_000, 2.0), params, {})))
    assert stats.kstest(drawn, stats.t(nu, np.log(2.0), 0.05).cdf).pvalue > 1e-3


def test_what_varies_along_a_run_is_broken_off_first():
    """The amount that runs go along is known far better than the rest; broken off later it bends the posterior."""
    model, _ = model_and_lane("checkpoints")
    usual, _ = model_and_lane("normal")
    assert [model.sites[i].param for i in model.amounts] == ["E", "B", "A"]
    assert [usual.sites[i].param for i in usual.amounts] == ["E", "A", "B"]


def test_scatter_is_a_power_of_compute():
    """sigma is that at 1e20 FLOP, falls with compute for a positive slope, and its prior is at the table's centre."""
    model, lane = model_and_lane("heteroscedastic", rows=N_ROWS)
    params = {"sigma": 0.02, "sigma_slope": 0.1, "nu": 5.0}
    frame = ladder().table
    compute = 6 * frame["params"] * frame["tokens"]
    np.testing.assert_allclose(model.noise.scale(params, lane), 0.02 * (compute / 1e20) ** -0.1, rtol=1e-9)
    coordinate = model.noise.priors["sigma"].coordinate(0.02, params, lane["centre"], lane["scale"])
    assert float(coordinate) == pytest.approx(0.02 * np.exp(-0.1 * np.log(compute / 1e20).mean()))


def test_a_run_is_sampled_as_one():
    """Checkpoints of a run share its effect; a new run without a place has the whole scatter."""
    model, lane = model_and_lane("checkpoints", rows=N_ROWS)
    params = {"run_sd": jnp.asarray(0.1), "sigma": jnp.asarray(0.01), "memory": jnp.asarray(0.5)}
    keys = jax.random.split(jax.random.key(0), 2000)
    drawn = np.log(np.asarray(jax.vmap(lambda k: model.noise.sample(k, jnp.ones(N_ROWS), params, lane))(keys)))
    run = ladder().table["run"].to_numpy()
    same = run[:, None] == run[None, :]
    correlation = np.corrcoef(drawn.T)
    assert correlation[same].min() > 0.97
    assert np.abs(correlation[~same]).max() < 0.1
    alone = np.log(np.asarray(model.noise.sample(jax.random.key(1), jnp.ones(20_000), params, {})))
    assert alone.std() == pytest.approx(np.hypot(0.1, 0.01), rel=0.03)


def test_special_functions():
    u = np.concatenate([np.linspace(0, 60, 501), [1e3, 1e4]])
    np.testing.assert_allclose(mills(jnp.asarray(u)), 0.5 * special.erfcx(u / np.sqrt(2)), rtol=1e-11)
    slope = jax.vmap(jax.grad(mills))(jnp.asarray(u[1:501]))
    step = 1e-5
    numeric = (mills(jnp.asarray(u[1:501] + step)) - mills(jnp.asarray(u[1:501] - step))) / (2 * step)
    np.testing.assert_allclose(slope, numeric, atol=1e-8)
    z = np.geomspace(1e-3, 1e6, 300)
    np.testing.assert_allclose(log_gamma(jnp.asarray(z)), special.gammaln(z), rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(
        jax.vmap(jax.grad(log_gamma))(jnp.asarray(z)), special.digamma(z), rtol=1e-10, atol=1e-10
    )
    k = np.tile([0.0, 1.0, 7.0, 200.0, 1e5], 60)
    wanted = special.gammaln(z + k) - special.gammaln(z)
    np.testing.assert_allclose(log_rising(jnp.asarray(z), jnp.asarray(k)), wanted, rtol=1e-11, atol=1e-8)
    slope = jax.vmap(jax.grad(log_rising))(jnp.asarray(z), jnp.asarray(k))
    np.testing.assert_allclose(slope, special.digamma(z + k) - special.digamma(z), rtol=1e-10, atol=1e-10)


def test_logarithm():
    x = np.concatenate([np.geomspace(3e-308, 1e308, 10_001), 1.0 + np.linspace(-0.5, 1.0, 10_001)])
    np.testing.assert_allclose(log(jnp.asarray(x)), np.log(x), rtol=4e-16, atol=2e-16)
    odd = np.array([0.0, -0.0, np.inf, -1.0, -np.inf, np.nan])
    np.testing.assert_array_equal(log(jnp.asarray(odd)), [-np.inf, -np.inf, np.inf, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(jax.vmap(jax.grad(log))(jnp.asarray([0.1, 3.0])), [10.0, 1 / 3], rtol=1e-15)
    assert jax.grad(jax.grad(log))(2.0) == pytest.approx(-0.25)


def test_priors_are_named_and_options_are_read():
    response = js.get_law("chinchilla").response
    for spec in ALL:
        noise = get_noise(spec, response)
        assert set(noise.priors) <= set(NOISE_PARAMETERS)
        assert get_noise(noise.spec, response) == noise
        assert noise.says
    assert get_noise("huber:delta=0.01", response).delta == 0.01
    assert get_noise("checkpoints:annealed=true", response).annealed is True
    assert get_noise("frontier", response).worse == 1
    assert get_noise("frontier", js.get_law("rl_sigmoid").response).worse == -1
    score = js.get_law("rl_sigmoid").response
    assert set(get_noise("beta:floor=learned", score).priors) == {"concentration", "score_floor"}
    for wrong, says in (("frontier:left=1", "no option 'left'"), ("huber:delta=small", "is not a number"),
                        ("gaussian", "there are student_t")):  # fmt: skip
        with pytest.raises(js.ConfigError, match=says):
            get_noise(wrong, response)


def test_columns_that_a_noise_needs():
    plain = js.read_runs(ladder().table.drop(columns=["run", "loss_sd", "annealed"]))
    for spec, says in (("checkpoints", "no column tells the runs apart"), ("known_sd", "loss_sd"),
                       ("checkpoints:annealed=true", "annealed")):  # fmt: skip
        with pytest.raises(js.DataError, match=says):
            js.fit(plain, noise=spec, progress=False)
    law = js.get_law("chinchilla")
    renamed = js.read_runs(ladder().table.rename(columns={"run": "trial"}), columns={"run": "trial"})
    noise = get_noise("checkpoints", law.response)
    a, b = (lane_of(table_of(r, law, noise), noise, ROWS) for r in (ladder(), renamed))
    assert all(np.array_equal(a[k], b[k]) for k in TRAIL)
    bits = js.read_runs(ladder().table.assign(loss_sd=0.01), units={"loss_sd": "bits"})
    known = get_noise("known_sd", law.response)
    lane = lane_of(table_of(bits, law, known), known, ROWS)
    np.testing.assert_allclose(lane["sd"][:N_ROWS] * np.exp(lane["y"][:N_ROWS]), 0.01 * np.log(2))
