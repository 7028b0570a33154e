"""Plans from published coefficients: what the papers, or algebra, say the best choice is."""

import math

import numpy as np
import pytest
from scipy.optimize import brentq, curve_fit, minimize_scalar

import jaxscale as js
from jaxscale.laws.vocab import best_vocabulary
from jaxscale.schedules import prepare, wsd
from tests.laws.test_data import WIDTH


def plan(name, *args, **options):
    return js.plan(js.get_law(name), *args, **options)


def best(made):
    return {k: float(v[0]) for k, v in made.draws.items()}


def published(name, preset=None):
    presets = js.get_law(name).published
    return dict(presets[preset or next(iter(presets))])


# ---- parameters and tokens -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "size", "ratio", "rounded"),
    [("hoffmann2022", 4.04e10, 58.9, False), ("hoffmann2022_rounded", 3.22e10, 92.6, True),
     ("besiroglu2024", 7.22e10, 18.4, False)],
)  # fmt: skip
def test_chinchilla(preset, size, ratio, rounded):
    """Rounding Hoffmann's coefficients moves the best size by a fifth, and the plan says that it may."""
    made = plan("chinchilla", 5.76e23, preset=preset)
    found = best(made)
    assert found["N"] == pytest.approx(size, rel=2e-3)
    assert found["tokens_per_param"] == pytest.approx(ratio, rel=2e-3)
    assert made.recommended["N"] == pytest.approx(found["N"], rel=1e-6)
    assert any("rounded" in note for note in made.notes) == rounded
    p = published("chinchilla", preset)
    a = p["beta"] / (p["alpha"] + p["beta"])
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    assert found["N"] == pytest.approx(g * (5.76e23 / 6) ** a, rel=1e-8)
    least = p["E"] + (p["A"] * g ** -p["alpha"] + p["B"] * g ** p["beta"]) * (5.76e23 / 6) ** (-p["alpha"] * a)
    assert found["loss"] == pytest.approx(least, rel=1e-12)


def test_rounding_is_said_by_as_much_as_it_moves_the_size():
    """The note's bound holds the unrounded coefficients' own size."""
    rounded, exact = (plan("chinchilla", 5.76e23, preset=p) for p in ("hoffmann2022_rounded", "hoffmann2022"))
    note = next(n for n in rounded.notes if "rounded" in n)
    bound = float(note.split("up to ")[1].split(" %")[0]) / 100
    moved = best(exact)["N"] / best(rounded)["N"] - 1
    assert 0.2 < moved < bound < 1.0


def test_minicpm_reads_192_tokens_per_parameter():
    """From the printed digits 184, which their rounding leaves open by more than what is missing."""
    made = plan("minicpm_nd", 1e21, preset="average")
    p, found = published("minicpm_nd", "average"), best(made)
    k = (p["alpha"] * p["CN"] / (p["beta"] * p["CD"])) ** (1 / (p["alpha"] + p["beta"]))
    ratio = k**-2 * (1e21 / 6 / 1e18) ** ((p["alpha"] - p["beta"]) / (p["alpha"] + p["beta"]))
    assert found["tokens_per_param"] == pytest.approx(ratio, rel=1e-6)
    assert found["tokens_per_param"] == pytest.approx(191.87, rel=0.05)
    assert any("rounded" in note for note in made.notes)


def test_kaplan_exponents():
    """N grows as C^(aC / aN) with 1 / aC = 1 / aN + 1 / aS + 1 / aB, far below the critical batch size."""
    p = {"Nc": 6.5e13, "aN": 0.077, "Sc": 2.1e3, "aS": 0.76, "Bs": 2.1e8, "aB": 0.21}
    options = {"preset": p, "at": {"B": 1.0}, "cost": lambda N, S, B: 6 * N * S * B, "limits": {"S": (1e3, 1e20)}}
    first, second = (best(plan("su_trajectory", c, **options)) for c in (1e21, 1e23))
    power = 1 / (1 / p["aN"] + 1 / p["aS"] + 1 / p["aB"])
    assert math.log(second["loss"] / first["loss"]) / math.log(100) == pytest.approx(-power, rel=1e-4)
    assert math.log(second["N"] / first["N"]) / math.log(100) == pytest.approx(power / p["aN"], rel=1e-4)
    assert power == pytest.approx(0.052, abs=5e-4)


def test_kaplan_nd_exponent():
    p = published("kaplan_nd")
    first, second = (best(plan("kaplan_nd", c)) for c in (1e21, 1e23))
    assert math.log(second["N"] / first["N"]) / math.log(100) == pytest.approx(p["aD"] / (p["aN"] + p["aD"]), rel=1e-6)


