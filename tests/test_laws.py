"""Every registered law keeps its contract, and published coefficients give published numbers."""

import numpy as np
import pytest

import jaxscale as js
import jaxscale.law
from jaxscale import registry
from jaxscale.check import CHECKS, LIGHT, check_law
from jaxscale.law import Law

CHINCHILLA_C = 5.76e23  # FLOP: the budget of the 70B model


# one of each kind: plain, rooted, sigmoid, count, raw input, vector input, boxed, family, real response; the implicit
# one (su_trajectory) takes a minute and a half and is examined whole by the slow tests
FULL = (
    "chinchilla", "kaplan_nd", "rl_sigmoid", "coverage_exp_power", "regmix", "multi_power",
    "qid", "bnsl", "cmr_ratio",
)  # fmt: skip


@pytest.mark.parametrize("law", js.list_laws(), ids=lambda law: law.name)
def test_contract(law: Law):
    report = check_law(law, light=law.name not in FULL)
    assert list(report.checks) == [name for name in CHECKS if law.name in FULL or name in LIGHT]


@pytest.mark.slow
@pytest.mark.parametrize("law", js.list_laws(), ids=lambda law: law.name)
def test_whole_contract(law: Law):
    assert list(check_law(law).checks) == list(CHECKS)


@pytest.mark.parametrize("law", js.list_laws(), ids=lambda law: law.name)
def test_every_law_has_a_home(law: Law):
    """One file a law, named as the law; every name finds it."""
    assert law.file.endswith(f"/{law.name}.py")
    assert all(js.get_law(name) is law for name in (law.name, *law.aliases))
    assert law.topic
    assert all(symbol in law.formula for symbol in law.inputs)


TYPED = """
@law(inputs={"N": PARAMS}, response=LOSS, priors={"E": floor()}, source=Ours(inspired_by="nothing"))
def typed(N, *, E):
    '''L(N) = E'''
    return E + {more} * N
"""


def test_a_law_typed_at_a_prompt_has_a_hash(monkeypatch):
    """Python keeps no source of what is typed; the hash is of the formula all the same."""
    monkeypatch.setattr(registry, "_LAWS", dict(registry._LAWS))

    def typed(more: str) -> str:
        names = dict(vars(jaxscale.law))
        exec(TYPED.replace("{more}", more), names)
        return names["typed"].source_hash

    assert typed("0.0") == typed("0.0") != typed("1.0")


def optimum(name: str, budget: float = CHINCHILLA_C) -> float:
    """N* of a chinchilla preset under C = 6 N D: G (C / 6)^(beta / (alpha + beta))."""
    p = js.get_law("chinchilla").published[name]
    total = p["alpha"] + p["beta"]
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1.0 / total)
    return g * (budget / 6.0) ** (p["beta"] / total)


def at(name: str, preset: str, *inputs: float, **more: float) -> float:
    law = js.get_law(name)
    return float(np.asarray(law(*inputs, **(law.published[preset] | more))))


@pytest.mark.parametrize(
    ("preset", "expected"),
    [("besiroglu2024", 7.22e10), ("hoffmann2022", 4.04e10), ("hoffmann2022_rounded", 3.22e10)],
)
def test_chinchilla_optimum(preset, expected):
    n = optimum(preset)
    assert n == pytest.approx(expected, rel=2e-3)
    losses = [at("chinchilla", preset, n * step, CHINCHILLA_C / (6.0 * n * step)) for step in (0.99, 1.0, 1.01)]
    assert losses[1] == min(losses)


def test_chinchilla_rounding_moves_the_loss():
    assert at("chinchilla", "hoffmann2022_rounded", 70e9, 1.4e12) == pytest.approx(1.937, abs=5e-4)
    assert at("chinchilla", "hoffmann2022", 70e9, 1.4e12) == pytest.approx(1.921, abs=5e-4)


def test_kaplan():
    assert at("kaplan_nd", "kaplan2020", 1e9, 2e10) == pytest.approx(2.3739, abs=5e-5)
    without_limit = at("kaplan_nd", "kaplan2020", 1e9, 1e40)
    assert without_limit == pytest.approx((6.4e13 / 1e9) ** 0.076, rel=1e-9)


