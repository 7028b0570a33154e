"""The flat density is the NumPyro model's, on a law of every kind; weights mask; coordinates round-trip."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.infer.util import log_density

import jaxscale as js
from jaxscale.batch import Table, lane_of, rows_for, stack
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runtime import float64

LAWS = (
    "chinchilla", "kaplan_nd", "gadre", "hestness", "rectified_ft", "parscale", "coverage_exp_power", "rl_sigmoid",
    "moe_sparsity", "multi_power", "su_trajectory", "regmix", "cmr_ratio", "compute_only",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _double():
    with float64():
        yield


def table(law, n=12, seed=0):
    """Inputs over two decades and a response the law's prior could have made."""
    rng = np.random.default_rng(seed)
    x = {s: values(v, rng, n) for s, v in law.inputs.items()}
    counts = law.response.support == "count"
    y = rng.integers(1, 20, n).astype(float) if counts else rng.uniform(0.3, 0.9, n)
    axes = {s: v.axis for s, v in law.inputs.items()}
    return Table(x, y, np.full(n, 20.0) if counts else None, 1.0, (), axes)


def values(variable, rng, n):
    """Of one input."""
    if variable.example is not None:
        return variable.example(rng, n)
    return rng.uniform(*variable.span, n) if variable.axis == "raw" else 10 ** rng.uniform(2, 4, n)


def model_and_lane(name, noise=None, n=12, rows=None):
    law = js.get_law(name)
    model = Model(law, get_noise(noise, law.response))
    return model, jax.tree.map(jnp.asarray, lane_of(table(law, n), model.noise, rows or n))


@pytest.mark.parametrize("name", LAWS)
def test_flat_density_is_numpyros(name):
    """NumPyro's density at the coordinates, plus the Jacobian by automatic differentiation."""
    model, lane = model_and_lane(name)
    for seed in range(5):
        u = model.draw_prior(jax.random.key(seed))
        coordinates = model.coordinates(u)
        expected, _ = log_density(model.numpyro, (lane,), {}, coordinates)
        jacobian = jax.jacfwd(lambda v: jnp.stack([model.coordinates(v)[s.name] for s in model.sites]))(u)
        expected = expected + jnp.linalg.slogdet(jacobian)[1]
        assert float(model.log_density(u, lane)) == pytest.approx(float(expected), rel=1e-9, abs=1e-7)


def test_log_gamma_half_step():
    """The series, and its slope, against SciPy from near-Cauchy to normal."""
    from scipy.special import digamma, gammaln

    from jaxscale.noise.special import log_gamma_half_step

    z = jnp.asarray(np.geomspace(1e-3, 1e5, 400))
    np.testing.assert_allclose(log_gamma_half_step(z), gammaln(z + 0.5) - gammaln(z), rtol=2e-12, atol=2e-9)
    small = z[z < 100]
    np.testing.assert_allclose(
        log_gamma_half_step(small), gammaln(small + 0.5) - gammaln(small), rtol=2e-12, atol=2e-12
    )
    slope = jax.vmap(jax.grad(log_gamma_half_step))(small)
    np.testing.assert_allclose(slope, digamma(small + 0.5) - digamma(small), rtol=1e-9)


def test_density_by_hand():
    """Chinchilla with Student-t noise, written out with SciPy: catches what NumPyro and we could share."""
    from scipy import stats

    model, lane = model_and_lane("chinchilla")
    values = {"E_coordinate": 1.7, "A_coordinate": 0.4, "alpha": 0.3, "B_coordinate": 0.5, "beta": 0.35}
    noise = {"sigma": 0.02, "nu": 5.0}
    x, z = (lane["x"][s] - lane["centre"][s] for s in ("N", "D"))
    mean = 1.7 + 0.4 * np.exp(-0.3 * x) + 0.5 * np.exp(-0.35 * z)
    likelihood = stats.t(5.0, np.log(mean), 0.02).logpdf(lane["y"]).sum()
    prior = stats.halfnorm(scale=2.0).logpdf(1.7)
    for name, median, spread in (
        ("A_coordinate", 0.5, 1.0),
        ("B_coordinate", 0.5, 1.0),
        ("alpha", 0.3, 0.7),
        ("beta", 0.3, 0.7),
    ):
        prior += stats.lognorm(spread, scale=median).logpdf(values[name])
    prior += stats.lognorm(1.6, scale=0.015).logpdf(0.02) + stats.lognorm(1.0, scale=8.0).logpdf(5.0)
    got, _ = log_density(model.numpyro, (lane,), {}, values | noise)
    assert float(got) == pytest.approx(likelihood + prior, rel=1e-10)


