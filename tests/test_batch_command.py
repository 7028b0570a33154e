"""`jaxscale batch`: what it prints, keeps and skips."""

from __future__ import annotations

import pandas as pd
import pytest

import jaxscale as js
from tests.conftest import TRUTH, design
from tests.test_cli import call, document


@pytest.fixture(scope="session")
def tables(tmp_path_factory):
    """Five tables in one file: three answer, one lies on a line, one is short."""
    folder = tmp_path_factory.mktemp("batch")
    parts = []
    for i, name in enumerate(("first", "second", "third", "line", "short")):
        x = design(40, seed=i)
        x = x | {"D": 20.0 * x["N"]} if name == "line" else x
        part = js.simulate("chinchilla", TRUTH, x, sd=0.01, seed=i).table.assign(ladder=name)
        parts.append(part.head(3) if name == "short" else part)
    pd.concat(parts).to_parquet(folder / "tables.parquet")
    return folder / "tables.parquet"


def test_a_batch_from_the_command_line(tables):
    out = tables.parent / "out"
    done = call("batch", tables, "--by", "ladder", "-o", out)
    assert done.code == 0, done.out + done.err
    assert done.out.startswith("Answers for 3 of 5 tables.")
    assert "Cannot be identified: 1 table (line)" in done.out
    assert "Too few runs: 1 table (short)" in done.out
    assert {"batch.json", "shards", "status.parquet", "summary.parquet"} == {p.name for p in out.iterdir()}
    assert list(js.load(out)) == ["first", "second", "third", "line", "short"]

    shards = {p: p.stat().st_mtime_ns for p in (out / "shards").iterdir()}
    again = document("batch", tables, "--by", "ladder", "-o", out)
    assert {p: p.stat().st_mtime_ns for p in (out / "shards").iterdir()} == shards
    assert (again["tables"], again["ok"]) == (5, 3)
    assert again["refused"] == {"cannot_be_identified": 1, "too_few_runs": 1}
    assert [row["ok"] for row in again["status"]] == [True, True, True, False, False]
    assert {row["fit"] for row in again["summary"] if row["mean"] is None} == {"line", "short"}


def test_a_batch_in_which_nothing_answers(tables, tmp_path):
    pd.read_parquet(tables).query("ladder == 'line'").to_csv(tmp_path / "line.csv", index=False)
    done = call("batch", tmp_path / "line.csv", "--by", "ladder")
    assert done.code == 1
    assert done.out.startswith("Answers for 0 of 1 table.")


def test_a_batch_needs_to_know_its_tables(tables):
    done = call("batch", tables)
    assert done.code == 2
    assert "--by COLUMN" in done.err
    assert "did you mean 'ladder'" in call("batch", tables, "--by", "lader").err
    assert call("batch", tables, "--by", "ladder", "--method", "bootstrap").code == 2
    assert "local, ray" in call("batch", tables, "--by", "ladder", "--executor", "slurm").err
