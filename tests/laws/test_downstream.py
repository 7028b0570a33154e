"""Published numbers of the laws of distillation, downstream scores and inference."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale.chained import chain
from jaxscale.laws.capacity_gap_linear import student_of
from jaxscale.laws.densing_trend import doubling_days
from jaxscale.laws.densing_two_step import effective_size
from jaxscale.laws.imperfect_verifier import utility, wrong_accepted
from jaxscale.laws.mc_transform_chain import share_of_choices

MIRROR = os.environ.get("JAXSCALE_DATA")


def at(name, preset, *inputs, **more):
    law = js.get_law(name)
    return float(np.asarray(law(*inputs, **(law.published[preset] | more))))


def test_a_7b_teacher_suits_a_2_8b_student():
    known = js.get_law("capacity_gap_linear").published["zhang2023"]
    assert student_of(7e9, **known) == pytest.approx(2.8e9, rel=0.01)
    assert at("capacity_gap_linear", "zhang2023", student_of(7e9, **known)) == pytest.approx(7e9)


def test_density_doubles():
    published = js.get_law("densing_trend").published
    assert doubling_days(published["xiao2024"]["A"]) == pytest.approx(95.0, abs=0.5)
    assert doubling_days(published["xiao2024_figure_1"]["A"], 2.1 * 365.0) == pytest.approx(88.0, abs=0.5)


def test_effective_size_undoes_the_two_steps():
    first = {"a": 40.0, "alpha": 0.2, "b": 900.0, "beta": 0.35}
    second = {"c": 0.7, "gamma": -6.0, "l": 0.9, "d": 0.25}
    sizes = np.array([1e9, 7e9, 7e10])
    score = js.get_law("densing_two_step")(js.get_law("densing_loss")(sizes, 1e12, **first), **second)
    assert effective_size(score, **first, **second) == pytest.approx(sizes, rel=1e-9)
    assert np.isnan(effective_size([0.2, 0.96], **first, **second)).all()


@pytest.mark.parametrize(("teacher", "student"), [(1.8, 2.2551), (2.4, 2.4207)])
def test_busbridge(teacher, student):
    assert at("coupled", "busbridge2025", 1e9, 2e10) == pytest.approx(2.3747, abs=5e-5)
    assert at("distillation_busbridge", "busbridge2025", 1e9, 2e10, teacher) == pytest.approx(student, abs=5e-5)


@pytest.mark.parametrize(
    ("layers", "hidden", "ffn", "tokens", "params", "mmlu", "digits"),
    [
        (32, 4096, 14336, 15, 8.03, 65.45, 2),
        (80, 8192, 28672, 15, 70.6, 81.09, 2),
        (80, 8192, 28672, 2, 69.0, 70.2, 1),
        (32, 4096, 11008, 2, 6.74, 58.0, 1),
    ],
)
def test_performance_law(layers, hidden, ffn, tokens, params, mmlu, digits):
    got = at("performance_law_mmlu", "wu2024", layers, hidden, ffn, tokens, params, 1.0)
    assert got == pytest.approx(mmlu, abs=0.505 * 10**-digits)


def test_performance_law_is_clipped_smoothly():
    shape = (80.0, 8192.0, 28672.0, 15.0, 70.6, 1.0)
    y = np.array([at("performance_law_mmlu", "wu2024", *shape, w0=w) for w in (-90.0, 18.0, 18.2, 60.0)])
    assert y[0] == 25.0
    assert abs(y[2] - y[1] - 0.2) < 1e-3  # the slope is 1 at 90
    assert y[3] < 100.0


def test_piecewise_law_is_smooth_at_its_break():
    law, known = js.get_law("piecewise_power_law"), {"t0": -0.2, "t1": -0.1, "t2": -0.04, "n_b": 20.0}
    h = np.log1p(1e-4)
    left, mid, right = np.log(law(20.0 * np.exp([-h, 0.0, h]), **known))
    assert (mid - left) / h == pytest.approx((right - mid) / h, rel=1e-4)
    assert mid == pytest.approx(-0.2 - 0.1 * np.log(20) - 0.04 * np.log(20) ** 2)


def test_choices_with_most_of_the_mass_are_right():
    rng = np.random.default_rng(0)
    nll, correct = rng.gamma(3.0, 2.0, (500, 4)), rng.integers(0, 4, 500)
    p, right = share_of_choices(nll, correct), nll.argmin(axis=1) == correct
    assert right[p > 0.5].all()
    assert not right[p < 0.25].any()


def test_imperfect_verifier_is_resampling():
    p, f, rho, K = 0.3, 0.2, 0.9, 4
    rng = np.random.default_rng(0)
    correct = rng.random((200_000, K)) < p
    passes = rng.random(correct.shape) < np.where(correct, rho, f)
    first = passes.argmax(axis=1)
    solved = passes.any(axis=1) & correct[np.arange(len(first)), first]
    law = js.get_law("imperfect_verifier")
    assert float(law(K, p=p, f=f, rho=rho)) == pytest.approx(solved.mean(), abs=0.005)
    total = float(law(K, p=p, f=f, rho=rho)) + wrong_accepted(K, p=p, f=f, rho=rho)
    assert total == pytest.approx(1.0 - (1.0 - p * rho - (1.0 - p) * f) ** K)
    assert float(law(1e9, p=p, f=f, rho=rho)) == pytest.approx(0.27 / 0.41)


def test_few_samples_are_best_where_problems_differ():
    p, f = np.array([0.9, 0.5, 0.02]), np.array([0.05, 0.1, 0.1])
    worth = [utility(k, p=p, f=f, penalty=1.0, cost=0.0) for k in range(1, 60)]
    assert 1 <= 1 + int(np.argmax(worth)) <= 10


def test_best_of_n_is_the_mean_of_the_largest():
    got = js.get_law("best_of_n_score")([1.0, 2.0, 3.0, 10.0, 1e6], mu=0.0, s=1.0)
    largest = [0.0, 1 / np.sqrt(np.pi), 1.5 / np.sqrt(np.pi), 1.53875273, 4.86289750]
    assert got == pytest.approx(largest, abs=1e-7)


@pytest.mark.skipif(not MIRROR, reason="JAXSCALE_DATA names no mirror of the public tables")
def test_olmo_ladder_foresees_7b_and_13b():
    """Sizes to task loss to accuracy, fitted up to 1.3B; the paper's error is about 2 points."""
    table = pd.read_csv(Path(str(MIRROR)) / "olmo_ladder" / "runs.csv")
    table = table.assign(loss=table["bpb_hellaswag"], score=table["acc_hellaswag"])
    small = table[table["size"].isin(["190M", "370M", "760M", "1B"])].dropna(subset=["loss", "score"])
    wanted = small["run"].str.contains(r"-(?:1|2|5|10)xC$") & (small["is_last"] == 1)
    assert wanted.sum() >= 12
    first = js.fit(small.loc[wanted, ["params", "tokens", "loss"]], method="point", progress=False)
    late = small[small["tokens"] > 1e9]
    second = js.fit(late[["loss", "score"]], "task_two_step_sigmoid", method="point", progress=False)
    got = chain(first, second).predict({"N": [6.89e9, 1.32024e10], "D": [3.945e12, 5e12]})["mean"]
    final = table[table["is_last"] == 1].set_index("run")["score"]
    assert got.to_numpy() == pytest.approx(final[["peteish7_eval_anneal", "peteish13_eval_final"]].to_numpy(), abs=0.02)