def test_repeated_data_at_the_papers_budget():
    """Muennighoff's allocation, 6.34B parameters on 242B tokens of which 25B are unique, is all but the best."""
    budget = 6 * 6.34e9 * 242e9
    made = plan("data_constrained", budget, unique_tokens=25e9)
    law, p, found = js.get_law("data_constrained"), published("data_constrained"), best(made)
    sizes = np.geomspace(1e9, 1e11, 40001)
    losses = law(sizes, budget / (6 * sizes), 25e9, **p)
    assert found["loss"] <= losses.min() * (1 + 1e-12)
    assert found["N"] == pytest.approx(sizes[np.argmin(losses)], rel=1e-3)
    assert 0 < made.regret([{"N": 6.34e9}])["regret_mean"][0] < 2e-4
    fresh = best(plan("data_constrained", budget))
    assert fresh["U"] == fresh["D"]
    assert fresh["loss"] < found["loss"]


# ---- vocabulary, experts, precision, streams -------------------------------------------------------


@pytest.mark.parametrize(
    ("preset", "size", "entries"),
    [("vocab_published", 70e9, 217961), ("vocab_published", 7e9, 59547), ("vocab_corrected", 70e9, 66400)],
)
def test_vocabulary(preset, size, entries):
    """216 to 218 thousand entries for 70B with the published constants, 66 thousand without their slip of units."""
    budget = (size / math.exp(-2.4846510161625193)) ** 2
    found = best(plan("vocab", budget, preset=preset, at={"Nnv": size}))
    mine = found["Nv"] / WIDTH[size]
    assert mine == pytest.approx(best_vocabulary(size, WIDTH[size], budget, published("vocab", preset)), rel=1e-6)
    assert mine == pytest.approx(entries, rel=1e-3)
    assert found["D"] == pytest.approx(budget / (6 * (size + found["Nv"])), rel=1e-12)


@pytest.mark.parametrize(
    ("options", "size", "active", "loss"),
    [({"at": {"S": 0.0}}, 2.5e9, 2.5e9, 2.275), ({}, 8.3e10, 1.7e9, 2.014)],
)
def test_sparsity(options, size, active, loss):
    """More experts that sleep, fewer parameters awake: at C = 1e21 from dense to the end of what was fitted."""
    made = plan("moe_sparsity", 1e21, **options)
    found = best(made)
    sparsity = found.get("S", 0.0)
    assert found["N"] == pytest.approx(size, rel=0.02)
    assert found["N"] * (1 - sparsity) == pytest.approx(active, rel=0.03)
    assert found["loss"] == pytest.approx(loss, abs=5e-4)
    assert (sparsity == pytest.approx(0.98)) == (not options)


def test_routing_stops_to_help():
    """At N = 10^(-b / c), from the unrounded coefficients of our own refit."""
    p = published("routed_moe", "rl_r_refit")
    end = 10 ** (-p["b"] / p["c"])
    below, above = (best(plan("routed_moe", preset="rl_r_refit", at={"N": end * f}))["E"] for f in (0.8, 1.25))
    assert above == pytest.approx(1.0)
    assert below > 1000.0
    assert best(plan("routed_moe", preset="rl_r_refit", at={"N": 1e9}, limits={"E": 64}))["E"] == pytest.approx(64.0)


def test_seven_bits():
    """Kumar: with one width for weights, activations and cache, 7 bits whatever the budget."""
    for budget in (1e18, 3e18):
        found = best(plan("precision", budget, at={"Pa": "Pw", "Pkv": "Pw"}))
        assert found["Pw"] == pytest.approx(7.00, abs=0.005)
        assert found["Pw"] == found["Pa"] == found["Pkv"]


def test_floating_point_bits():
    """Sun et al.: P^(delta + nu) = gamma_D D^beta log2 B at a given D, and M + 1/2 = nu P / (delta + nu)."""
    p, tokens, block = published("fp_quant"), 1e12, 128.0
    found = best(plan("fp_quant", 1e22, at={"B": block, "D": tokens}))
    both = p["delta"] + p["nu_M"]
    bits = found["E"] + found["M"] + 1
    share = p["gamma"] * p["delta"] ** p["delta"] * p["nu_M"] ** p["nu_M"] / both**both
    scale = (both - p["alpha"]) / (p["n"] * p["alpha"] * share)
    assert bits == pytest.approx((scale * tokens ** p["beta"] * math.log2(block)) ** (1 / both), rel=1e-5)
    assert found["M"] + 0.5 == pytest.approx(p["nu_M"] * bits / both, rel=1e-5)
    assert found["cost"] == pytest.approx(1e22)