@pytest.mark.parametrize(("preset", "expected"), [("c4", 3.4), ("redpajama", 7.4), ("refinedweb", 5.8)])
def test_gadre_optimum(preset, expected):
    p = js.get_law("gadre").published[preset]
    m = (p["b"] / p["a"]) ** (1.0 / (2.0 * p["eta"]))
    assert m == pytest.approx(expected, abs=0.05)
    losses = [at("gadre", preset, 1e21, m * step) for step in (0.9, 1.0, 1.1)]
    assert losses[1] == min(losses)


@pytest.mark.parametrize(
    ("preset", "params", "tokens", "loss"),
    [("c4", 1439795200, 4, 2.5094), ("c4", 6889410560, 1, 2.2799), ("redpajama", 6889410560, 1, 2.4427)],
)
def test_gadre_held_out_runs(preset, params, tokens, loss):
    """Predictions that the repository's recipe makes for runs it did not fit; tokens as a multiple of 20 params."""
    m = 20.0 * tokens
    assert at("gadre", preset, 6.0 * params * params * m, m) == pytest.approx(loss, abs=2e-3)


def test_gadre_is_chinchilla_with_one_exponent():
    p = js.get_law("gadre").published["redpajama"]
    params, tokens = 1e9, 6e10
    same = {"E": p["E"], "A": p["a"] * 6 ** -p["eta"], "B": p["b"] * 6 ** -p["eta"]}
    same |= {"alpha": 2 * p["eta"], "beta": 2 * p["eta"]}
    assert same["A"] == pytest.approx(166.21, abs=0.02)
    assert same["B"] == pytest.approx(287.17, abs=0.02)
    expected = np.asarray(js.get_law("chinchilla")(params, tokens, **same))
    assert at("gadre", "redpajama", 6 * params * tokens, tokens / params) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize(("factor", "streams"), [(1.6, 4.6), (2.0, 12.7)])
def test_parscale_streams_for_parameters(factor, streams):
    """P = exp((N' / N - 1) / k) streams are worth N' parameters."""
    k = js.get_law("parscale").published["stack_v2_python"]["k"]
    p = np.exp((factor - 1.0) / k)
    assert p == pytest.approx(streams, abs=0.05)
    assert at("parscale", "stack_v2_python", 1e9, p) == pytest.approx(
        at("parscale", "stack_v2_python", 1e9 * factor, 1.0), rel=1e-12
    )


def test_coverage_anchors():
    """SWE-bench Lite, DeepSeek-Coder-V2: from 15.9 % with one sample to 56 % with 250."""
    law = js.get_law("coverage_exp_power")
    shares = np.asarray(law([1.0, 250.0], a=-1.839, b=-0.209))
    assert shares == pytest.approx([0.159, 0.56], abs=1e-3)
    assert at("coverage_exp_power", "pythia_12b", 10000.0) == pytest.approx(0.875, abs=5e-3)


def test_rl_sigmoid_is_halfway_at_its_midpoint():
    law = js.get_law("rl_sigmoid")
    for preset in law.published.values():
        assert float(np.asarray(law(preset["Cmid"], R0=0.2, **preset))) == pytest.approx((0.2 + preset["A"]) / 2)
    ends = np.asarray(law([1e-9, 1e15], R0=0.2, **law.published["scalerl_8b"]))
    assert ends == pytest.approx([0.2, 0.61], abs=1e-9)


def test_rectified_ft_on_gpt2():
    """The catalogue's coefficients against the losses they were fitted to, FLAN: within its 0.65 %."""
    law, gpt2 = js.get_law("rectified_ft"), {"B": 856.0, "Dl": 261.0, "beta": 0.5005, "E": 1.242}
    values = np.asarray(law([1e-12, 200.0, 51200.0, 1638400.0], **gpt2))
    assert values[0] == pytest.approx(1.242 + 856.0 / 261.0, rel=1e-6)
    assert values[1:] == pytest.approx([4.3860, 2.9884, 1.7906], rel=0.01)


def test_hestness_halves_as_its_exponent_says():
    """eps = 11.9 m^-0.066, word language models."""
    law = js.get_law("hestness")
    values = np.asarray(law([1e6, 1e6 * 2 ** (1 / 0.066)], alpha=11.9, beta_g=-0.066, gamma=0.0))
    assert values[1] == pytest.approx(values[0] / 2.0)
