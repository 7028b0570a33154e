"""A fit done again from its record: the same to the bit, and any change is caught and named."""

import copy
import json
import math
from pathlib import Path

import numpy as np
import numpyro.distributions as dist
import pytest

import jaxscale as js
from jaxscale.again import compare_again
from jaxscale.law import get_law
from jaxscale.priors import kept_prior
from jaxscale.terminal.answers import fit_document
from jaxscale.terminal.console import jsonable
from tests.test_cli import call, document

MINE = """
from jaxscale.law import LOSS, PARAMS, TOKENS, Ours, exponent, floor, law, term

@law(
    inputs={"N": PARAMS, "D": TOKENS}, response=LOSS, linear=("E", "A", "B"), source=Ours(inspired_by="a test"),
    priors={"E": floor(), "A": term("N", "a"), "B": term("D", "a"), "a": exponent()},
)
def shared_exponent(N, D, *, E, A, B, a):
    \"\"\"L(N, D) = E + A / N^a + B / D^a, in nats per token.\"\"\"
    return E + A / N**a + B / D**a
"""


@pytest.fixture
def table(runs, tmp_path) -> Path:
    """The simulated runs as a file."""
    runs.table.to_csv(tmp_path / "runs.csv", index=False)
    return tmp_path / "runs.csv"


@pytest.fixture
def printed(table) -> dict:
    """What `jaxscale fit --json` says of them; a point fit, which is quick."""
    excluded = ("--exclude", "tokens < 2e9", "--reason", "short")
    return document("fit", table, "--method", "point", *excluded)


@pytest.fixture
def point(runs) -> js.Fit:
    return js.fit(runs, method="point")


def written(folder: Path, record: dict) -> Path:
    (folder / "r.json").write_text(json.dumps(record))
    return folder / "r.json"