def test_more_data_can_hurt():
    """Sun et al.: beyond D_crit = (d gamma N^alpha (E + .5)^delta (M + .5)^nu / log2 B)^(1 / 2 beta) tokens."""
    p, at = published("fp_quant"), {"N": 1e9, "E": 2.0, "M": 1.0, "B": 128.0}
    made = plan("fp_quant", 6e23, at=at)
    bits = 2.5 ** p["delta"] * 1.5 ** p["nu_M"]
    exact = (p["d"] * p["gamma"] * 1e9 ** p["alpha"] * bits / 7.0) ** (1 / (2 * p["beta"]))
    assert exact == pytest.approx(0.39e12, rel=0.01)
    assert best(made)["D"] == pytest.approx(exact, rel=1e-6)
    assert best(made)["cost"] < 6e20
    assert any("not all of the budget" in note for note in made.notes)


def test_streams_pay_only_where_the_size_is_held():
    options = {"preset": "pile", "at": {"tokens": 1e12}}
    assert best(plan("parscale", 1e22, **options))["P"] == pytest.approx(1.0)
    held = best(plan("parscale", 1e22, limits={"N": 3e8}, **options))
    assert held["N"] == pytest.approx(3e8)
    assert held["P"] == pytest.approx(1e22 / (6 * 3e8 * 1e12), rel=1e-5)


# ---- rules: the response is the decision -----------------------------------------------------------


@pytest.mark.parametrize(
    ("law", "preset", "at", "value", "rel"),
    [
        ("step_law", "li2025", {"N": 1e9, "D": 1e11}, 1.632e-3, 1e-3),
        ("step_law", "li2025", {"N": 7e9, "D": 1.4e12}, 9.17e-4, 1e-3),
        ("step_law_batch", "li2025", {"D": 1e11}, 1.108e6, 1e-3),
        ("step_law_batch", "li2025", {"D": 1.4e12}, 5.0e6, 1e-3),
        ("porian_lr", "porian2024_rounded", {"N": 108e6}, 0.0047, 1e-6),
        ("gstack", None, {"N": 8e9, "D": 15e12}, 6.58e9, 1e-3),
        ("capacity_gap_linear", None, {"N_S": 2.8e9}, 7e9, 5e-3),
        ("cmr", "460m", {"T": 20e9}, 0.298, 2e-3),
        ("cmr", "940m", {"T": 20e9}, 0.349, 2e-3),
        ("cmr", "1.6b", {"T": 20e9}, 0.414, 2e-3),
        ("cmr", "3.1b", {"T": 20e9}, 0.478, 2e-3),
    ],
)  # fmt: skip
def test_rules(law, preset, at, value, rel):
    made = plan(law, preset=preset, at=at)
    assert made.recommended[made.response] == pytest.approx(value, rel=rel)
    assert set(at) <= set(made.summary().index) | {"D"}


@pytest.mark.parametrize(("params", "tokens"), [(6e7, 2e9), (4e8, 1e10), (1e9, 1e11), (7e9, 1.4e12), (7e10, 1.5e13)])
def test_step_law_on_five_configurations(params, tokens):
    made = plan("step_law", preset="li2025_bootstrap", at={"N": params, "D": tokens})
    assert made.recommended["lr"] == pytest.approx(1.7973 * params**-0.7129 * tokens**0.3075, rel=1e-12)


def test_a_budget_is_the_compute_of_a_rule():
    assert plan("henighan_nopt", 8.64e19, preset="language").recommended["optimal_params"] == pytest.approx(
        1.29e9, abs=5e6
    )
    with pytest.raises(js.PlanError, match=r"at=\{'N': ..., 'D': ...\}"):
        plan("step_law", preset="li2025")


# ---- targets ---------------------------------------------------------------------------------------


def test_samples_for_a_coverage():
    p = published("coverage_exp_power", "pythia_12b")
    made = plan("coverage_exp_power", preset="pythia_12b", target=0.5)
    exact = (math.log(0.5) / p["a"]) ** (1 / p["b"])
    assert best(made)["k"] == pytest.approx(exact, rel=1e-9)
    assert made.recommended["k"] == math.ceil(exact)


def test_best_of_n_for_a_score():
    """The mean of the largest of two normal numbers is 1 / sqrt(pi)."""
    made = plan("best_of_n_score", preset={"mu": 0.3, "s": 0.1}, target=0.3 + 0.1 / math.sqrt(math.pi))
    assert best(made)["n"] == pytest.approx(2.0, rel=1e-6)


