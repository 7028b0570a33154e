"""Published numbers of the laws of mixtures, translation, vision and other fields."""

import os
from pathlib import Path

import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest

import jaxscale as js

MIRROR = os.environ.get("JAXSCALE_DATA")
needs_mirror = pytest.mark.skipif(not MIRROR, reason="JAXSCALE_DATA names no mirror of the public tables")
POOL = 128.0  # 12.8M samples, in 1e5


def at(name, preset, *inputs, **more):
    law = js.get_law(name)
    return float(np.asarray(law(*inputs, **(law.published[preset] | more))))


def test_two_domain_mixing_law_is_the_notebook_form():
    """exp(kappa r + b) with r the share of the domain itself."""
    r = 0.3
    assert at("mixing_law_exp:2", "pile_70m_1", r, 1.0 - r, c=0.0) == pytest.approx(np.exp(-2.438 * r - 0.598))
    assert at("mixing_law_exp:2", "pile_160m_2", r, 1.0 - r, c=1.5) == pytest.approx(1.5 + np.exp(-1.685 * r - 0.753))


@needs_mirror
def test_regmix_orders_the_mixtures_of_the_pile():
    """Fitted to 512 models of 1M parameters, tested at 1M, 60M and 1B."""
    table = pd.read_csv(Path(str(MIRROR)) / "regmix_mixture" / "runs.csv")
    shares = [c for c in table if c.startswith("w_")]
    table = table.rename(columns={c: f"share_{j}" for j, c in enumerate(shares, 1)} | {"loss_pile_cc": "loss"})
    columns = [*(f"share_{j}" for j in range(1, 18)), "loss"]
    law = js.get_law("regmix:17").with_priors({"w0": dist.Normal(0.0, 20.0)})
    train = table[table["split"] == "train"][columns]
    fit = js.fit(train, law, noise="least_squares", method="point", progress=False)
    for size, expected in (("1M", 90.2), ("60M", 89.3), ("1B", 87.7)):
        test = table[(table["split"] == "test") & (table["model_size_label"] == size)]
        ranks = pd.DataFrame(
            {"fit": fit.predict(test[columns[:-1]])["mean"].to_numpy(), "run": test["loss"].to_numpy()}
        )
        assert 100.0 * ranks.rank().corr().iloc[0, 1] == pytest.approx(expected, abs=0.06)


def test_projektor_passes_through_its_pilots():
    from jaxscale.laws.projektor_ot import at_size

    assert at_size(1000, 1000, 4000, 0.5, 0.6) == pytest.approx(0.5)
    assert at_size([4000, 16000], 1000, 4000, 0.5, 0.6) == pytest.approx([0.6, 0.7])


@pytest.mark.parametrize(
    ("millions", "accuracies"),
    [
        (32, (18.25, 15.84, 13.42, 11.68)),
        (64, (24.62, 23.30, 20.40, 17.99)),
        (128, (28.73, 29.60, 26.77, 24.13)),
        (640, (31.18, 38.55, 37.56, 35.14)),
    ],
)
def test_data_filtering(millions, accuracies):
    """The best mix of the top deciles widens with compute; with one pool it is the law."""
    from jaxscale.laws.data_filter_utility import mixed_pools

    pools = [dict(p) for p in list(js.get_law("data_filter_utility").published.values())[:4]]
    samples = 10.0 * millions
    for m, expected in enumerate(accuracies, 1):
        b, tau = ([p[name] for p in pools[:m]] for name in ("b", "tau"))
        error = mixed_pools(samples, POOL, a=0.025, d=0.1, b=b, tau=tau)
        assert 100.0 * (1.0 - error) == pytest.approx(expected, abs=0.00505)
    alone = at("data_filter_utility", "top_10", POOL, samples / POOL)
    assert 100.0 * (1.0 - alone) == pytest.approx(accuracies[0], abs=0.00505)