def test_a_saved_fit_comes_out_to_the_bit(fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    found = document("reproduce", tmp_path / "fit.nc")
    assert set(found) == {"record", "reproduced", "exact", "verdict", "versions", "numbers"}
    assert (found["reproduced"], found["exact"], found["versions"]) == (True, True, {})
    assert found["verdict"] == "Every number is the same to the last bit."
    kept = {row["quantity"]: row["kept"] for row in found["numbers"]}
    assert kept["alpha mean"] == fit.summary().loc["alpha", "mean"]
    assert kept["hash of the data"] == fit.about["table_hash"]
    assert "rows taken out" not in kept  # the file has no second account of them


def test_a_changed_draw_and_a_changed_run_of_a_saved_fit_show(fit, point, tmp_path):
    fit.data["posterior"]["E"].to_numpy()[0, 0] += 1e-9
    try:
        fit.save(tmp_path / "draw.nc")
    finally:
        fit.data["posterior"]["E"].to_numpy()[0, 0] -= 1e-9
    found = document("reproduce", tmp_path / "draw.nc", code=1)
    assert "DIFFERS: E mean was" in found["verdict"]
    assert "versions and device are the same" in found["verdict"]
    point.data["observed_data"]["loss"].to_numpy()[3] *= 1.001
    point.save(tmp_path / "run.nc")
    said = call("reproduce", tmp_path / "run.nc")
    assert said.code == 1
    assert said.out.startswith("DIFFERS: hash of the data was ")


def test_a_document_comes_out_to_the_bit_wherever_its_table_moves(printed, table, tmp_path):
    away = tmp_path / "away"
    away.mkdir()
    table.rename(away / "runs.csv")
    found = document("reproduce", written(away, printed))
    assert found["exact"]
    rows = {row["quantity"]: row["now"] for row in found["numbers"]}
    assert rows["rows taken out"] == ", ".join(str(e["row"]) for e in printed["about"]["excluded"]) != "none"


@pytest.mark.parametrize("change", ["number", "health", "excluded", "settings"])
def test_a_change_in_a_document_is_named(printed, tmp_path, change):
    named = {"number": "E mean", "health": "basins objective", "excluded": "rows taken out", "settings": "seed"}
    if change == "number":
        printed["summary"][0]["mean"] = float(np.nextafter(printed["summary"][0]["mean"], 9.0))
    elif change == "health":
        printed["about"]["basins"]["objective"] += 1e-6
    elif change == "excluded":
        printed["about"]["excluded"].pop()
    else:
        printed["settings"]["seed"] = 5
    found = document("reproduce", written(tmp_path, printed), code=1)
    assert found["verdict"].startswith(f"DIFFERS: {named[change]} was ")
    assert not found["reproduced"]


def test_a_changed_row_of_the_table_is_named(printed, runs, table, tmp_path):
    loss = runs.table["loss"].to_numpy().copy()
    loss[np.argmax(runs.table["tokens"])] *= 1.0 + 1e-9
    runs.table.assign(loss=loss).to_csv(table, index=False)
    found = document("reproduce", written(tmp_path, printed), code=1)
    assert "hash of the data was" in found["verdict"]
    assert "hash of the table was" in found["verdict"]


def test_another_version_is_said_and_does_not_spoil_what_is_the_same(printed, tmp_path):
    printed["about"]["versions"]["jax"] = "0.0.1"
    found = document("reproduce", written(tmp_path, printed))
    assert found["exact"]
    assert found["versions"]["jax"]["then"] == "0.0.1"
    assert "jax 0.0.1 then" in found["verdict"]
    printed["summary"][0]["mean"] *= 1.01
    assert "DIFFERS: E mean" in document("reproduce", written(tmp_path, printed), code=1)["verdict"]


def test_with_other_versions_numbers_may_differ_by_chance_alone(fit, runs):
    """Another seed stands for the draws of another version."""
    now, kept = jsonable(fit_document(fit)), jsonable(fit_document(js.fit(runs, seed=1)))
    kept["about"]["seed"] = now["about"]["seed"]
    assert not compare_again(kept, now, fit).ok  # the versions are the same
    kept["about"]["versions"]["jax"] = "0.0.1"
    found = compare_again(kept, now, fit)
    assert (found.ok, found.exact) == (True, False)
    assert "posterior sd, within Monte Carlo error; versions differ: jax 0.0.1 then" in found.sentence
    for column in ("mean", "q05", "q95"):
        off = copy.deepcopy(kept)
        off["summary"][2][column] += 0.5 * off["summary"][2]["sd"]
        found = compare_again(off, now, fit)
        assert not found.ok
        assert f"DIFFERS: alpha {column} was" in found.sentence


def test_a_missing_table_and_what_is_no_record(printed, table, tmp_path):
    table.unlink()
    gone = call("reproduce", written(tmp_path, printed))
    assert gone.code == 2
    assert "the table that was fitted cannot be found" in gone.err
    assert f"content hash {printed['about']['content_hash']}. Put it there, or beside the record." in gone.err
    table.write_text("params,tokens,loss\n1e9,2e10,abc\n")  # there, but unreadable: the reader's own words
    assert "cannot be found" not in call("reproduce", written(tmp_path, printed)).err
    del printed["settings"], printed["saved"]
    assert "it has no key 'settings'" in call("reproduce", written(tmp_path, printed)).err
    for text in ("[]", "{}", "law: chinchilla"):
        (tmp_path / "no.json").write_text(text)
        assert call("reproduce", tmp_path / "no.json").code == 2
    assert "there is no file" in document("reproduce", tmp_path / "none.nc", code=2)["error"]["message"]


def test_a_law_of_ones_own(table, tmp_path):
    mine = tmp_path / "mine.py"
    mine.write_text(MINE)
    options = ("fit", table, "--law", mine, "--method", "point")
    record = document(*options, "-o", tmp_path / "mine.nc")
    assert document("reproduce", tmp_path / "mine.nc")["exact"]
    assert document("reproduce", written(tmp_path, record))["exact"]
    record["law_hash"] = "0" * 64
    found = document("reproduce", written(tmp_path, record), code=1)
    assert "hash of the law's file was 0000" in found["verdict"]


def test_a_fit_that_was_refused_is_refused_again(collinear, tmp_path):
    js.fit(collinear.take(range(3))).save(tmp_path / "refused.nc")
    found = document("reproduce", tmp_path / "refused.nc")
    assert found["exact"]
    assert all(row["now"] is None for row in found["numbers"] if row["quantity"].startswith("alpha"))


def test_priors_come_back_or_are_said_to_be_lost(runs, tmp_path):
    made = js.fit(runs, method="point", priors={"alpha": dist.LogNormal(math.log(0.35), 0.2), "E": 1.8})
    made.save(tmp_path / "prior.nc")
    assert document("reproduce", tmp_path / "prior.nc")["exact"]
    assert kept_prior(dist.TruncatedNormal(0.3, 0.1, low=0.0)) is None
    made.about["prior_values"]["alpha"] = None
    made.save(tmp_path / "lost.nc")
    lost = call("reproduce", tmp_path / "lost.nc")
    assert lost.code == 2
    assert "the prior of alpha was a Python object" in lost.err


def test_inputs_in_a_laws_unit_come_back_to_the_bit():
    """A quotient times its divisor, divided again: held here, for the inputs of a saved fit go that way."""
    law = get_law("mnmt_double_power")
    assert law.inputs["D"].per == 1e6
    raw = 10 ** np.random.default_rng(0).uniform(4, 12, 100_000)
    for per in (1e5, 1e6, 1e9):
        assert np.array_equal(raw / per * per / per, raw / per)


def test_a_card_whose_law_is_not_here(tmp_path):
    record = {"law": "nowhere", "hold_out": 0.2, "seed": 0, "against": [], "tables": {}, "given": False, "scores": []}
    said = call("reproduce", written(tmp_path, record))
    assert said.code == 2
    assert "`jaxscale bench FILE.py --rerun" in said.err


def test_a_report_on_a_saved_fit(fit, tmp_path):
    """It was made of what the saved fit holds, and so is its repetition."""
    fit.save(tmp_path / "fit.nc")
    told = call("report", tmp_path / "fit.nc", "-o", tmp_path / "report.html", "--json")
    (tmp_path / "report.json").write_text(told.out)
    found = document("reproduce", tmp_path / "report.json")
    assert found["exact"], found["verdict"]
