"""Published numbers of the laws of data, vocabulary, growth, pruning and images."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale.laws.avg_param import pruned_average
from jaxscale.laws.compound_scaling import multipliers
from jaxscale.laws.heaps import shuffled
from jaxscale.laws.knowledge_capacity import learned_bits, through_measured
from jaxscale.laws.vocab import best_vocabulary, tokens_per_character

needs_mirror = pytest.mark.skipif("JAXSCALE_DATA" not in os.environ, reason="JAXSCALE_DATA names no mirror")
WIDTH = {3e9: 3200, 7e9: 4096, 13e9: 5120, 30e9: 6048, 70e9: 8192, 300e9: 16384}
SUMS_X = np.array([160, 192, 256, 320, 384, 448, 480, 512, 544, 576, 608, 640, 672, 736, 800, 864, 928.0])
SUMS_Y = np.array([
    2.13809046, 2.11813418, 2.08955508, 2.06988398, 2.05404987, 2.03837089, 2.02814281, 2.00496872, 1.95576149,
    1.86313841, 1.70891537, 1.50637664, 1.29754721, 0.96559684, 0.75856477, 0.64768338, 0.55695445,
])  # fmt: skip


def at(name: str, preset: str, *inputs: float, **more: float) -> float:
    law = js.get_law(name)
    return float(np.asarray(law(*inputs, **(law.published[preset] | more))))


def mirrored(folder: str, file: str = "runs.csv") -> pd.DataFrame:
    return pd.read_csv(Path(os.environ["JAXSCALE_DATA"]) / folder / file)


def r_squared(y, expected) -> float:
    return float(1.0 - np.sum((y - expected) ** 2) / np.sum((y - np.mean(y)) ** 2))


@pytest.mark.parametrize(
    ("name", "preset", "inputs", "expected", "within"),
    [
        ("dit", "liang2024", (1.5e21,), 0.6325, 5e-5),
        ("dit_params", "liang2024", (1.5e21,), 9.65e8, 5e5),
        ("dit_fid", "liang2024", (1.5e21,), 25.0, 0.05),
        ("t2i_tifa", "li2024", (1e12,), 0.817, 5e-4),
        ("t2i_tifa_n", "li2024", (2.4,), 0.848, 5e-4),
        ("t2i_tifa_d", "li2024", (7300.0,), 0.836, 5e-4),
        ("gstack", "du2024", (8e9, 6 * 8e9 * 15e12), 6.58e9, 5e6),
        ("gstack", "du2024", (7e9, 6 * 7e9 * 2e12), 11.11e9, 5e6),
        ("gstack", "du2024", (13e9, 6 * 13e9 * 2e12), 15.84e9, 5e6),
        ("gstack", "du2024", (70e9, 6 * 70e9 * 2e12), 42.48e9, 5e6),
        ("data_constrained", "muennighoff2023", (6.34e9, 242e9, 25e9), 2.2256440889984477, 1e-14),
        ("data_constrained", "muennighoff2023", (8.67e9, 178e9, 25e9), 2.2269634075087867, 1e-14),
    ],
)
def test_published(name, preset, inputs, expected, within):
    assert at(name, preset, *inputs) == pytest.approx(expected, abs=within, rel=0)


def test_dit_size_times_data_is_compute():
    assert at("dit_params", "liang2024", 1e18) * at("dit_tokens", "liang2024", 1e18) == pytest.approx(
        0.168e18, rel=2e-3
    )


@pytest.mark.parametrize(("budget", "ratio"), [(1e19, 17.5), (1e20, 11.0), (1e21, 11.0), (1e22, 13.9)])
def test_farseer_optimum(budget, ratio):
    """Tokens per parameter at the best size inside the box; far outside, losses fall again."""
    law = js.get_law("farseer")
    sizes = np.geomspace(*law.box["N"], 20001)
    losses = law(sizes, budget / (6.0 * sizes), **law.published["li2025"])
    best = sizes[np.argmin(losses)]
    assert budget / (6.0 * best**2) == pytest.approx(ratio, rel=0.025)


@pytest.mark.parametrize(
    ("size", "first", "second", "third"),
    [
        (3e9, 39367, 42538, 36648), (7e9, 62280, 67450, 59547), (13e9, 83429, 90503, 81347),
        (30e9, 141711, 154071, 141898), (70e9, 211860, 230861, 217961), (300e9, 355894, 389324, 383659),
    ],
)  # fmt: skip
def test_best_vocabulary(size, first, second, third):
    """Three approaches, cut off at whole entries."""
    compute = (size / math.exp(-2.4846510161625193)) ** 2
    found = best_vocabulary(size, WIDTH[size], compute, js.get_law("vocab").published["vocab_published"])
    assert int(at("vocab_params", "approach_1", size) / WIDTH[size]) == first
    assert int(at("vocab_params", "approach_2", size) / WIDTH[size]) == second
    assert int(found) == third


@pytest.mark.parametrize(("size", "thousands"), [(3e9, 18.8), (7e9, 26.6), (70e9, 66.4)])
def test_best_vocabulary_without_the_slip_of_units(size, thousands):
    compute = (size / math.exp(-2.4846510161625193)) ** 2
    p = js.get_law("vocab").published["vocab_corrected"]
    found = best_vocabulary(size, WIDTH[size], compute, p)
    assert found == pytest.approx(thousands * 1e3, abs=51)

    def loss(entries):
        tokens = compute / (6.0 * (size + entries * WIDTH[size]))
        return at("vocab", "vocab_corrected", size / 1e6, entries * WIDTH[size] / 1e6, tokens / 1e9)

    assert loss(found) < min(loss(0.9 * found), loss(1.1 * found))


@needs_mirror
@pytest.mark.parametrize(
    ("unit", "preset", "expected"),
    [(1e3, "vocab_published", 0.972), (1.0, "vocab_published", 0.036), (1.0, "vocab_corrected", 0.968)],
)
def test_vocab_on_its_runs(unit, preset, expected):
    """Tokens from characters by the vocabulary in thousands, as the release has it, and in entries."""
    runs, law = mirrored("vocab_scaling").query("flops >= 2.18e17"), js.get_law("vocab")
    tokens = runs.characters * tokens_per_character(runs.vocab_size / unit)
    inputs = (runs.params_non_vocab / 1e6, runs.params_vocab / 1e6, tokens / 1e9)
    assert r_squared(runs.loss_u, law(*inputs, **law.published[preset])) == pytest.approx(expected, abs=5e-4)


@pytest.mark.slow
@needs_mirror
@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (1.0, {"A1": 1.9035, "A2": 0.12865, "B": 1.3313, "E": 5.5369, "alpha2": 1.0588, "beta": 0.43979}),
        (1e3, {"A1": 1.8289, "A2": 0.1907, "B": 2.1220, "E": 5.5349, "alpha2": 0.6637, "beta": 0.4453}),
    ],
)
def test_vocab_refitted(unit, expected):
    runs = mirrored("vocab_scaling").query("flops >= 2.18e17")
    runs["tokens"] = runs.characters * tokens_per_character(runs.vocab_size / unit)
    fit = js.fit(runs, "vocab", noise="huber", method="point")
    assert {k: float(fit.point[k]) for k in expected} == pytest.approx(expected, rel=1e-3)


@needs_mirror
def test_data_constrained_on_its_runs():
    runs, law = mirrored("datablations_repetition", "fit_sample.csv"), js.get_law("data_constrained")
    expected = law(runs.params, runs.tokens, runs.unique_tokens, **law.published["muennighoff2023"])
    assert r_squared(runs.loss, expected) == pytest.approx(0.7722, abs=5e-5)


def test_data_constrained_is_chinchilla_on_new_tokens():
    p = js.get_law("data_constrained").published["muennighoff2023"]
    same = {k: p[k] for k in ("E", "A", "alpha", "B", "beta")}
    expected = float(np.asarray(js.get_law("chinchilla")(1e9, 1e11, **same)))
    for unique in (1e11, 1e13):  # a larger pool than is read changes nothing
        assert at("data_constrained", "muennighoff2023", 1e9, 1e11, unique) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_bnsl_extrapolates_a_sharp_transition():
    """Four-digit sums: fitted to the first 14 sizes of the training set, root mean squared log error of the last 3."""
    fit = js.fit(pd.DataFrame({"x": SUMS_X[:14], "loss": SUMS_Y[:14]}), "bnsl", noise="least_squares", method="point")
    got = fit.predict({"x": SUMS_X})["mean"].to_numpy()
    off = (np.log1p(got) - np.log1p(SUMS_Y)) ** 2
    assert np.sqrt(off[:14].mean()) < 5e-4
    assert np.sqrt(off[14:].mean()) < 5e-3


def test_bnsl_has_the_slopes_it_says():
    """The demonstration: log slopes between the breaks are the sums of -c."""
    law, x = js.get_law("bnsl:3"), np.array([1e-9, 1e-8, 1e25, 1e26])
    p = law.published["figure_1"] | {"a": 0.0}
    y = np.log(law(x, **p))
    slopes = (y[[1, 3]] - y[[0, 2]]) / np.log(10.0)
    assert slopes == pytest.approx([-0.05, -(0.05 + 0.49 - 0.811 + 2.1)], abs=1e-3)


def test_multipliers_of_eightfold_flops():
    assert multipliers(8.0) == pytest.approx([1.231, 2.297, 1.110], abs=5e-4)
    depth, width, resolution = multipliers(8.0)
    assert depth * width**2 * resolution**2 == pytest.approx(8.0)
    assert at("compound_scaling", "fast", 8.0, a0=1.0) == pytest.approx(depth * width * resolution**2)


@pytest.mark.parametrize("p", [0.6, 1.0])
def test_knowledge_through_its_two_points(p):
    rates = js.get_law("knowledge_capacity")([100.0, 1000.0], **through_measured(p))
    assert rates == pytest.approx([1.0, 2.0], rel=1e-9)
    assert learned_bits(rates, 1e6, 1.5e6) == pytest.approx([1e6, 1.5e6])


def test_pruned_average():
    """A cubic from one quarter to three: the mean over tokens, by sums."""
    u = np.clip((np.linspace(0.0, 1.0, 100001) - 0.25) / 0.5, 0.0, 1.0)
    assert pruned_average(1e9, 0.6) == pytest.approx(np.mean(1e9 * (1.0 - 0.6 * (1.0 - (1.0 - u) ** 3))), rel=1e-5)


def test_shuffled_vocabulary():
    """Three words, six places: the second draw repeats the first with probability (3 2 + 2 1) / (6 5)."""
    assert shuffled([3, 2, 1], [0, 1, 2, 6]) == pytest.approx([0.0, 1.0, 2.0 - 8.0 / 30.0, 3.0])