def test_multilingual_scores_come_back_as_tokens():
    """-63 % of 1B tokens: a score of 0.37B tokens reads as 0.37B."""
    from jaxscale.laws.multilingual_effective_tokens import effective_tokens

    curve = {"a": 900.0, "b": 3.0, "c": 4.0}
    score = np.asarray(js.get_law("multilingual_effective_tokens")(np.log10(0.37e9), **curve))
    assert effective_tokens(score, **curve) == pytest.approx(0.37e9)


def test_low_resource_direction_has_a_best_share():
    """argmin p = .31; with (D^gamma + b) q^beta = 1.011, here all of it in q."""
    p = np.linspace(0.01, 1.0, 991)
    law = js.get_law("mnmt_double_power")
    rest = {"gamma": -0.3, "b": 0.0, "q": 1.011 ** (1.0 / 1.32)}
    losses = np.asarray(law(p, 1.0, **law.published["zh_low"], **rest))
    assert p[losses.argmin()] == pytest.approx(0.31, abs=0.005)


def test_openai_models_scale_better_on_classification_and_laion_on_retrieval():
    """Errors of the largest and smallest compute seen, by the published lines."""
    gain = {p: at("clip_power", p, 1e12) / at("clip_power", p, 1e11) for p in js.get_law("clip_power").published}
    assert gain["imagenet_openai"] < gain["imagenet_openclip"] == pytest.approx(10**-0.1114)
    assert gain["robustness_openai"] < gain["robustness_openclip"]
    assert gain["coco_openclip"] < gain["coco_openai"]
    assert gain["flickr_openclip"] < gain["flickr_openai"]
    assert at("clip_power", "imagenet_openclip", 1e12) == pytest.approx(0.27, abs=0.01)


@pytest.mark.parametrize(("alpha", "beta", "expected"), [(0.51, 0.49, 0.49), (0.37, 0.62, 0.62), (0.68, 0.32, 0.32)])
def test_agents_frontier(alpha, beta, expected):
    """N* ~ C^a, with a = beta / (alpha + beta) and D* ~ C^(1 - a)."""
    law, n = js.get_law("agents_wm"), np.geomspace(1e6, 1e12, 60001)
    budgets = (1e19, 1e21)
    best = [
        n[np.asarray(law(n, c / (6.0 * n), E=1.0, Nc=1e7, alpha=alpha, Dc=1e8, beta=beta)).argmin()] for c in budgets
    ]
    # the printed exponents are rounded and need not add up to one
    assert np.log(best[1] / best[0]) / np.log(100.0) == pytest.approx(expected, abs=0.007)


def test_dense_retrieval_has_its_two_limits():
    more = {"B": 3.49e3, "beta": 1.05}
    assert at("dense_retrieval", "ms_marco_n", 1e8, 1e40, **more) == pytest.approx((3.22e4 / 1e8) ** 0.53 + 0.04)
    more = {"A": 3.22e4, "alpha": 0.53, "delta": 0.0}
    assert at("dense_retrieval", "ms_marco_d", 1e40, 1e5, **more) == pytest.approx((3.49e3 / 1e5) ** 1.05)


def test_generative_recommenders_pass_the_plateau():
    """At 1e3 PF-days the line stands where earlier recommenders stop, 0.28 to 0.29."""
    assert 0.28 <= at("genrec_log_compute", "hstu", 1e3) <= 0.29
    assert at("genrec_log_compute", "hstu", 1e6) == pytest.approx(0.15 + 0.0195 * np.log(1e6))
    assert at("genrec_ne", "hstu", 1e6) == pytest.approx(0.549 - 5.3e-3 * np.log(1e6))


def test_datastore_compute():
    from jaxscale.laws.datastore_loglinear import flops

    assert flops(7e9, 2e12, 1.4e12) == pytest.approx(6 * 7e9 * 2e12 + 2 * 177e6 * 1.4e12)
