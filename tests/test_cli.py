"""The command line: what it prints, its exit codes, and that it stays light."""

from __future__ import annotations

import json
import math
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from jaxscale import __version__
from jaxscale.cli import app
from jaxscale.config import FitFile
from jaxscale.law import get_law
from jaxscale.terminal.answers import backtest_text, comparison_text, intervals_text
from jaxscale.terminal.console import jsonable, table
from jaxscale.terminal.options import settings

COMMANDS = [
    "laws", "doctor", "fit", "batch", "predict", "backtest", "compare", "plan", "suggest", "speedup", "cost", "report",
    "reproduce", "bench", "simulate", "datasets", "cite", "demo"
]  # fmt: skip
QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
HEAD = "params,tokens,loss\n"
BAD_TABLES = {
    "empty": b"",
    "header only": HEAD.encode(),
    "missing column": b"params,loss\n1e9,2.1\n",
    "text in number": HEAD.encode() + b"1e9,2e10,abc\n" * 9,
    "nan": HEAD.encode() + b"1e9,2e10,nan\n" * 9,
    "negative loss": HEAD.encode() + b"1e9,2e10,-2\n" * 9,
    "zero params": HEAD.encode() + b"0,2e10,2\n" * 9,
    "latin-1": "paräms,tokens,loss\n1,2,3\n".encode("latin-1"),
    "ragged": HEAD.encode() + b"1e9,2e10,2,3,4\n1e9\n",
    "near miss": b"params,toknes,loss\n1e9,2e10,2.2\n",
}


def call(*args: object) -> SimpleNamespace:
    """Run a command in this process, where compiled programs are shared."""
    result = CliRunner().invoke(app, [str(a) for a in args])
    assert "Traceback" not in result.output
    assert result.exit_code in (0, 1, 2), result.output
    return SimpleNamespace(code=result.exit_code, out=result.stdout, err=result.stderr)


def document(*args: object, code: int = 0) -> dict:
    """The one JSON document of a command."""
    done = call(*args, "--json")
    assert done.code == code, done.out + done.err

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(done.out, parse_constant=refuse)


@pytest.fixture(scope="session")
def home(tmp_path_factory) -> Path:
    """A folder with a table of 40 simulated runs."""
    folder = tmp_path_factory.mktemp("cli")
    grid = ["--grid", "N=1e8:1e10:5", "--grid", "D=2e9:4e11:8"]
    done = call("simulate", "chinchilla", "--preset", "besiroglu2024", *grid, "-o", folder / "runs.csv")
    assert done.code == 0
    assert "40 simulated runs" in done.out
    return folder


@pytest.fixture(scope="session")
def runs(home) -> Path:
    return home / "runs.csv"


@pytest.fixture(scope="session")
def fitted(home, runs) -> SimpleNamespace:
    """One fit, its text and its saved file."""
    done = call("fit", runs, "-o", home / "fit.nc")
    assert done.code == 0, done.out + done.err
    return SimpleNamespace(path=home / "fit.nc", text=done.out)


# ---- light ---------------------------------------------------------------------------------------


