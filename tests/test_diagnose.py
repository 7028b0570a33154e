"""The batched diagnostics against ArviZ, posterior by posterior."""

import time
import warnings
from typing import Any

import numpy as np
import pytest
from arviz_base import from_dict
from arviz_stats.base.array import BaseArray
from arviz_stats.loo import loo
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from jaxscale import diagnose
from jaxscale.diagnose import (
    convergence,
    ebfmi,
    ess_bulk,
    ess_tail,
    importance_ess,
    mcse_mean,
    psis,
    psis_loo,
    rhat,
)

array_stats = BaseArray()
STATISTICS = {
    "r_hat": (rhat, array_stats.rhat),
    "ess_bulk": (ess_bulk, lambda x: array_stats.ess(x, method="bulk")),
    "ess_tail": (ess_tail, lambda x: array_stats.ess(x, method="tail", prob=(0.05, 0.95))),
    "mcse_mean": (mcse_mean, array_stats.mcse),
    "ebfmi": (ebfmi, array_stats.bfmi),
}
STATISTICS["convergence"] = (
    lambda x: np.stack(convergence(x), axis=-1),
    lambda x: np.stack([STATISTICS[name][1](x) for name in convergence(x)._fields], axis=-1),
)
PER_POSTERIOR = [name for name in STATISTICS if name != "ebfmi"]
each_statistic = pytest.mark.parametrize("name", STATISTICS)