def test_a_verifier_has_a_ceiling():
    p, f = 0.3, 0.1
    s = p + (1 - p) * f
    made = plan("imperfect_verifier", preset={"p": p, "f": f, "rho": 1.0}, target=0.75)
    assert best(made)["K"] == pytest.approx(math.log(1 - 0.75 * s / p) / math.log(1 - s), rel=1e-9)
    with pytest.raises(js.PlanError, match="out of reach"):
        plan("imperfect_verifier", preset={"p": p, "f": f, "rho": 1.0}, target=0.85)


def test_compute_of_reinforcement_learning():
    p = {**published("rl_sigmoid", "scalerl_8b"), "R0": 0.1}
    found = best(plan("rl_sigmoid", preset=p, target=0.5))["C"]
    assert found == pytest.approx(p["Cmid"] / ((p["A"] - p["R0"]) / 0.4 - 1) ** (1 / p["B"]), rel=1e-9)
    assert plan("rl_sigmoid", found, preset=p).recommended["score"] == pytest.approx(0.5)
    with pytest.raises(js.PlanError, match="out of reach"):
        plan("rl_sigmoid", preset=p, target=0.62)
    with pytest.raises(js.PlanError, match="R0"):
        plan("rl_sigmoid", preset="scalerl_8b", target=0.5)


def test_store_for_a_perplexity():
    made = plan("datastore_loglinear", preset={"a": 4.09, "b": 0.09, "S0": 2.0}, target=3.8)
    assert best(made)["S"] == pytest.approx(2e9 * math.expm1(0.29 / 0.09), rel=1e-9)


def test_compute_for_a_loss():
    """The closed form of the loss along the frontier, inverted."""
    p = published("chinchilla", "besiroglu2024")
    a, b = p["alpha"], p["beta"]
    g = (a * p["A"] / (b * p["B"])) ** (1 / (a + b))
    factor = p["A"] * g**-a + p["B"] * g**b
    exact = 6 * ((2.0 - p["E"]) / factor) ** (-(a + b) / (a * b))
    made = plan("chinchilla", 1e23, preset="besiroglu2024", target=2.0)
    assert best(made)["cost_to_target"] == pytest.approx(exact, rel=1e-8)
    assert made.recommended["p_target"] == 0.0
    least = plan("chinchilla", preset="besiroglu2024", target=2.0)
    assert (least.budget, best(least)["loss"]) == (pytest.approx(exact, rel=1e-8), pytest.approx(2.0, rel=1e-9))
    with pytest.raises(js.PlanError, match="floor"):
        plan("chinchilla", preset="besiroglu2024", target=1.8)


def test_domain_share_that_keeps_the_general_loss():
    """D-CPT's table of the general loss over the domain's share (chemistry, 1.8B, 10B tokens): 3 % more is at .924."""
    domain = np.array([0.90, 0.91, 0.92, 0.924, 0.93, 0.94, 1.0])
    general = np.array([2.9052, 2.9193, 2.9376, 2.9445, 2.9644, 2.9848, 3.4667])

    def shape(r, floor, c, eps, gamma):
        return floor + c * (r + eps) ** -gamma

    found, _ = curve_fit(shape, 1 - domain, general, p0=[2.0, 0.5, 0.05, 0.3], bounds=(1e-6, 5.0), maxfev=20000)
    p = dict(zip(("E", "C", "eps", "gamma"), map(float, found), strict=True))
    p |= {"A": 1e-9, "alpha": 0.3, "B": 1e-9, "eta": 0.5, "beta": 0.3}
    made = plan("dcpt", preset=p, at={"N": 1.8e9, "D": 1e10}, target=1.03 * 2.8602)
    assert 1 - best(made)["r"] == pytest.approx(0.924, abs=0.002)


# ---- teachers, mixtures, schedules -----------------------------------------------------------------


def test_teacher_of_a_student():
    """A teacher can be too strong: the best loss of it for one billion parameters on twenty billion tokens."""
    law, p = js.get_law("distillation_busbridge"), published("distillation_busbridge")
    exact = minimize_scalar(
        lambda t: float(law(1e9, 2e10, t, **p)), bounds=(1.3, 2.4), method="bounded", options={"xatol": 1e-10}
    )
    made = plan("distillation_busbridge", at={"N_S": 1e9, "D_S": 2e10})
    assert best(made)["L_T"] == pytest.approx(exact.x, rel=1e-5)
    told = made.regret([{"L_T": 1.8}, {"L_T": 2.4}])
    assert told["loss_mean"].to_numpy() == pytest.approx([2.2551, 2.4207], abs=5e-5)
    with pytest.raises(js.PlanError, match="outside the range"):  # ever larger students on ever fewer tokens
        plan("distillation_busbridge", 1e21)


