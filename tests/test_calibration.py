"""Calibration: the exact test of ranks, short studies of the engine, and eight planted bugs that they must catch."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxscale.calibration import ecdf, envelope, p_value, ranks

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "benchmarks" / "calibration"))
from bugs import BUGS, CHAINS, OFFSET, PLAIN, planted  # noqa: E402
from sbc import Setting, study  # noqa: E402

sys.path.pop(0)  # nobody else is to find modules of these names


EACH = 1e-4  # p-value of a quantity, below which a short study fails
MOST = 0.5  # share of accepted fits, below which it fails too
SHORT = {"plain": (PLAIN, 400), "chains": (CHAINS, 200), "offset": (OFFSET, 200)}
BY_THE_GATE = ("truncated warm-up", "float32 cancellation")  # it refuses most of what these bugs do


# ---- ranks and their test ----------------------------------------------------------------------


def test_ranks_count_the_draws_below():
    truth, draws = np.array([0.5, -1.0, 9.0]), np.tile(np.arange(4.0), (3, 1))
    assert ranks(truth, draws, np.random.default_rng(0)).tolist() == [1, 0, 4]


def test_ties_take_every_place():
    found = ranks(np.zeros(3000), np.tile([-1.0, 0.0, 0.0, 1.0], (3000, 1)), np.random.default_rng(0))
    assert set(found) == {1, 2, 3}
    assert np.bincount(found)[1:].min() > 900


@pytest.mark.parametrize(
    ("truth", "draws", "says"),
    [(np.zeros(2), np.zeros((3, 4)), "not"), (np.zeros(2), np.zeros(2), "not"),
     (np.array([np.nan]), np.zeros((1, 4)), "NaN"), (np.zeros(1), np.full((1, 4), np.nan), "NaN")],
)  # fmt: skip
def test_ranks_that_cannot_be(truth, draws, says):
    with pytest.raises(ValueError, match=says):
        ranks(truth, draws, np.random.default_rng(0))


def test_p_value_wants_ranks_among_the_draws():
    with pytest.raises(ValueError, match="among 4 draws"):
        p_value(np.array([5]), 4)
    assert np.isnan(p_value(np.zeros(0, int), 4))


def test_p_value_is_exact():
    """Of all ways in which five truths rank among three draws, as many are as extreme as it says."""
    every = [np.array(found) for found in itertools.product(range(4), repeat=5)]
    p = np.array([p_value(found, 3) for found in every])
    for level in np.unique(p.round(12)):
        assert np.mean(p <= level + 1e-9) == pytest.approx(level, abs=1e-9)


def test_envelope_is_left_as_often_as_it_says():
    rng = np.random.default_rng(0)
    low, high = envelope(200, 19, 0.9)
    counts = np.stack([ecdf(rng.integers(0, 20, 200), 19) for _ in range(4000)])
    left = np.mean(np.any((counts < low) | (counts > high), axis=1))
    assert 0.08 < left <= 0.115  # at most a tenth, in whole counts


def test_envelope_and_p_value_agree():
    rng = np.random.default_rng(1)
    low, high = envelope(100, 19, 0.9)
    for _ in range(200):
        found = rng.integers(0, 20, 100)
        counts = ecdf(found, 19)
        assert (p_value(found, 19) > 0.1) == bool(np.all((counts >= low) & (counts <= high)))


def test_p_value_sees_bias_and_width():
    u = np.random.default_rng(0).random(200)
    for wrong in (u**1.5, np.sqrt(u), 0.5 + 0.7 * (u - 0.5), np.where(u < 0.5, 2 * u**2, 1 - 2 * (1 - u) ** 2)):
        assert p_value((wrong * 20).astype(int), 19) < 1e-3
    assert p_value((u * 20).astype(int), 19) > 0.05


# ---- the engine, and the engine with bugs --------------------------------------------------------


def said(found) -> str:
    return f"{100 * found.accepted:.0f} % accepted; " + ", ".join(f"{n} {p:.1e}" for n, p in found.p.items())


@pytest.mark.parametrize("name", SHORT)
def test_the_engine_is_calibrated(name):
    setting, count = SHORT[name]
    found = study(setting, 0, count)
    assert found.accepted > MOST, said(found)
    assert found.worst[1] > EACH, said(found)
    pooled = np.mean(list(found.inside(0.9).values()))
    assert 0.85 < pooled < 0.95, said(found)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numbers of a broken engine may overflow
@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name):
    bug = BUGS[name]
    with planted(name):
        found = study(bug.setting, 0, bug.simulations)
    if name in BY_THE_GATE:
        assert found.accepted < MOST, said(found)
        with planted(name, gate=False):
            found = study(bug.setting, 0, bug.simulations)
    assert found.worst[1] < EACH, said(found)


def test_a_bug_leaves_nothing_behind():
    before = study(PLAIN, 0, 20)
    for name in ("mask ignored", "sigma squared"):
        with planted(name):
            assert not np.array_equal(study(PLAIN, 0, 20).ranks, before.ranks)
    assert np.array_equal(study(PLAIN, 0, 20).ranks, before.ranks)


@pytest.mark.slow
@pytest.mark.parametrize("law", ["chinchilla", "henighan", "rl_sigmoid"])
def test_the_whole_cascade_is_calibrated(law):
    found = study(Setting(law), 0, 200)
    assert found.accepted > MOST, said(found)
    assert found.worst[1] > EACH, said(found)
