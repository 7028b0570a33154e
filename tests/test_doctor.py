"""The doctor: for each finding a table that has it and one that has not; what is said can be done."""

import ast
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer

import jaxscale as js
from jaxscale.batch import table_of
from jaxscale.cli import app
from jaxscale.protocols import nonembedding_params
from jaxscale.runtime import float64
from jaxscale.trust.finding import Case
from jaxscale.trust.findings_design import condition
from jaxscale.trust.mode import Mode
from jaxscale.words import human, plain

from .conftest import TRUTH, design

MAKER = re.compile(r"^(warning|note|make)$|note if|warning if")
TRUST = Path(js.__file__).parent / "trust"
N40 = np.geomspace(5e7, 1.5e10, 10)


def codes(findings):
    return [f.code for f in findings]


def found(table, code, **options) -> Any:
    """The finding of this code; None where there is none."""
    runs = table if isinstance(table, js.Runs) else js.read_runs(table, **options)
    return next((f for f in js.doctor(runs) if f.code == code), None)


def simulated(n, d, sd=0.01, seed=0):
    return js.simulate("chinchilla", TRUTH, {"N": n, "D": d}, sd=sd, seed=seed).table


def ladder(ratios=(5.0, 20.0, 80.0, 320.0), sd=0.01):
    """Forty rows: ten sizes at four ratios each."""
    n = np.repeat(N40, 4)
    return simulated(n, n * np.tile(ratios, 10), sd).assign(run=[f"s{i}" for i in np.repeat(range(10), 4)])


def isoflop(shift=1.0, width=1.5, sd=0.002):
    """Five budgets of eight sizes about shift times the best one."""
    budgets = np.geomspace(1e19, 1e21, 5)
    a, b = TRUTH["alpha"], TRUTH["beta"]
    best = (a * TRUTH["A"] / (b * TRUTH["B"]) * (budgets / 6) ** b) ** (1 / (a + b))
    n = (best[:, None] * shift * np.exp(np.linspace(-width, width, 8))).ravel()
    return simulated(n, np.repeat(budgets, 8) / 6 / n, sd)


def sweep(centre):
    """Eight points with five learning rates each; the best one is number `centre` of them."""
    inputs = design(8)
    points = simulated(np.repeat(inputs["N"], 5), np.repeat(inputs["D"], 5), sd=1e-3)
    lr = np.tile(2.0 ** np.arange(5) * 1e-4, 8)
    return points.assign(lr=lr, loss=points["loss"] * (1 + 0.01 * (np.log2(lr / 1e-4) - centre) ** 2))


def scheduled(shares):
    """Checkpoints whose learning rate is these shares of the peak."""
    return ladder().assign(lr=np.tile(shares, 10) * 3e-4, step=np.tile([100, 400, 1600, 6400], 10))


def shifted(table, rows, by):
    loss = table["loss"].to_numpy().copy()
    loss[rows] *= 1 + np.asarray(by)
    return table.assign(loss=loss)


def smallest(table, count):
    return np.argsort(table["tokens"].to_numpy())[:count]


def again(table, sd):
    """The first thirty runs, ten of them once more."""
    rng = np.random.default_rng(1)
    more = table.iloc[:10].assign(loss=lambda t: t["loss"] * np.exp(rng.normal(0, sd, 10)))
    return pd.concat([table.iloc[:30], more], ignore_index=True)


def flops(table, factor):
    return table.assign(flops=6 * table["params"] * table["tokens"] * factor)


def wave(table, height):
    """A dip in the middle of compute, which no additive law has."""
    c = np.log(table["params"] * table["tokens"])
    return table.assign(loss=table["loss"] * (1 + height * ((c - c.mean()) / c.std()) ** 2))


def squeezed(table, power, sd):
    """Runs that hardly differ, and scatter much."""
    return simulated(1e9 * (table["params"] / 1e9) ** power, 1e10 * (table["tokens"] / 1e10) ** power, sd)


def lonely(off):
    """Runs near one ratio, and one run far from it, whose loss is off."""
    n = np.geomspace(1e8, 2e9, 40)
    ratio = 20.0 * np.exp(np.random.default_rng(0).normal(0, 0.5, 40))
    ratio[20] = 4000.0
    return shifted(simulated(n, n * ratio), [20], off)