def quietly(function, *args, **kwargs) -> Any:
    """ArviZ warns where a statistic is not defined; ours must not, so only ArviZ is called through this."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


def assert_same(ours, theirs, atol=0.0):
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=atol, equal_nan=True)


def assert_as_arviz(name, x):
    ours, theirs = STATISTICS[name]
    assert_same(ours(x), quietly(theirs, x))


def ar1(rng, shape, rho):
    x = rng.standard_normal(shape)
    for t in range(1, shape[-1]):
        x[..., t] = rho * x[..., t - 1] + np.sqrt(1 - rho**2) * x[..., t]
    return x


def one_value(x, value):
    x[-1, x.shape[-1] // 3] = value
    return x


MAKERS = {
    "iid": lambda rng, shape: rng.standard_normal(shape),
    "slow": lambda rng, shape: ar1(rng, shape, 0.95),
    "antithetic": lambda rng, shape: ar1(rng, shape, -0.7),
    "random walk": lambda rng, shape: rng.standard_normal(shape).cumsum(axis=-1),
    "heavy tails": lambda rng, shape: rng.standard_cauchy(shape),
    "ties": lambda rng, shape: rng.standard_normal(shape).round(),
    "walk with ties": lambda rng, shape: (2 * rng.standard_normal(shape)).round().cumsum(axis=-1),
    "two values": lambda rng, shape: rng.integers(0, 2, shape).astype(float),
    "integers": lambda rng, shape: rng.integers(-3, 4, shape),
    "constant": lambda rng, shape: np.full(shape, 0.1),
    "one constant chain": lambda rng, shape: np.where(
        np.arange(shape[0])[:, None] == 0, 1.0, rng.standard_normal(shape)
    ),
    "stuck chains": lambda rng, shape: np.repeat(rng.standard_normal((shape[0], 1)), shape[1], axis=1),
    "stuck in two": lambda rng, shape: np.repeat(rng.choice([-1.0, 1.0], (shape[0], 1)), shape[1], axis=1),
    "one NaN": lambda rng, shape: one_value(rng.standard_normal(shape), np.nan),
    "all NaN": lambda rng, shape: np.full(shape, np.nan),
    "one inf": lambda rng, shape: one_value(rng.standard_normal(shape), np.inf),
    "many inf": lambda rng, shape: rng.choice([-np.inf, 0.0, np.inf], shape),
    "tiny": lambda rng, shape: 1e-200 * rng.standard_normal(shape),
    "huge": lambda rng, shape: 1e200 * rng.standard_normal(shape),
}
SHAPES = [(1, 4), (1, 250), (2, 5), (2, 8), (3, 9), (4, 10), (4, 37), (5, 100), (7, 12), (8, 11), (8, 250), (4, 500)]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_as_arviz(kind, shape):
    rng = np.random.default_rng([SHAPES.index(shape), *kind.encode()])
    x = MAKERS[kind](rng, shape)
    for name in STATISTICS:
        assert_as_arviz(name, x)


@pytest.mark.parametrize("seed", range(30))
def test_as_arviz_on_random_shapes(seed):
    rng = np.random.default_rng(seed)
    for kind in rng.choice(list(MAKERS), 5):
        x = MAKERS[kind](rng, (rng.integers(1, 9), rng.integers(4, rng.choice([20, 500]))))
        for name in STATISTICS:
            assert_as_arviz(name, x)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    x=st.tuples(st.integers(1, 5), st.integers(1, 24)).flatmap(
        lambda shape: arrays(float, shape, elements=st.sampled_from([-1.0, 0.0, 0.0, 0.5, 2.0]))
    )
)
def test_as_arviz_on_few_values(x):
    for name in STATISTICS:
        assert_as_arviz(name, x)


@pytest.mark.parametrize("name", ["ess_bulk", "ess_tail", "mcse_mean"])
@pytest.mark.parametrize("shape", [(4, 10), (4, 11)], ids=str)
def test_as_arviz_where_a_sum_of_autocorrelations_is_zero_but_for_rounding(name, shape):
    # The order of the chains then changes the result, by up to a fifth: it is rounding that cuts the sum off.
    ours, theirs = STATISTICS[name]
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (20_000, *shape)).astype(float)
    result = ours(x)
    others = np.stack([ours(rng.permutation(x, axis=1)) for _ in range(4)])
    delicate = np.flatnonzero(~np.isclose(result, others, rtol=1e-8, equal_nan=True).all(axis=0))
    assert len(delicate) > 0
    assert_same(result[delicate], [theirs(one) for one in x[delicate]])


@each_statistic
def test_batch_is_loop(name):
    ours, _ = STATISTICS[name]
    rng = np.random.default_rng(1)
    x = np.stack([MAKERS[kind](rng, (8, 101)) for kind in [*MAKERS, *MAKERS, *MAKERS]])
    single = np.stack([ours(one) for one in x])
    np.testing.assert_array_equal(ours(x), single)
    np.testing.assert_array_equal(ours(x.reshape(3, 1, -1, 8, 101)), single.reshape(3, 1, -1, *single.shape[1:]))
    np.testing.assert_array_equal(ours(np.asfortranarray(x)), single)  # other layouts add in another order
    np.testing.assert_array_equal(ours(x.swapaxes(-1, -2).copy().swapaxes(-1, -2)), single)


def test_a_posterior_is_not_moved_by_its_neighbours():
    # Some need few lags, some many, and some the Fourier transform, in every block.
    rng = np.random.default_rng(2)
    makers = [*MAKERS.values(), *(lambda rng, shape, r=r: ar1(rng, shape, r) for r in (0.3, 0.6, 0.8, 0.9, 0.97, 0.99))]
    x = np.stack([make(rng, (3, 601)) for make in makers * 4])
    order = rng.permutation(len(x))
    for found, moved, alone in zip(
        convergence(x), convergence(x[order]), zip(*(convergence(one) for one in x), strict=True), strict=True
    ):
        np.testing.assert_array_equal(found, alone)
        np.testing.assert_array_equal(moved, found[order])


@pytest.mark.parametrize("shape", [(4000, 4, 10), (2000, 2, 31), (300, 4, 250)], ids=str)
def test_lags_summed_directly_are_as_those_by_fourier_transform(shape, monkeypatch):
    rng = np.random.default_rng(0)
    kinds = [
        rng.integers(0, 2, shape).astype(float),
        rng.integers(-2, 3, shape).astype(float),
        ar1(rng, shape, 0.9),
        np.repeat(ar1(rng, shape, 0.3), 2, axis=-1)[..., : shape[-1]],
    ]
    direct = [[*convergence(x), mcse_mean(x)] for x in kinds]
    monkeypatch.setattr(diagnose, "ROUNDING", np.inf)  # which leaves everything to the transform
    for x, found in zip(kinds, direct, strict=True):
        for one, other in zip(found, [*convergence(x), mcse_mean(x)], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, equal_nan=True)


@each_statistic
def test_shapes_that_hold_nothing(name):
    ours, _ = STATISTICS[name]
    tail = {"ebfmi": (4,), "convergence": (3,)}.get(name, ())
    assert ours(np.empty((0, 3, 4, 50))).shape == (0, 3, *tail)
    assert np.isnan(ours(np.zeros((2, 4, 1)))).all()
    assert ours(np.zeros((4, 50))).shape == tail


@pytest.mark.parametrize("name", PER_POSTERIOR)
def test_too_little_is_nan(name):
    ours, _ = STATISTICS[name]
    assert np.isnan(ours(np.random.default_rng(0).standard_normal((3, 4, 3)))).all()


def test_a_single_chain_has_no_rhat_but_an_ess():
    x = np.random.default_rng(0).standard_normal((1, 400))
    assert np.isnan(rhat(x))
    assert ess_bulk(x) > 200


def test_input_is_left_alone():
    x = np.random.default_rng(0).standard_normal((3, 4, 50))
    before = x.copy()
    for ours, _ in STATISTICS.values():
        ours(x)
    psis(x)
    psis_loo(x)
    np.testing.assert_array_equal(x, before)


def test_iid_draws_pass_and_bad_samplers_do_not():
    rng = np.random.default_rng(0)
    good = rng.standard_normal((50, 4, 1000))
    assert (rhat(good) < 1.01).all()
    assert (ess_bulk(good) > 400).all()
    assert (ess_tail(good) > 400).all()
    np.testing.assert_allclose(mcse_mean(good), 1 / np.sqrt(4000), rtol=0.3)

    def shifted(x):
        x = x.copy()
        x[:, 0] += 1.0
        return x

    def wider(x):  # same median: only the folded R-hat sees it
        x = x.copy()
        x[:, 0] *= 3.0
        return x

    def stuck(x):
        return np.broadcast_to(x[..., :1], x.shape)

    def drifting(x):
        return x + np.linspace(0, 2, x.shape[-1])

    for spoil in (shifted, wider, stuck, drifting):
        assert (rhat(spoil(good)) > 1.01).all(), spoil.__name__
    assert (ess_bulk(ar1(rng, good.shape, 0.98)) < 400).all()
    assert (ess_bulk(shifted(good)) < 400).all()


def test_ess_of_an_ar1_is_what_theory_says():
    rho = 0.6
    x = ar1(np.random.default_rng(3), (200, 4, 500), rho)
    np.testing.assert_allclose(ess_bulk(x).mean(), 2000 * (1 - rho) / (1 + rho), rtol=0.1)


def test_ebfmi_tells_a_walk_in_energy_from_independent_energies():
    rng = np.random.default_rng(0)
    assert (ebfmi(rng.standard_normal((10, 4, 1000))) > 1.5).all()
    assert (ebfmi(ar1(rng, (10, 4, 1000), 0.99)) < 0.3).all()


WEIGHTS = {
    "normal": lambda rng, size: rng.standard_normal(size),
    "light": lambda rng, size: 1e-3 * rng.standard_normal(size),
    "heavy": lambda rng, size: 1e3 + rng.exponential(2.0, size),
    "Cauchy": lambda rng, size: rng.standard_cauchy(size),
    "far apart": lambda rng, size: 1e3 * rng.standard_normal(size),
    "bounded": lambda rng, size: np.log(rng.uniform(size=size)),
    "ties": lambda rng, size: rng.standard_normal(size).round(1),
    "many ties": lambda rng, size: rng.standard_normal(size).round(),
    "some zero": lambda rng, size: np.where(rng.uniform(size=size) < 0.1, -np.inf, rng.standard_normal(size)),
    "mostly zero": lambda rng, size: np.where(rng.uniform(size=size) < 0.95, -np.inf, rng.standard_normal(size)),
    "one NaN": lambda rng, size: one_value(rng.standard_normal((1, size)), np.nan)[0],
    "one inf": lambda rng, size: one_value(rng.standard_normal((1, size)), np.inf)[0],
    "all zero": lambda rng, size: np.full(size, -np.inf),
}


@pytest.mark.parametrize("kind", WEIGHTS)
@pytest.mark.parametrize("size", [25, 26, 100, 224, 225, 226, 1000, 2001])
def test_psis_as_arviz(kind, size):
    ratios = WEIGHTS[kind](np.random.default_rng([size, *kind.encode()]), size)
    log_weights, k = psis(ratios)
    expected, expected_k = quietly(array_stats.psislw, -ratios)  # which takes log likelihoods
    assert_same(log_weights, expected, atol=1e-9)
    assert_same(k, expected_k, atol=1e-9)


def test_psis_batch_is_loop():
    rng = np.random.default_rng(0)
    ratios = np.stack([make(rng, 300) for make in [*WEIGHTS.values()] * 4]).reshape(2, 2, -1, 300)
    log_weights, k = psis(ratios)
    assert k.shape == ratios.shape[:-1]
    np.testing.assert_array_equal(psis(np.asfortranarray(ratios))[0], log_weights)
    for i in np.ndindex(k.shape):
        one, one_k = psis(ratios[i])
        np.testing.assert_array_equal(log_weights[i], one)
        np.testing.assert_array_equal(k[i], one_k)


@pytest.mark.parametrize("size", [1, 24, 25, 500])
def test_psis_leaves_weights_alone_where_nothing_can_be_fitted(size):
    # ArviZ raises for these; in a batch that would lose every other posterior.
    log_weights, k = psis(np.full((3, size), -7.0))
    np.testing.assert_allclose(log_weights, -np.log(size))
    assert np.isnan(k).all()


def test_psis_of_too_few_weights_only_normalises():
    ratios = np.random.default_rng(0).standard_normal(24)
    log_weights, k = psis(ratios)
    np.testing.assert_allclose(np.exp(log_weights), np.exp(ratios) / np.exp(ratios).sum())
    assert np.isnan(k)


def test_psis_finds_the_shape_of_pareto_weights():
    shape = np.array([0.2, 0.5, 0.9])
    ratios = shape[:, None, None] * np.random.default_rng(0).exponential(size=(3, 20, 4000))
    np.testing.assert_allclose(psis(ratios)[1].mean(axis=-1), shape, atol=0.08)


def test_importance_ess():
    rng = np.random.default_rng(0)
    log_weights = rng.standard_normal((5, 3, 100))
    weights = np.exp(log_weights)
    expected = weights.sum(axis=-1) ** 2 / (weights**2).sum(axis=-1)
    np.testing.assert_allclose(importance_ess(log_weights), expected)
    np.testing.assert_allclose(importance_ess(log_weights - 2000), expected)
    np.testing.assert_allclose(importance_ess(np.zeros(100)), 100)
    np.testing.assert_allclose(importance_ess(np.where(np.arange(100) == 3, 0.0, -np.inf)), 1)


@pytest.mark.parametrize("shape", [(1, 30, 3), (2, 100, 1), (4, 250, 12), (3, 77, 5)], ids=str)
def test_psis_loo_as_arviz(shape):
    rng = np.random.default_rng(sum(shape))
    log_likelihood = -(rng.standard_normal(shape) ** 2) * rng.exponential(size=shape[-1]) - 1
    ours = psis_loo(log_likelihood)
    data = from_dict({"log_likelihood": {"y": log_likelihood}, "posterior": {"a": rng.standard_normal(shape[:2])}})
    theirs = quietly(loo, data, reff=1.0, pointwise=True)
    assert_same(ours.elpd, theirs.elpd)
    assert_same(ours.se, theirs.se)
    assert_same(ours.p_loo, theirs.p, atol=1e-9)
    assert_same(ours.elpd_i, theirs.elpd_i.values)
    assert_same(ours.pareto_k, theirs.pareto_k.values)


def test_psis_loo_batch_is_loop():
    rng = np.random.default_rng(0)
    log_likelihood = rng.standard_normal((3, 2, 4, 60, 7))
    log_likelihood[1, 1, 0, 0, 2] = np.nan
    log_likelihood[2, 0, :, :, 3] = -1.0
    batch = psis_loo(log_likelihood)
    assert [v.shape for v in batch] == [(3, 2)] * 3 + [(3, 2, 7)] * 2
    for i in np.ndindex(3, 2):
        for all_of, one in zip(batch, psis_loo(log_likelihood[i]), strict=True):
            np.testing.assert_allclose(all_of[i], one, rtol=1e-12)
    assert np.isnan(batch.elpd[1, 1])
    assert np.isfinite(np.delete(batch.elpd.ravel(), 3)).all()
    np.testing.assert_allclose(batch.elpd_i[2, 0, 3], -1.0)


def test_a_hundred_fits_take_well_under_ten_seconds():
    x = np.random.default_rng(0).standard_normal((100, 7, 8, 250))
    start = time.perf_counter()
    convergence(x)
    assert time.perf_counter() - start < 10  # about 0.06 s on one idle core; ArviZ takes some 2 ms per posterior
