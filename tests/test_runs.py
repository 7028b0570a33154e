"""Runs: what a law gets to see of a table."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from jaxscale.errors import ConfigError, DataError
from jaxscale.readers import read_runs
from jaxscale.runs import Runs
from jaxscale.variables import (
    EXAMPLES,
    FLOPS,
    LN2,
    LOSS,
    PARAMS,
    SAMPLES,
    SCORE,
    SOLVED,
    TOKENS,
    TOKENS_PER_PARAM,
    Response,
    Variable,
)

CHINCHILLA = {"N": PARAMS, "D": TOKENS, "loss": LOSS}


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "run": ["a", "b", "c", "d"],
            "family": ["x", "y", "x", "y"],
            "params": [1e8, 2e8, 4e8, 8e8],
            "tokens": [2e9, 4e9, 8e9, 1.6e10],
            "loss": [3.5, 3.2, 2.9, 2.7],
        }
    )


def test_canonical_columns_need_no_mapping(frame: pd.DataFrame):
    values, said = read_runs(frame).numbers(CHINCHILLA)
    assert list(values) == ["N", "D", "loss"]
    assert said == ()
    assert all(v.dtype == np.float64 for v in values.values())
    assert values["loss"].tolist() == frame["loss"].tolist()


@pytest.mark.parametrize(
    "columns", [{"N": "size", "D": "seen", "loss": "val"}, {"params": "size", "tokens": "seen", "loss": "val"}]
)
def test_columns_may_be_mapped(frame: pd.DataFrame, columns: dict[str, str]):
    other = frame.rename(columns={"params": "size", "tokens": "seen", "loss": "val"})
    values, _ = read_runs(other, columns=columns).numbers(CHINCHILLA)
    assert values["N"].tolist() == frame["params"].tolist()
    assert values["loss"].tolist() == frame["loss"].tolist()


def test_a_symbol_comes_before_the_canonical_column(frame: pd.DataFrame):
    runs = read_runs(frame.assign(params_no_embed=frame["params"] / 2), columns={"N": "params_no_embed"})
    values, said = runs.numbers({"N": PARAMS, "C": FLOPS})
    assert values["N"].tolist() == (frame["params"] / 2).tolist()
    assert values["C"].tolist() == (3 * frame["params"] * frame["tokens"]).tolist()
    assert said == ("flops = 6 params tokens",)


def test_a_laws_own_symbol_comes_before_the_usual_one():
    frame = pd.DataFrame({"finetune_examples": [0, 200, 400], "test_loss": [4.0, 3.3, 3.2]})
    runs = read_runs(frame, columns={"D": "finetune_examples", "loss": "test_loss"})
    with pytest.raises(DataError, match="finetune_examples <= 0") as caught:
        runs.numbers({"D": EXAMPLES, "loss": LOSS})
    assert [(p.row, p.column) for p in caught.value.problems] == [(0, "finetune_examples")]
    values, _ = runs.exclude("D == 0", "zero-shot").numbers({"D": EXAMPLES, "loss": LOSS})
    assert values["D"].tolist() == [200, 400]
    with pytest.raises(DataError, match="no column for T"):
        runs.numbers({"D": EXAMPLES, "T": TOKENS})


@pytest.mark.parametrize(
    ("given", "wanted", "symbol", "said"),
    [
        (["params", "tokens"], FLOPS, "C", ("flops = 6 params tokens",)),
        (["flops", "params"], TOKENS, "D", ("tokens = flops / (6 params)",)),
        (["flops", "tokens"], PARAMS, "N", ("params = flops / (6 tokens)",)),
        (["params", "tokens_per_param"], TOKENS, "D", ("tokens = params tokens_per_param",)),
        (["params", "tokens"], TOKENS_PER_PARAM, "M", ("tokens_per_param = tokens / params",)),
        (["params", "tokens_per_param"], FLOPS, "C", ("tokens = params tokens_per_param", "flops = 6 params tokens")),
    ],
)
def test_derived_columns(frame: pd.DataFrame, given, wanted, symbol, said):
    n, d = frame["params"], frame["tokens"]
    full = frame.assign(flops=6 * n * d, tokens_per_param=d / n)
    values, sentences = read_runs(full[given]).numbers({symbol: wanted})
    np.testing.assert_allclose(values[symbol], full[wanted.column])
    assert sorted(sentences) == sorted(said)


def test_all_that_a_law_misses_is_said_at_once(frame: pd.DataFrame):
    runs = read_runs(frame.drop(columns=["params", "tokens"]).rename(columns={"loss": "test_loss"}))
    with pytest.raises(DataError) as caught:
        runs.numbers(CHINCHILLA)
    assert [p.column for p in caught.value.problems] == ["params", "tokens", "loss"]
    assert "did you mean 'test_loss'" in str(caught.value)
    assert "'flops' and 'tokens'" in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "value"), [("1.5B", 1.5e9), ("350M", 3.5e8), ("1e9", 1e9), ("3 K", 3e3), ("2t", 2e12)]
)
def test_suffixes(cell: str, value: float):
    runs = read_runs(pd.DataFrame({"params": [cell], "n": [cell], "experts": [cell]}), columns={"D": "n"})
    experts = Variable("experts", "experts", "experts", PARAMS.units)
    values, _ = runs.numbers({"N": PARAMS, "D": TOKENS, "E": experts})
    assert {k: v.tolist() for k, v in values.items()} == {"N": [value], "D": [value], "E": [value]}


def test_suffixes_are_for_counts_only():
    with pytest.raises(DataError, match="suffix"):
        read_runs(pd.DataFrame({"loss": ["2.5K"]}))


def test_units(frame: pd.DataFrame):
    frame = frame.assign(flops=6 * frame["params"] * frame["tokens"] / 8.64e19, params=frame["params"] / 1e6)
    units = {"N": "M", "flops": "PF-day", "loss": "bits"}
    runs = read_runs(frame, columns={"N": "params"}, units=units)
    assert runs.units == {"params": "M", "flops": "PF-day", "loss": "bits"}
    values, _ = runs.numbers({**CHINCHILLA, "C": FLOPS})
    np.testing.assert_allclose(values["C"], 6 * values["N"] * values["D"])
    np.testing.assert_allclose(values["loss"], frame["loss"] * LN2)


def test_a_unit_only_the_law_can_judge():
    runs = read_runs(pd.DataFrame({"cost": [1.0]}), columns={"P": "cost"}, units={"P": "kWh"})
    energy = Variable("energy", "J", "energy", {"kWh": 3.6e6})
    assert runs.numbers({"P": energy})[0]["P"].tolist() == [3.6e6]
    with pytest.raises(ConfigError, match="kWh"):
        runs.numbers({"P": PARAMS})


@pytest.mark.parametrize(
    ("response", "value", "what"),
    [
        (LOSS, 0.0, "zero"),
        (LOSS, -1.0, "negative"),
        (SCORE, 55.0, "divide a percentage"),
        (SCORE, -0.1, "negative"),
        (Response("y", "1", "y", support="real"), np.inf, "infinite"),
    ],
)
def test_supports(response: Response, value: float, what: str):
    runs = Runs(pd.DataFrame({"y": [0.5, value]}), columns={"y": "y"})
    with pytest.raises(DataError, match=what) as caught:
        runs.numbers({"y": response})
    assert [(p.row, p.column) for p in caught.value.problems] == [(1, "y")]


@pytest.mark.parametrize(("solved", "trials"), [(3.5, 10), (11, 10), (-1, 10), (0, 0), (1, 9.5)])
def test_counts(solved: float, trials: float):
    frame = pd.DataFrame({"samples": [1.0, 2.0], "solved": [3, solved], "n": [10, trials]})
    runs = read_runs(frame, columns={"trials": "n", "k": "samples"})
    with pytest.raises(DataError) as caught:
        runs.numbers({"k": SAMPLES, "p": SOLVED})
    assert {p.row for p in caught.value.problems} == {1}
    values, _ = runs.take([0]).numbers({"k": SAMPLES, "p": SOLVED})
    assert {k: v.tolist() for k, v in values.items()} == {"k": [1], "p": [3], "trials": [10]}
    with pytest.raises(DataError, match="no column for trials"):
        Runs(frame.drop(columns="n")).numbers({"p": SOLVED})


def test_exclusions_keep_a_record(frame: pd.DataFrame):
    runs = read_runs(frame).exclude("tokens < 3e9", "too short").exclude([0], "by hand")
    assert runs.table["run"].tolist() == ["c", "d"]
    assert runs.rows.tolist() == [2, 3]
    assert runs.excluded[["row", "reason", "run", "loss"]].to_numpy().tolist() == [
        [0, "too short", "a", 3.5],
        [1, "by hand", "b", 3.2],
    ]
    assert runs.exclude(np.array([True, False]), "a mask").label(0) == "run d"
    assert "2 excluded" in repr(runs)


def test_an_exclusion_of_nothing_is_said(frame: pd.DataFrame):
    assert "No row matches" in read_runs(frame).exclude("loss > 10", "diverged").notes[0]


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_an_exclusion_needs_a_reason(frame: pd.DataFrame, reason):
    with pytest.raises(ConfigError, match="reason"):
        read_runs(frame).exclude([0], reason)


@pytest.mark.parametrize(
    "rows", ["tokens <", "nothing > 3", "tokens + 1", "x = 3", "@pd", "loss.__class__", "loss > 0", [9], [-1], [0.5]]
)
def test_rows_that_cannot_be_excluded(frame: pd.DataFrame, rows):
    with pytest.raises(ConfigError):
        read_runs(frame).exclude(rows, "why")


def test_where_is_a_choice_and_not_an_exclusion(frame: pd.DataFrame):
    runs = read_runs(frame, where="family == 'x'")
    assert runs.table["run"].tolist() == ["a", "c"]
    assert len(runs.excluded) == 0
    assert runs.notes == ("Of 4 rows, 2 have family == 'x'.",)
    with pytest.raises(ConfigError, match="no row"):
        runs.where("family == 'z'")


def test_groups_come_in_the_order_of_the_table(frame: pd.DataFrame):
    runs = read_runs(frame.iloc[::-1], group="family").exclude("run == 'a'", "odd")
    groups = runs.groups()
    assert list(groups) == ["y", "x"]
    assert [g.table["run"].tolist() for g in groups.values()] == [["d", "b"], ["c"]]
    assert [len(g.excluded) for g in groups.values()] == [0, 1]
    assert "2 groups" in repr(runs)
    with pytest.raises(ConfigError, match="group"):
        read_runs(frame).groups()


def test_labels(frame: pd.DataFrame):
    assert read_runs(frame).label(1) == "run b"
    assert read_runs(frame.drop(columns="run")).label(1) == "row 1"


def test_content_hash_is_of_the_content(frame: pd.DataFrame):
    runs = read_runs(frame)
    same = read_runs(frame[frame.columns[::-1]].astype({"params": "int64"}))
    assert runs.content_hash == same.content_hash == pickle.loads(pickle.dumps(runs)).content_hash
    others = [
        runs.take([1, 0, 2, 3]),
        runs.exclude([3], "why"),
        read_runs(frame.assign(loss=frame["loss"] + 1e-12)),
        read_runs(frame, units={"loss": "bits"}),
        read_runs(frame, columns={"N": "params"}),
    ]
    assert len({runs.content_hash, *(o.content_hash for o in others)}) == 6


def test_values_out_of_the_range_of_float64():
    runs = Runs(pd.DataFrame({"params": [1e200], "tokens": [1e200]}))
    with pytest.raises(DataError, match="float64"):
        runs.numbers({"C": FLOPS})
    with pytest.raises(DataError, match="float64"):
        Runs(pd.DataFrame({"params": [1e300]}), units={"params": "T"}).numbers({"N": PARAMS})