KINDS = np.array(["pile", "c4"])
# code -> (a table that has it, one that has not), each of the forty simulated runs
TABLES = {
    "few_runs": (lambda t: t.iloc[:8], lambda t: t.iloc[:15]),
    "few_levels": (
        lambda t: t.assign(params=np.where(t["params"] > 1e9, 2e9, 2e8)),
        lambda t: t.assign(params=10 ** (0.5 * np.round(2 * np.log10(t["params"])))),
    ),
    "narrow": (
        lambda t: t.assign(params=1e9 * (t["params"] / 1e9) ** 0.2),
        lambda t: t.assign(params=1e9 * (t["params"] / 1e9) ** 0.9),
    ),
    "params_convention": (
        lambda t: t.assign(params_no_embed=nonembedding_params(t["params"])),
        lambda t: t.assign(params_no_embed=0.9 * t["params"]),
    ),
    "flops_convention": (lambda t: flops(t, 1 + 3e8 / t["params"]), lambda t: flops(t, 1.05)),
    "several_losses": (
        lambda t: t.assign(loss_kind=np.where(np.arange(40) < 6, "least", "last")),
        lambda t: t.assign(loss_kind="last"),
    ),
    "score_as_loss": (lambda t: t.rename(columns={"loss": "accuracy"}), lambda t: t.rename(columns={"loss": "c4"})),
    "perplexity": (lambda t: t.assign(loss=np.exp(1.3 * t["loss"])), lambda t: t.assign(loss=1.44 * t["loss"])),
    "bits": (lambda t: t.rename(columns={"loss": "bpb_c4"}), lambda t: t.rename(columns={"loss": "loss_c4"})),
    "low_loss": (lambda t: t.assign(loss=0.3 * t["loss"]), lambda t: t),
    "rising": (lambda t: t.assign(loss=9 - t["loss"]), lambda t: t),
    "repeated_data": (
        lambda t: t.assign(unique_tokens=t["tokens"] / 10),
        lambda t: t.assign(unique_tokens=t["tokens"] / 2),
    ),
    "checkpoints": (lambda t: ladder(), lambda t: ladder().assign(run=range(40))),
    "mid_schedule": (lambda t: scheduled([0.1, 1.0, 0.8, 0.1]), lambda t: scheduled([1.0, 1.0, 1.0, 1.0])),
    "warm_up": (lambda t: scheduled([0.1, 1.0, 0.8, 0.1]), lambda t: scheduled([1.0, 0.8, 0.4, 0.1])),
    "copies": (lambda t: pd.concat([t, t.iloc[:3]], ignore_index=True), lambda t: again(t, 0.01)),
    "sweep": (lambda t: sweep(2), lambda t: t.assign(lr=3e-4 * np.arange(1, 41))),
    "tuning_edge": (lambda t: sweep(4), lambda t: sweep(2)),
    "one_lr": (lambda t: t.assign(lr=3e-4), lambda t: t.assign(lr=(1e9 / t["params"]) ** 0.5)),
    "no_repeats": (lambda t: t, lambda t: again(t, 0.01)),
    "lack_of_fit": (lambda t: again(t, 1e-4), lambda t: again(t, 0.015)),
    "outliers": (lambda t: shifted(t, [4, 17], [0.2, 0.1]), lambda t: t),
    "early": (
        lambda t: shifted(t, smallest(t, 5), [0.2, 0.15, 0.3, 0.1, 0.12]),
        lambda t: shifted(t, [0, 8, 16, 24, 32], [0.2, 0.15, 0.3, 0.1, 0.12]),
    ),
    "under_tuned": (
        lambda t: shifted(t, np.arange(0, 40, 5), 0.08),
        lambda t: shifted(t, np.arange(0, 40, 5), np.tile([0.08, -0.08], 4)),
    ),
    "mixed": (
        lambda t: shifted(t, np.arange(0, 40, 2), 0.06).assign(corpus=KINDS[np.arange(40) % 2]),
        lambda t: t.assign(corpus=KINDS[np.arange(40) % 2]),
    ),
    "second_basin": (lambda t: simulated(t["params"], t["tokens"], 1e-3).iloc[:8], lambda t: t),
    "prior_dominated": (lambda t: squeezed(t, 0.1, 0.3), lambda t: t),
    "too_narrow": (lambda t: simulated(t["params"], t["tokens"], 2e-5), lambda t: t),
    "rests_on_one": (lambda t: lonely(0.1), lambda t: t),
    "optimum_outside": (lambda t: ladder((100.0, 400.0, 1600.0, 6400.0)), lambda t: ladder()),
    "not_bracketed": (lambda t: isoflop(shift=0.05), lambda t: isoflop()),
    "isoflop_bias": (lambda t: isoflop(width=3.5), lambda t: isoflop(width=1.0)),
    "patterns": (lambda t: wave(t, 0.1), lambda t: t),
}
MAPPED = {"score_as_loss": ("accuracy", "c4"), "bits": ("bpb_c4", "loss_c4")}