def test_mixture_of_two_validation_domains():
    """Two exponentials have their lowest sum where their slopes cancel."""
    law = js.get_law("mixing_law_exp:2")
    first, second = {"c": 1.0, "k": 1.0, "t1": -2.4, "t2": -0.6}, {"c": 1.5, "k": 1.0, "t1": -0.2, "t2": -1.9}

    def slope(r):
        return sum(
            w * (p["t1"] - p["t2"]) * math.exp(p["t1"] * r + p["t2"] * (1 - r))
            for w, p in ((0.3, first), (0.7, second))
        )

    from jaxscale.decide.members import source_of
    from jaxscale.decide.mixture import best_mixture
    from jaxscale.runtime import float64

    with float64():
        made = best_mixture([source_of(law, p) for p in (first, second)], [0.3, 0.7], None, "loss", 0.9)
    assert made["draws"]["r1"][0] == pytest.approx(brentq(slope, 0, 1), abs=1e-7)
    assert made["draws"]["r1"][0] + made["draws"]["r2"][0] == pytest.approx(1.0, abs=1e-12)


def test_a_plane_goes_to_the_end_of_its_limits():
    p = {"w0": 0.0, "w1": 3.0, "w2": 2.5, "w3": 2.0}
    alone = plan("regmix", preset=p)
    assert [best(alone)[r] for r in ("r1", "r2", "r3")] == pytest.approx([0.0, 0.0, 1.0], abs=1e-9)
    assert any("plane" in note for note in alone.notes)
    held = plan("regmix", preset=p, limits={"r3": 0.5, "r1": (0.2, 1.0)})
    assert [best(held)[r] for r in ("r1", "r2", "r3")] == pytest.approx([0.2, 0.3, 0.5], abs=1e-9)
    with pytest.raises(js.PlanError, match="add up"):
        plan("regmix", preset=p, limits={"r1": 0.2, "r2": 0.2, "r3": 0.2})


def test_mixture_at_a_transport_distance():
    """A bent surface with its top inside: p = -slope / (2 bend) for each share."""
    p = {"b0": 0.1, "b1": 0.02, "b2": 0.03, "q1": -0.04, "q2": -0.05, "c0": 0.2, "c1": 0.1, "c2": 0.0}
    found = best(plan("projektor_ot", preset=p, at={"T": 10.0}))
    assert found["p1"] == pytest.approx((0.02 * 10 + 0.1) / (2 * 0.04 * 10), abs=1e-7)
    assert found["p2"] == pytest.approx(0.03 / (2 * 0.05), abs=1e-7)
    assert found["rest"] == pytest.approx(1 - found["p1"] - found["p2"], abs=1e-9)


@pytest.mark.parametrize(("law", "preset"), [("multi_power", "luo2025_100m"), ("lr_annealing", "mpl_100m")])
def test_start_of_the_cool_down(law, preset):
    """No decay of another length ends lower."""
    steps, about = 4000, {"peak": 3e-4, "warmup": 200, "final": 3e-5}
    made = plan(law, preset=preset, schedule=about | {"steps": steps})
    one, p = js.get_law(law), published(law, preset)

    def final(decay):
        columns = prepare(wsd(about["peak"], steps, about["warmup"], decay, about["final"]), [steps], about["warmup"])
        stacked = [np.stack([columns[c] for c in v.columns], axis=-1) for v in one.inputs.values()]
        values = [a if v.length else a[:, 0] for a, v in zip(stacked, one.inputs.values(), strict=True)]
        return float(np.asarray(one(*values, **p))[0])

    others = [final(d) for d in (40, 200, 400, 800, 1600, 3000)]
    chosen = final(round(made.recommended["decay_steps"]))
    assert chosen == pytest.approx(made.recommended["loss"], abs=1e-9)
    assert chosen <= min(others) + 1e-9
    with pytest.raises(js.PlanError, match="peak"):
        plan(law, preset=preset)


# ---- every law -------------------------------------------------------------------------------------


def test_every_law_that_decides_has_a_kind_of_plan():
    """What `decides` names are inputs to choose, or nothing of them: then the response is the decision."""
    for law in js.list_laws():
        columns = {v.column for v in law.inputs.values()}
        assert set(law.choices) <= columns | {"params", "tokens"}, law.name
        if " for a target" in law.decides and law.choices:
            assert len(law.choices) == 1, law.name


def test_laws_with_nothing_to_choose_say_so():
    with pytest.raises(js.PlanError, match="decides nothing"):
        plan("compute_only", 1e21, preset=dict.fromkeys(js.get_law("compute_only").params, 1.0))