@pytest.mark.parametrize("name", LAWS)
def test_coordinates_round_trip(name):
    model, lane = model_and_lane(name)
    for seed in range(20):
        u = model.draw_prior(jax.random.key(seed))
        params = model.parameters(model.coordinates(u), lane)
        np.testing.assert_allclose(model.from_parameters(params, lane), u, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", LAWS)
def test_padding_changes_nothing_and_weights_repeat(name):
    model, lane = model_and_lane(name)
    _, padded = model_and_lane(name, rows=32)
    u = model.draw_prior(jax.random.key(3))
    assert float(model.log_density(u, padded)) == pytest.approx(float(model.log_density(u, lane)), rel=1e-12)
    slope = jax.grad(model.log_density)
    np.testing.assert_allclose(slope(u, padded), slope(u, lane), rtol=1e-9, atol=1e-9)
    spoiled = padded | {"y": padded["y"].at[20].set(0.123)}
    assert float(model.log_density(u, spoiled)) == float(model.log_density(u, padded))
    # a row of weight 2 counts as two rows
    law = js.get_law(name)
    twice = table(law).take(np.array([*range(12), 0]))
    by_rows = lane_of(twice, model.noise, 13) | {"centre": lane["centre"]}
    by_weight = lane | {"w": lane["w"].at[0].set(2.0)}
    expected = model.log_density(u, jax.tree.map(jnp.asarray, by_rows))
    assert float(model.log_density(u, by_weight)) == pytest.approx(float(expected), rel=1e-12)


def test_a_lane_knows_nothing_of_its_neighbours():
    model, lane = model_and_lane("chinchilla")
    spoiled = lane | {"y": jnp.full_like(lane["y"], jnp.nan)}
    alone = stack([lane] * 4)
    beside = stack([lane, spoiled, lane, lane])
    u = jnp.tile(model.draw_prior(jax.random.key(0))[None], (4, 1))
    run = jax.jit(jax.vmap(jax.value_and_grad(model.log_density)))
    a, b = run(u, alone), run(u, beside)
    assert np.array_equal(a[0][0], b[0][0])
    assert np.array_equal(a[1][0], b[1][0])


def test_priors_can_be_replaced():
    law = js.get_law("chinchilla").with_priors({"E": dist.Uniform(0.0, 3.0), "beta": 0.37})
    model = Model(law, get_noise(None, law.response))
    assert [s.param for s in model.sites] == ["E", "A", "alpha", "B", "sigma", "nu"]
    lane = lane_of(table(law), model.noise, 12)
    u = model.draw_prior(jax.random.key(0))
    params = model.parameters(model.coordinates(u), lane)
    assert float(params["beta"]) == 0.37
    assert jnp.isfinite(model.log_density(u, lane))


def test_numpyro_model_samples_by_itself():
    """The model is a NumPyro model like any other: its prior predictive runs, with the paper's parameters named."""
    model, lane = model_and_lane("chinchilla")
    trace = numpyro.handlers.trace(numpyro.handlers.seed(model.numpyro, jax.random.key(0))).get_trace(lane)
    assert {"A", "B", "E", "y"} <= set(trace)


def test_rows_have_buckets():
    assert [rows_for(n) for n in (1, 32, 33, 245, 16385)] == [16, 32, 48, 256, 32768]


def test_inputs_far_from_one_do_not_lose_digits():
    """Trap 25: raw units and centred ones give one density to 1e-9."""
    law = js.get_law("chinchilla")
    model = Model(law, get_noise(None, law.response))
    raw = table(law)
    shifted = Table({s: v * 1e15 for s, v in raw.x.items()}, raw.y, None, 1.0, ())
    u = model.draw_prior(jax.random.key(1))
    a, b = (model.log_density(u, lane_of(t, model.noise, 12)) for t in (raw, shifted))
    assert float(a) == pytest.approx(float(b), rel=1e-9)


@pytest.mark.parametrize("noise", ["student_t/log", "student_t/raw"])
def test_priors_on_amounts_follow_the_responses_scale(noise):
    """A response in thousandths, told its scale, has the same posterior: densities differ by a constant."""
    law = js.get_law("chinchilla")
    model = Model(law, get_noise(noise, law.response))
    one = table(law)
    thousand = Table(one.x, one.y * 1000.0, None, 1000.0, ())
    lanes = [lane_of(t, model.noise, 12) for t in (one, thousand)]
    us = [model.draw_prior(jax.random.key(s)) for s in range(4)]
    shift = [float(model.log_density(u, lanes[1]) - model.log_density(u, lanes[0])) for u in us]
    np.testing.assert_allclose(shift, shift[0], rtol=1e-9, atol=1e-6)
    a, b = (model.parameters(model.coordinates(us[0]), lane) for lane in lanes)
    assert float(b["E"] / a["E"]) == pytest.approx(1000.0)
    assert float(b["A"] / a["A"]) == pytest.approx(1000.0)
    assert float(b["alpha"]) == float(a["alpha"])