@pytest.mark.parametrize("code", TABLES)
def test_each_finding_has_a_table_that_triggers_it_and_one_that_does_not(runs, code):
    bad, good = (make(runs.table[["params", "tokens", "loss"]]) for make in TABLES[code])
    names = MAPPED.get(code, ("loss", "loss"))
    there = found(bad, code, columns={"loss": names[0]})
    assert there is not None
    assert re.search(r"\d", there.message + there.fix), "a finding has its number"
    assert there.fix
    assert found(good, code, columns={"loss": names[1]}) is None


def test_no_finding_is_left_out():
    """Every code that a module of findings can give is in the tables above, or has a test of its own below."""
    trees = [ast.parse(path.read_text()) for path in TRUST.glob("findings_*.py")]
    calls = [n for tree in trees for n in ast.walk(tree) if isinstance(n, ast.Call)]
    first = [n.args[0] for n in calls if MAKER.search(ast.unparse(n.func))]
    said = {a.value for a in first if isinstance(a, ast.Constant)}
    assert said == set(TABLES) | {"collinear", "extrapolation"}


def test_a_clean_ladder_gets_nothing_at_all():
    """Sizes from 200M, three seeds of the smallest: no error, no warning, and no note either."""
    n = np.concatenate([np.repeat(np.geomspace(2e8, 1.5e10, 10), 4), [2e8, 2e8]])
    d = n * np.concatenate([np.tile([5.0, 20.0, 80.0, 320.0], 10), [5.0, 5.0]])
    assert js.doctor(js.read_runs(simulated(n, d))) == []


def test_a_good_table_gets_no_warning(runs):
    table = runs.table.assign(
        run=[f"r{i}" for i in range(40)], lr=(1e9 / runs.table["params"]) ** 0.3, corpus=KINDS[np.arange(40) % 2],
        flops=6 * runs.table["params"] * runs.table["tokens"], unique_tokens=runs.table["tokens"], seed=np.arange(40),
    )  # fmt: skip
    for good in (runs, js.read_runs(table)):
        assert not [f for f in js.doctor(good, budget=1e22) if f.level != "note"]


def test_the_simulated_ladder_without_its_two_slips_gets_no_warning():
    ladder = js.datasets.load("simulated_ladder")
    slips = np.flatnonzero(ladder.table["run"].isin(["440M-20x", "1.1B-8x"]))
    assert codes(f for f in js.doctor(ladder) if f.level != "note") == ["outliers"]
    assert not [f for f in js.doctor(ladder.exclude(slips, "under-tuned")) if f.level != "note"]


def test_what_a_fix_names_exists():
    """Every option that is mentioned is one of the command line's."""
    commands = typer.main.get_command(app).commands.values()  # pyright: ignore[reportAttributeAccessIssue]
    known = {option for command in commands for p in command.params for option in p.opts}
    said = {o for path in TRUST.glob("f*.py") for o in re.findall(r"--[a-z][a-z-]*", path.read_text())}
    assert {"--exclude", "--noise", "--where", "--column", "--unit", "--prior", "--by"} <= said <= known


def advised(finding):
    """The query by which a finding would take rows out."""
    (query,) = re.findall(r'--exclude "([^"]+)"', finding.fix)
    return query