def test_help_imports_nothing_heavy():
    program = """
import sys
from jaxscale.cli import app
from jaxscale.config import FitFile
for command in [[], *[[name] for name in {commands!r}]]:
    try:
        app([*command, "--help"])
    except SystemExit as end:
        assert not end.code, end.code
heavy = [m for m in ("jax", "numpy", "pandas", "matplotlib", "xarray", "scipy") if m in sys.modules]
assert not heavy, heavy
"""
    done = subprocess.run(
        [sys.executable, "-c", program.format(commands=COMMANDS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert all(f"Usage: jaxscale {name}" in done.stdout for name in COMMANDS)


def test_help_is_quick():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "jaxscale.cli", "--help"], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # Processor time, so that a busy machine does not fail the test.
    assert (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime) < 0.5


def test_from_a_shell(tmp_path):
    path = tmp_path / "bad.csv"
    path.write_bytes(BAD_TABLES["near miss"])
    command = [sys.executable, "-m", "jaxscale.cli", "fit", str(path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["type"] == "DataError"


def test_version():
    assert call("--version").out.strip() == f"jaxscale {__version__}"


# ---- fit -----------------------------------------------------------------------------------------


def test_fit_says_status_first_then_formula_rows_and_numbers(fitted):
    lines = fitted.text.splitlines()
    assert lines[0].startswith("Converged")
    assert "L(N, D) = E + A / N^alpha + B / D^beta" in fitted.text
    assert "40 runs from" in fitted.text
    assert {"E", "A", "alpha", "B", "beta", "sigma", "nu"} <= {line.split()[0] for line in lines if line}
    assert fitted.path.is_file()
    assert str(fitted.path) in lines[-1]


def test_fit_json_has_the_columns_of_the_summary(runs):
    said = document("fit", runs)
    rows = {row["parameter"]: row for row in said["summary"]}
    assert set(rows["alpha"]) == {"parameter", "mean", "sd", "q05", "q50", "q95", "r_hat", "ess_bulk", "ess_tail"}
    assert rows["alpha"]["q05"] < 0.3478 < rows["alpha"]["q95"]
    assert said["status"]["ok"] is True
    assert said["about"]["rows"] == 40


def test_exclusions_and_columns_are_said(home, runs):
    frame = pd.read_csv(runs).rename(columns={"params": "size"})
    frame["size"] /= 1e9
    frame.to_csv(home / "renamed.csv", index=False)
    mapping = ["--column", "N=size", "--unit", "size=B", "--method", "point"]
    done = call("fit", home / "renamed.csv", *mapping, "--exclude", "tokens < 4e9", "--reason", "too short")
    assert done.code == 0, done.err
    assert "5 rows excluded" in done.out
    assert "too short" in done.out
    assert "35 runs" in done.out


def test_a_number_as_prior_fixes_the_parameter():
    settled = settings(FitFile, {"prior": ["alpha=0.34"], "seed": 3}, table="runs.csv")
    assert settled.prior_overrides(get_law("chinchilla")) == {"alpha": 0.34}
    assert (settled.table, settled.seed, settled.draws) == ("runs.csv", 3, 4000)


def test_a_point_fit_has_values_and_null_intervals(runs):
    said = document("fit", runs, "--noise", "huber")
    alpha = next(row for row in said["summary"] if row["parameter"] == "alpha")
    assert alpha["mean"] == pytest.approx(0.35, abs=0.1)
    assert alpha["sd"] is None  # NaN in Python


def test_a_configuration_file_and_an_option_over_it():
    said = document("fit", "--config", QUICKSTART, "--method", "point", "--seed", "5")
    assert (said["about"]["rows"], said["about"]["seed"], said["about"]["method"]) == (60, 5, "point")


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_tables_are_refused_with_one_message(tmp_path, name):
    path = tmp_path / "x.csv"
    path.write_bytes(BAD_TABLES[name])
    done = call("fit", path, "--law", "chinchilla")
    assert done.code == 2
    assert done.out == ""
    assert str(path) in done.err
    error = document("fit", path, code=2)["error"]
    assert error["source"] == str(path)
    assert all(p["what"] for p in error["problems"])


def refused_designs() -> dict[str, tuple[np.ndarray, np.ndarray, str]]:
    n = np.geomspace(1e8, 1e10, 40)
    return {
        "one line": (n, 20.0 * n, "cannot_be_identified"),
        "one size": (np.full(40, 1e9), np.geomspace(1e9, 1e12, 40), "cannot_be_identified"),
        "three runs": (n[:3], np.array([3e10, 1e10, 2e11]), "too_few_runs"),
    }


@pytest.mark.parametrize("name", refused_designs())
def test_designs_that_cannot_answer_exit_1_without_numbers(tmp_path, name):
    n, d, code = refused_designs()[name]
    loss = 1.8 + 482.0 / n**0.348 + 2085.0 / d**0.366
    path = tmp_path / "design.csv"
    pd.DataFrame({"params": n, "tokens": d, "loss": loss}).to_csv(path, index=False)
    done = call("fit", path, "-o", tmp_path / "refused.nc")
    assert done.code == 1
    assert done.out.split(":")[0] in ("Cannot be identified", "Too few runs")
    assert "Add " in done.out
    assert "median" not in done.out

    said = document("fit", path, code=1)
    assert (said["status"]["ok"], said["status"]["code"]) == (False, code)
    assert all(row["mean"] is None for row in said["summary"])

    planned = document("plan", tmp_path / "refused.nc", "--budget", "1e22", code=1)
    assert planned["error"]["type"] == "PlanError"
    forecast = call("predict", tmp_path / "refused.nc", "--at", "N=1e9", "--at", "D=1e10")
    assert forecast.code == 1
    assert "new run" not in forecast.out
    assert call("doctor", path).code == 1


# ---- what follows from a fit ---------------------------------------------------------------------


def test_plan(fitted):
    text = call("plan", fitted.path, "--budget", "5.76e23").out
    assert "Recommended:" in text
    assert "Any size from" in text
    assert "times the compute of the largest run" in text
    said = document("plan", fitted.path, "--budget", "5.76e23")
    n = next(row for row in said["summary"] if row["quantity"] == "N")
    assert n["q05"] < 73.2e9 < n["q95"]
    assert said["valley"]["N_low"] < said["recommended"]["N"] < said["valley"]["N_high"]
    served = document("plan", fitted.path, "--budget", "5.76e23", "--serve-tokens", "2T")
    assert served["recommended"]["N"] < said["recommended"]["N"]


def test_plan_takes_limits_and_targets(fitted):
    said = document(
        "plan", fitted.path, "--budget", "5.76e23", "--limit", "N=1B..35B", "--ratio", "20..500", "--target", "1.98",
        "--choose", "cvar",
    )  # fmt: skip
    assert said["recommended"]["N"] <= 35e9 * (1 + 1e-9)
    assert said["recommended"]["D"] / said["recommended"]["N"] >= 20
    assert 0.0 < said["recommended"]["p_target"] < 1.0
    assert {"N", "D", "loss", "cost", "cost_to_target"} <= {row["quantity"] for row in said["summary"]}
    given = document("plan", fitted.path, "--budget", "1e23", "--at", "N=7B")
    assert given["recommended"]["D"] == pytest.approx(1e23 / (6 * 7e9))
    shaped = call("plan", fitted.path, "--budget", "1e23", "--shape", "7B", "--shape", "30B").out
    assert "Recommended: 30B parameters" in shaped


def test_plan_reads_well_for_any_law():
    text = call("plan", "--law", "step_law", "--preset", "li2025", "--at", "N=7B", "--at", "D=1.4T").out
    assert "peak learning rate" in text
    assert "Recommended: lr = 0.000917" in text
    text = call("plan", "--law", "coverage_exp_power", "--preset", "pythia_12b", "--target", "0.5").out
    assert "samples drawn per problem (k)" in text
    assert "Recommended: k = 126" in text
    said = document("plan", "--law", "chinchilla", "--preset", "hoffmann2022_rounded", "--budget", "5.76e23")
    assert any("rounded" in note for note in said["notes"])
    assert document("plan", "--law", "hestness", "--preset", "none", "--budget", "1", code=1)["error"]


def test_predict(fitted):
    at = ["--at", "N=1e9,70B", "--at", "D=1.4T"]
    rows = document("predict", fitted.path, *at)["predictions"]
    assert [row["N"] for row in rows] == [1e9, 7e10]
    assert [row["D"] for row in rows] == [1.4e12, 1.4e12]
    for row in rows:
        assert row["new_q05"] < row["q05"] < row["mean"] < row["q95"] < row["new_q95"]
    assert "70B" in call("predict", fitted.path, *at).out


def test_compare(runs):
    found = document("compare", runs, "--law", "chinchilla", "--law", "kaplan_nd", "--at", "N=7e10", "--at", "D=1.4e12")
    assert [r["law"] for r in found["compare"]] == ["chinchilla", "kaplan_nd"]
    assert sum(r["weight"] for r in found["compare"]) == pytest.approx(1.0)
    assert found["predictions"][0]["q05"] < found["predictions"][0]["q95"]
    frame = pd.DataFrame(found["compare"]).set_index("law")
    assert sum(cut["weight"] for cut in found["cuts"]) == pytest.approx(1.0)
    text = comparison_text(frame, {0.0: 0.6, 2e9: 0.4}, pd.DataFrame(found["predictions"]))
    assert "fewest tokens of a fitted run: any 0.60, 2B 0.40." in text
    assert text.index("chinchilla") < text.index("kaplan_nd"), "the heaviest first"
    assert "70B" in text
    frame.loc["kaplan_nd", ["elpd_loo", "log_rmse", "coverage90", "weight"]] = [np.nan, np.nan, np.nan, 0.0]
    frame.loc["kaplan_nd", "status"] = "Not converged: a reason."
    assert "kaplan_nd: Not converged: a reason." in comparison_text(frame, {0.0: 1.0})


def test_compare_with_three_intervals(runs):
    args = ["compare", runs, "--law", "chinchilla", "--at", "N=7e10", "--at", "D=1.4e12", "--intervals"]
    found = document(*args)["intervals"]
    assert (found["law"], found["level"], found["clusters"], found["draws"]) == ("chinchilla", 0.9, 40, 400)
    frame = pd.DataFrame(found["quantities"]).set_index("quantity")
    assert list(frame.index) == ["E", "A", "alpha", "B", "beta", "curve"]
    assert frame["agree"].all()
    assert (frame["profile_low"] < frame["profile_high"]).all()
    shown = call(*args).out
    assert "90 % intervals of chinchilla" in shown
    assert "All agree" in shown
    frame.attrs |= {k: found[k] for k in ("level", "clusters", "draws")}
    frame.loc["beta", ["bootstrap_low", "agree"]] = [frame.loc["beta", "bootstrap_low"] / 2, False]
    assert "They disagree on beta: believe the widest." in intervals_text("chinchilla", frame)
    assert "too narrow" not in intervals_text("chinchilla", frame)
    frame.attrs["clusters"] = 3
    assert "Of so few clusters it is often too narrow." in intervals_text("chinchilla", frame)
    frame[["bootstrap_low", "bootstrap_high"]] = np.nan
    assert "There is none by bootstrap." in intervals_text("chinchilla", frame)
    assert "intervals" not in document(*args[:-1])


def test_backtest(runs):
    rows = document("backtest", runs)["backtest"]
    assert [row["fold"] for row in rows] == [0, 1, 2]
    assert set(rows[0]) == {
        "law",
        "fold",
        "n_train",
        "n_test",
        "log_rmse",
        "crps",
        "coverage90",
        "elpd",
        "stretch90",
        "conformal90",
        "status",
    }
    frame = pd.DataFrame(rows)
    frame.loc[2, ["log_rmse", "crps", "coverage90", "elpd"]] = math.nan
    frame["status"] = "Too few runs: 3."
    text = backtest_text(frame)
    assert "held-out runs fell inside" in text
    assert "Fold 2 gave no forecast. chinchilla: Too few runs: 3." in text


def test_doctor(runs):
    text = call("doctor", runs, "--budget", "1e26")
    assert text.code == 0
    assert "Warnings" in text.out
    assert "Fix: " in text.out
    said = document("doctor", runs)
    assert said["ok"] is True
    assert all(set(f) == {"level", "code", "message", "fix"} for f in said["findings"])


def test_report(fitted, tmp_path):
    said = document("report", fitted.path, "-o", tmp_path / "r.html", "--budget", "1e22")
    assert said["report"] == str(tmp_path / "r.html")
    assert "<html" in (tmp_path / "r.html").read_text()


def test_demo(tmp_path):
    said = document("demo", "-o", tmp_path / "demo")
    assert list(said["seconds"]) == ["Read", "Examine", "Fit", "Backtest", "Plan", "Report"]
    assert Path(said["report"]).is_file()
    assert document("predict", said["fit"], "--at", "N=1e9", "--at", "D=1e11")["status"]["ok"]


# ---- looking things up ---------------------------------------------------------------------------


def test_laws():
    names = [law["name"] for law in document("laws")["laws"]]
    assert "chinchilla" in names
    loss = [law["name"] for law in document("laws", "--input", "params", "--response", "loss")["laws"]]
    assert "chinchilla" in loss
    assert set(loss) < set(names)
    assert call("laws", "--topic", "cookery").code == 1


@pytest.mark.parametrize("name", [law["name"] for law in document("laws")["laws"]])
def test_every_law_has_a_card_and_a_citation(name):
    law = document("laws", name)["law"]
    card = call("laws", name).out
    assert law["formula"] in card
    assert all(param in card and words in card for param, words in law["params"].items())
    assert all(preset in card for preset in law["published"])
    cited = document("cite", name)
    assert cited["bibtex"][-1].startswith("@software{jaxscale")
    assert cited["source"] in call("cite", name).out


def test_datasets(tmp_path):
    listed = document("datasets")["datasets"]
    assert {"name": "simulated_ladder", "licence": "Apache-2.0"}.items() <= listed[0].items()
    out = tmp_path / "ladder.csv"
    said = document("datasets", "simulated_ladder", "-o", out)
    assert len(pd.read_csv(out)) == said["rows"]
    assert len(said["head"]) == 5
    assert "params" in call("datasets", "simulated_ladder").out


def test_simulate_prints_csv_and_repeats(tmp_path):
    grid = ["--grid", "N=1e9,2e9", "--grid", "D=1e10:1e12:3"]
    params = [x for p in ("E=1.8", "A=482", "alpha=0.35", "B=2085", "beta=0.37") for x in ("--param", p)]
    first, again, other = (call("simulate", "chinchilla", *params, *grid, "--seed", s).out for s in (1, 1, 2))
    assert first == again != other
    assert first.splitlines()[0] == "params,tokens,loss"
    said = document("simulate", "chinchilla", *params, *grid, "--sd", "0")
    assert [row["tokens"] for row in said["runs"]] == pytest.approx([1e10, 1e11, 1e12] * 2)
    assert said["runs"][0]["loss"] == pytest.approx(1.8 + 482 / 1e9**0.35 + 2085 / 1e10**0.37)


# ---- bad input -----------------------------------------------------------------------------------

SLIPS = {
    "no table": (["fit"], "Name a table"),
    "no such file": (["fit", "nothing.csv"], "nothing.csv"),
    "no such dataset": (["fit", "chinchila_epoch"], "did you mean 'chinchilla_epoch'"),
    "law": (["fit", "RUNS", "--law", "chinchila"], "did you mean chinchilla"),
    "noise": (["fit", "RUNS", "--noise", "cauchy"], "student_t"),
    "method": (["fit", "RUNS", "--method", "magic"], "bootstrap"),
    "column form": (["fit", "RUNS", "--column", "N:params"], "--column N=params_no_embed"),
    "column twice": (["fit", "RUNS", "--column", "N=params", "--column", "N=tokens"], "twice"),
    "column unknown": (["fit", "RUNS", "--column", "N=size"], "size"),
    "unit": (["fit", "RUNS", "--unit", "params=bananas"], "bananas"),
    "prior": (["fit", "RUNS", "--prior", "alpha=big"], "expected a number"),
    "prior of nothing": (["fit", "RUNS", "--prior", "gamma=1"], "gamma"),
    "reason missing": (["fit", "RUNS", "--exclude", "tokens < 1e9"], "--reason"),
    "query": (["fit", "RUNS", "--where", "toknes > 1"], "toknes"),
    "seed": (["fit", "RUNS", "--seed", "x"], "seed"),
    "negative seed": (["fit", "RUNS", "--seed", "-1"], "--seed"),
    "few draws": (["fit", "RUNS", "--draws", "3"], "--draws"),
    "output folder": (["fit", "RUNS", "-o", "no/such/fit.nc"], "create it first"),
    "output ending": (["fit", "RUNS", "-o", "fit.pickle"], ".nc"),
    "config missing": (["fit", "--config", "nothing.yaml"], "nothing.yaml"),
    "budget missing": (["plan", "RUNS"], "--budget"),
    "budget text": (["plan", "RUNS", "--budget", "lots"], "7e10"),
    "budget negative": (["plan", "RUNS", "--budget", "-1e20"], "above 0"),
    "cost": (["plan", "FIT", "--budget", "1e22", "--cost", "free"], "6nd"),
    "limit": (["plan", "FIT", "--budget", "1e22", "--limit", "N=8B..1B"], "1B..8B"),
    "limit text": (["plan", "FIT", "--budget", "1e22", "--limit", "N=big"], "--limit"),
    "ratio": (["plan", "FIT", "--budget", "1e22", "--ratio", "wide"], "--ratio"),
    "preset and table": (["plan", "RUNS", "--budget", "1e22", "--preset", "besiroglu2024"], "leave out the table"),
    "law for a fit": (["plan", "FIT", "--budget", "1e22", "--law", "gadre"], "a fit already"),
    "no fit": (["predict", "nothing.nc", "--at", "N=1e9"], "nothing.nc"),
    "at missing": (["predict", "FIT"], "--at N=7e10"),
    "at text": (["predict", "FIT", "--at", "N=big"], "7e10"),
    "at half": (["predict", "FIT", "--at", "N=1e9"], "tokens"),
    "at unequal": (["predict", "FIT", "--at", "N=1e9,2e9", "--at", "D=1e10,2e10,3e10"], "length"),
    "at zero": (["predict", "FIT", "--at", "N=0", "--at", "D=1e10"], "above 0"),
    "hold out": (["backtest", "RUNS", "--hold-out", "2"], "0.5"),
    "preset": (["simulate", "chinchilla", "--preset", "besi", "--grid", "N=1:2:2"], "besiroglu2024"),
    "grid": (["simulate", "chinchilla", "--preset", "besiroglu2024", "--grid", "N=1e8:1e9"], "1e8:1e10:6"),
    "grid short": (["simulate", "chinchilla", "--preset", "besiroglu2024", "--grid", "N=1e8:1e9:3"], "missing: D"),
    "sd": (["simulate", "chinchilla", "--preset", "besiroglu2024", "--sd", "-1"], "0 or more"),
    "no law": (["laws", "nothing"], "nothing"),
    "no citation": (["cite", "nothing"], "nothing"),
    "demo folder": (["demo", "-o", "RUNS"], "name a folder"),
    "no command": (["fitt"], "'fit'"),
    "no option": (["fit", "RUNS", "--lwa", "x"], "--law"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_slips_are_met_with_one_clear_message(name, runs, fitted):
    args, wanted = SLIPS[name]
    args = [{"RUNS": runs, "FIT": fitted.path}.get(a, a) for a in args]
    done = call(*args)
    assert done.code == 2
    assert done.out == ""
    assert wanted in done.err
    assert wanted in document(*args, code=2)["error"]["message"]


def test_an_error_of_ours_is_told_from_bad_input(monkeypatch, runs):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("jaxscale.config.open_table", fail)
    monkeypatch.delenv("JAXSCALE_TRACEBACK", raising=False)
    done = CliRunner().invoke(app, ["fit", str(runs), "--json"])
    assert done.exit_code == 3
    assert "ZeroDivisionError" in json.loads(done.stdout)["error"]["message"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written_is_found_before_the_fit(runs, tmp_path):
    tmp_path.chmod(0o500)
    done = call("fit", runs, "-o", tmp_path / "fit.nc")
    tmp_path.chmod(0o700)
    assert done.code == 2
    assert "may not write" in done.err


# ---- output --------------------------------------------------------------------------------------


def test_json_has_no_nan():
    made = jsonable(
        {"a": math.nan, "b": np.float64(math.inf), "c": np.array([1, 2]), "d": (True, None), "e": Path("x")}
    )
    assert made == {"a": None, "b": None, "c": [1, 2], "d": [True, None], "e": "x"}
    frame = pd.DataFrame({"x": [1.0, math.nan]}, index=pd.Index(["p", "q"], name="parameter"))
    assert jsonable(frame) == [{"parameter": "p", "x": 1.0}, {"parameter": "q", "x": None}]


def test_columns_line_up():
    lines = table(["name", "value"], [("a", 1), ("long name", 22)]).splitlines()
    assert lines[2:] == ["a              1", "long name     22"]