def test_fixes_work(runs):
    """What is advised makes the finding go away."""
    table = shifted(runs.table, smallest(runs.table, 5), [0.2, 0.15, 0.3, 0.1, 0.12])
    query = advised(found(table, "early"))
    left = js.read_runs(table, exclude={query: "early"})
    assert len(left) == 35
    assert found(left, "early") is None

    bad = scheduled([0.1, 1.0, 0.8, 0.1])
    query = advised(found(bad, "warm_up"))
    assert found(js.read_runs(bad, exclude={query: "warm-up"}), "warm_up") is None
    assert found(bad.groupby("run").tail(1).reset_index(drop=True), "checkpoints") is None

    bpb = runs.table.rename(columns={"loss": "bpb"})
    assert found(bpb, "bits", columns={"loss": "bpb"}, units={"bpb": "bits"}) is None

    small = js.doctor(js.read_runs(isoflop(shift=0.05)))
    message = next(f for f in small if f.code == "not_bracketed")
    assert message.level == "warning"
    assert message.message.startswith("5 of 5 isoFLOP slices")
    assert "lacks larger models" in message.message


def test_refused_designs_are_errors_with_the_run_that_mends_them(collinear):
    findings = js.doctor(collinear)
    assert (findings[0].level, findings[0].code) == ("error", "cannot_be_identified")
    assert "a run at N = " in findings[0].fix
    assert "collinear" not in codes(findings)


def test_near_collinear_designs_by_either_measure(collinear):
    rng = np.random.default_rng(0)
    nearly = collinear.table.assign(tokens=collinear.table["tokens"] * np.exp(rng.normal(0, 0.3, 40)))
    said = found(nearly, "collinear")
    assert "variance inflation" in said.message
    assert "arXiv 2605.08541" in said.message
    n, d = (np.array([float(human_to(v)) for v in re.findall(rf"{s} = ([0-9.]+[KMBT])", said.fix)]) for s in "ND")
    assert len(n) == 2
    assert d[0] / d[1] == pytest.approx(64, rel=0.1)  # on either side of the line
    # the design that the paper condemns: sizes within a factor of 15, 1 to 5 tokens a parameter
    n = np.geomspace(5e8, 7.6e9, 8)
    rays = simulated(np.repeat(n, 5), np.outer(n, [1, 2, 3, 4, 5]).ravel())
    said = found(rays, "collinear").message
    assert said.startswith("The ratio of D to N varies little: at 1 to 5 tokens per parameter")
    assert found(ladder(), "collinear") is None


def human_to(text):
    return float(text[:-1]) * {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[text[-1]]


def test_condition_is_that_of_the_two_columns():
    ratios = np.array([3.0, 20.0, 50.0, 300.0])
    x = (ratios / np.exp(np.log(ratios).mean())) ** -0.28
    exact = np.linalg.cond(np.stack([np.ones(4), x], axis=1)) ** 2
    assert condition(ratios) == pytest.approx(exact + 2 + 1 / exact)
    assert condition(1e3 * ratios) == pytest.approx(condition(ratios))
    assert condition(np.full(4, 20.0)) == np.inf
    assert condition(np.array([10.0, 50.0])) < 100 < condition(np.array([10.0, 40.0]))


def test_extrapolation_and_exclusions_are_said(runs):
    found = js.doctor(runs.exclude([0], "crashed"), budget=1e26)
    assert "excluded" in codes(found)
    far = next(f for f in found if f.code == "extrapolation")
    largest = (6 * runs.table["params"] * runs.table["tokens"]).iloc[1:].max()
    assert f"1e26 FLOP is {plain(1e26 / largest, digits=2)} times" in far.message
    assert f"({plain(np.sqrt(1e26 * largest), digits=2)} FLOP) would halve the distance" in far.fix
    near = next(f for f in js.doctor(runs, budget=largest) if f.code == "extrapolation")
    assert near.level == "note"


def test_outliers_by_name(runs):
    table = shifted(runs.table, [4, 17], [0.2, 0.1]).assign(run=[f"m{i}" for i in range(len(runs))])
    said = found(table, "outliers")
    assert said.message.startswith("2 of 40")
    assert said.message.index("run m4 (+") < said.message.index("run m17 (+")


def test_doctor_names_besiroglus_five(epoch):
    findings = js.doctor(epoch)
    named = next(f for f in findings if f.code == "outliers").message.split("farthest first: ")[1]
    five = [epoch.label(int(i)) for i in np.flatnonzero(epoch.table["excluded_by_besiroglu"])]
    assert len(five) == 5
    assert sorted(n.split(" (")[0] for n in named.split(", ")[:5]) == sorted(five)
    assert next(f for f in findings if f.code == "early").message.startswith("8 of the 8 rows")


def test_remarks_of_the_reader_are_not_said_twice():
    findings = js.doctor(js.read_runs(ladder()))
    assert sum("checkpoints" in f.message for f in findings) == 1
    checkpoints = next(f for f in findings if f.code == "checkpoints")
    assert checkpoints.message.startswith("40 rows are checkpoints of 10 runs")
    assert "up to 2.0 times" in checkpoints.message
    assert 'groupby("run").tail(1)' in checkpoints.fix
    flagged = ladder().assign(is_last=np.tile([0, 0, 0, 1], 10))
    assert '--where "is_last == 1"' in found(flagged, "checkpoints").fix
    annealed = found(ladder().assign(annealed=np.tile([0, 0, 0, 1], 10)), "mid_schedule")
    assert annealed.message.startswith("30 of 40 rows")
    assert "checkpoints:annealed=true" in annealed.fix


# ---- how much a run decides ----------------------------------------------------------------------


def mode_of(runs, law="chinchilla"):
    law = js.get_law(law)
    return Mode.of(Case(runs, law, table_of(runs, law)))


def test_influence_is_that_of_fits_without_each_run(runs):
    budget = 1e22
    with float64():
        mode = mode_of(runs)
        moved = mode.influence(budget)
        answers = mode.without(np.arange(40), budget, "N*") - moved.at
    assert moved.target == "N*"
    assert np.corrcoef(moved.moves, answers)[0, 1] > 0.98
    assert np.abs(moved.moves - answers).max() < 0.15 * moved.sd
    first = int(np.argmax(np.abs(answers)))
    fitted = js.fit(runs.exclude([first], "left out"), method="point")
    whole = js.plan(js.fit(runs, method="point"), budget).draws["N"][0]
    assert np.exp(moved.at) == pytest.approx(whole, rel=1e-3)
    assert np.exp(moved.at + answers[first]) == pytest.approx(js.plan(fitted, budget).draws["N"][0], rel=0.01)


def test_spreads_are_those_of_the_posterior(runs, fit):
    with float64():
        moved = mode_of(runs).influence(1e22)
    size = js.plan(fit, 1e22).draws["N"]
    assert moved.sd == pytest.approx(np.std(np.log(size)), rel=0.3)
    assert moved.spreads["alpha"] == pytest.approx(np.std(fit.draws()["alpha"]), rel=0.3)


def test_the_run_that_decides_is_named():
    said = found(lonely(0.1), "rests_on_one")
    assert "rests on row 20" in said.message
    again = lonely(0.1).iloc[20]
    assert f"N = {human(again['params'], digits=2)}, D = {human(again['tokens'], digits=2)}" in said.fix


def test_without_an_optimum_it_is_the_forecast(runs):
    """A law of tokens alone has nothing to choose."""
    d = np.geomspace(1e9, 1e12, 40)
    law = js.get_law("kaplan_d")
    table = js.simulate(law, next(iter(law.published.values())), {"D": d}, sd=0.01, seed=0)
    with float64():
        mode = mode_of(table, "kaplan_d")
        moved = mode.influence(1.0)
        last = mode.without(np.array([39]), 1.0, "forecast")[0]
    assert moved.target == "forecast"
    assert np.exp(moved.at) == pytest.approx(table.table["loss"].iloc[39], rel=0.03)
    assert moved.moves[39] == pytest.approx(last - moved.at, rel=0.25)
    assert "rests_on_one" not in codes(js.doctor(table, law="kaplan_d"))


def test_a_law_of_something_else_is_examined_too():
    law = js.get_law("gadre")
    n, d = design(40)["N"], design(40)["D"]
    table = js.simulate(law, next(iter(law.published.values())), {"C": 6 * n * d, "M": d / n}, sd=0.01, seed=0)
    assert not [f for f in js.doctor(table, law="gadre") if f.level != "note"]
