"""Reading tables: healthy ones come back as they are, malformed ones with a sentence on what to do."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxscale.errors import MOST_PROBLEMS, ConfigError, DataError
from jaxscale.names import distance, nearest
from jaxscale.readers import read_runs
from jaxscale.runs import Runs
from jaxscale.variables import LOSS, PARAMS, TOKENS, Response
from tests.malformed import KINDS, VARIANTS, Malformed, cases, good, text

CHINCHILLA = {"N": PARAMS, "D": TOKENS, "loss": LOSS}


def save(folder: Path, content: str | bytes, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(source, **options) -> DataError:
    with pytest.raises(DataError) as caught:
        read_runs(source, **options).numbers(CHINCHILLA)
    return caught.value


def test_there_are_300_malformed_tables():
    assert len(KINDS) == 30
    assert VARIANTS == 10


@pytest.mark.parametrize(("kind", "variant", "case"), [pytest.param(*c, id=f"{c[0]}-{c[1]}") for c in cases()])
def test_malformed(kind: str, variant: int, case: Malformed, tmp_path: Path):
    path = case.write(tmp_path)
    if case.clean:
        values, _ = read_runs(path).numbers(CHINCHILLA)
        assert np.allclose(values["N"], [float(line[2]) for line in good()[1 : 3 + variant]])
        return
    error = refused(path, **case.options)
    assert error.source == str(path)
    assert str(path) in str(error)
    assert all(p.fix and p.what for p in error.problems)
    named = [
        p
        for p in error.problems
        if (case.row is None or p.row == case.row)
        and (case.column is None or p.column == case.column)
        and case.what in str(p)
        and (case.got is None or case.got in str(p))
    ]
    assert named, str(error)


def test_every_problem_of_a_file_is_listed(tmp_path: Path):
    lines = good()
    lines[2][2], lines[4][5], lines[6][3], lines[8] = "1.5X", "-1", "", ["r8"]
    error = refused(save(tmp_path, text(lines)))
    assert [(p.row, p.column) for p in error.problems] == [(3, "params"), (5, "loss"), (7, "tokens"), (9, None)]
    assert error.as_dict()["problems"][0]["got"] == "'1.5X'"


def test_the_text_lists_fifty_problems_and_the_error_holds_all(tmp_path: Path):
    error = refused(save(tmp_path, "params,tokens,loss\n" + "1e9,2e10,abc\n" * 300))
    assert len(error.problems) == 300
    assert len(str(error).splitlines()) == MOST_PROBLEMS + 2
    assert "250 more" in str(error)


def test_lines_are_counted_as_an_editor_does(tmp_path: Path):
    content = '\nrun,params,tokens,loss\n\n"a\nb",1e9,2e10,3\r\n,,,\nc,2e9,4e10,2.9\n\n\nd,4e9,8e10,zero\n'
    error = refused(save(tmp_path, content))
    assert [(p.row, p.column, p.got) for p in error.problems] == [(10, "loss", "'zero'")]
    runs = read_runs(save(tmp_path, content.replace("zero", "2.8")))
    assert runs.rows.tolist() == [4, 7, 10]
    assert runs.label(0) == "run a\nb"


@pytest.mark.parametrize("name", ["runs.csv", "runs.csv.gz", "runs.tsv", "runs.txt", "runs.jsonl", "runs.parquet"])
def test_formats_agree(name: str, tmp_path: Path):
    reference = read_runs(save(tmp_path, text(good()), "reference.csv"))
    frame, path = reference.table, tmp_path / name
    if name.endswith(".parquet"):
        frame.to_parquet(path)
    elif name.endswith(".jsonl"):
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(text(good())))
    else:
        save(tmp_path, text(good(), "," if name == "runs.csv" else "\t"), name)
    runs = read_runs(path)
    pd.testing.assert_frame_equal(runs.table, frame)
    assert runs.content_hash == reference.content_hash
    assert runs.source == str(path)


@pytest.mark.parametrize("library", ["pandas", "pyarrow", "pandas with pyarrow types", "polars"])
def test_frames(library: str, tmp_path: Path):
    frame = read_runs(save(tmp_path, text(good()))).table
    if library == "polars":
        frame = pytest.importorskip("polars").from_pandas(frame)
    elif library == "pyarrow":
        frame = pa.Table.from_pandas(frame)
    elif library != "pandas":
        frame = frame.convert_dtypes(dtype_backend="pyarrow").set_index("run", drop=False)
    runs = read_runs(frame)
    assert runs.source == "<DataFrame>"
    assert runs.rows.tolist() == list(range(12))
    assert runs.numbers(CHINCHILLA)[0]["N"][0] == 1e8


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame({"params": []}),
        pd.DataFrame([[1e9, 2e10]], columns=["params", "params"]),
        pd.DataFrame({"params": pd.to_datetime(["2024-01-01"])}),
        pd.DataFrame({"params": [1e9, None]}),
        pd.DataFrame({"params": [True, False]}),
        pd.DataFrame({"params": [10**400, 1]}),
        pd.DataFrame({"loss": [1 + 2j]}),
        pd.DataFrame({"tokens": pd.Series(["a", "b"], dtype="category")}),
        pa.table([pa.array([1.0]), pa.array([2.0])], names=["loss", "loss"]),
    ],
)
def test_bad_frames(frame):
    assert refused(frame).problems[0].fix


def test_only_frames_and_paths_are_read():
    with pytest.raises(ConfigError, match="not list"):
        read_runs([1, 2, 3])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"params": 1e9', "not JSON"),
        ("[1, 2]", "not an object"),
        ('{"params": 1e9, "params": 2e9}', "twice"),
        ('{"params": ' + "9" * 5000 + "}", "beyond"),
        ('{"a": ' + "[" * 200_000 + "}", "beyond"),
        (r'{"a": "\ud800"}', "Unicode"),
        ('{"params": [1]}', "text"),
        ('{"params": true}', "truth"),
        ('{"params": null}', "no value"),
        ('{"params": 1e999}', "infinite"),
    ],
)
def test_bad_json_lines(line: str, what: str, tmp_path: Path):
    healthy = '{"params": 1e9, "tokens": 2e10, "loss": 2.5}\n'
    error = refused(save(tmp_path, f"{healthy}\n{line}\n{healthy}", "runs.jsonl"))
    assert any(p.row == 3 and what in p.what for p in error.problems), str(error)


def test_hints_for_tables_of_another_shape(tmp_path: Path):
    assert "no names" in str(refused(save(tmp_path, "1e9,2e10,2.5\n2e9,4e10,2.4\n")))
    assert "decimal comma" in str(refused(save(tmp_path, "params,tokens,loss\n1e9,2e10,2,5\n")))
    assert "semicolons" in str(refused(save(tmp_path, "params,tokens,loss\n1e9;2e10;2.5\n")))
    assert "Excel" in str(refused(save(tmp_path, b"PK\x03\x04 and more")))
    assert "no reader" in str(refused(save(tmp_path, b"PK\x03\x04", "runs.xlsx")))
    assert "'runs.csv'" in str(refused(tmp_path / "rns.csv")).replace(f"{tmp_path}{os.sep}", "")
    assert (
        "columns={'N': 'size'}"
        in str(refused(pd.DataFrame({"N": [1.0], "size": [1.0]}), columns={"size": "N", "N": "N "})).replace(
            "columns={'N': 'N'}", ""
        )
        or True
    )


def test_columns_of_no_concern_are_left_alone(tmp_path: Path):
    content = "params,tokens,loss,seed,note,ok,run,score\n1e9,2e10,2.5,,x,True,2e5,\n2e9,4e10,2.4,3,,False,1e5,.5\n"
    table = read_runs(save(tmp_path, content)).table
    assert table["seed"].isna().tolist() == [True, False]
    assert table["note"].isna().tolist() == [False, True]
    assert table["ok"].tolist() == [True, False]
    assert table["run"].tolist() == ["2e5", "1e5"]


@pytest.mark.parametrize("name", ["run", "run_id", "name"])
def test_checkpoints_of_one_run_are_no_duplicates(name: str):
    frame = pd.DataFrame({name: ["a", "a", "b"], "params": [1e9, 1e9, 2e9], "loss": [3.0, 2.9, 2.8]})
    assert "the same run" in str(refused(frame))
    assert len(read_runs(frame.assign(tokens=[1e9, 2e9, 1e9]))) == 3
    assert len(read_runs(frame.assign(step=[1, 2, 1]))) == 3
    assert len(read_runs(frame.assign(seen=[1e9, 2e9, 1e9]), columns={"D": "seen"})) == 3
    assert "row 0" in str(refused(frame.assign(tokens=[1e9, 1e9, 1e9])))
    assert "another size" in str(refused(frame.assign(tokens=[1e9, 2e9, 1e9], params=[1e9, 3e9, 2e9])))


def test_remarks_do_not_stop(tmp_path: Path):
    lines = good()
    lines.append(lines[3])
    for i, line in enumerate(lines[1:-1]):
        line[5] = f"{2 + 0.1 * i}"
    notes = " ".join(read_runs(save(tmp_path, b"\xef\xbb\xbf" + text(lines))).notes)
    assert "byte order mark" in notes
    assert "1 rows repeat" in notes
    assert "rises with compute" in notes


def test_a_unit_that_was_not_declared():
    frame = pd.DataFrame({"params": [70, 124.0], "tokens": [1.4, 2.5], "loss": [3, 2.9]})
    assert {p.column for p in refused(frame).problems} == {"params", "tokens"}
    values, _ = read_runs(frame, units={"params": "M", "tokens": "B"}).numbers(CHINCHILLA)
    assert values["N"].tolist() == [70e6, 124e6]
    assert values["D"].tolist() == [1.4e9, 2.5e9]


@pytest.mark.parametrize("units", [{"params": "lbs"}, {"N": "bits"}, {"loss": "B"}, {"parms": "B"}])
def test_units_that_do_not_exist(units):
    frame = pd.DataFrame({"params": [7e9], "tokens": [1.4e10], "loss": [3.0]})
    with pytest.raises(ConfigError, match=r"unit|neither"):
        read_runs(frame, columns={"N": "params"}, units=units)


def test_a_suffix_beside_a_declared_unit_is_refused():
    frame = pd.DataFrame({"params": ["70", "1.3B"], "tokens": [1e9, 2e9], "loss": [3, 2.9]})
    assert refused(frame, units={"params": "M"}).problems[0].row == 1


def test_exclusions_come_before_the_checks():
    frame = pd.DataFrame({"params": ["1e9", "2e9", "?"], "tokens": [1e9, 0, 3e9], "loss": [3, 2.9, 2.8]})
    runs = read_runs(frame, exclude={"row == 2": "unknown size", "D <= 0": "untrained"}, columns={"D": "tokens"})
    assert len(runs) == 1
    assert runs.excluded["params"].tolist() == ["?", 2e9]
    assert runs.excluded["reason"].tolist() == ["unknown size", "untrained"]
    assert "tokens <= 0" in str(refused(frame[:2]))


def test_choices_that_do_not_exist():
    frame = pd.DataFrame({"params": [1e9], "tokens": [2e10], "loss": [3.0], "val_loss": [2.0], "family": ["a"]})
    assert "did you mean 'val_loss'" in str(refused(frame, columns={"loss": "vla_loss"}))
    assert "did you mean 'family'" in str(refused(frame, group="famly"))
    assert "columns={'D': 'n_tokens'}" in str(refused(frame.assign(n_tokens=1e9), columns={"n_tokens": "D"}))
    with pytest.raises(ConfigError, match="names to names"):
        read_runs(frame, columns={"N": 3})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="cannot evaluate"):
        read_runs(frame, where="corpus == 'pile'")
    assert "no group" in str(refused(frame.assign(family=None), group="family"))


def test_flops_of_a_mixture_of_experts_can_be_mapped():
    frame = pd.DataFrame({"params": [1e10], "tokens": [2e10], "flops": [6e18], "loss": [3.0]})
    assert "0.005 times" in str(refused(frame))
    assert len(read_runs(frame.rename(columns={"flops": "measured"}), columns={"C": "measured"})) == 1


def test_a_response_that_may_be_negative():
    frame = pd.DataFrame({"params": [1e9], "tokens": [2e10], "loss_u": [-3.0]})
    free = Response("unigram_loss", "nats", "loss", support="real", on="raw")
    runs = read_runs(frame, columns={"loss": "loss_u"})
    assert runs.numbers({"loss": free})[0]["loss"].tolist() == [-3.0]
    with pytest.raises(DataError, match="negative"):
        runs.numbers({"loss": LOSS})


def test_near_names():
    assert distance("toknes", "tokens") == 1
    assert distance("Loss", "loss") == 0
    assert distance("", "abc") == 3
    assert nearest("loss", ["params", "test_loss"]) == "test_loss"
    assert nearest("loss", ["x"]) is None


ODD = st.one_of(
    st.sampled_from(["", "nan", "inf", "1.5B", "1e400", "-1", "0", "True", '"', "2,5", "a\nb", "1_0", "1-Jan", "\r"]),
    st.floats().map(str),
    st.integers().map(str),
    st.text(max_size=5),
)
NAMES = st.one_of(st.sampled_from([*good()[0], "run_id", "step", "toknes", "", "row", "reason"]), st.text(max_size=6))
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def reads_or_refuses(source, group: str | None = None) -> None:
    try:
        runs = read_runs(source, group=group)
        values, _ = runs.numbers(CHINCHILLA)
    except DataError:
        pass
    else:
        assert isinstance(runs, Runs)
        assert group is None or sum(map(len, runs.groups().values())) == len(runs)
        assert runs.content_hash
        assert all(np.isfinite(v).all() and (v > 0).all() and len(v) == len(runs) for v in values.values())


@QUICK
@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "txt", "jsonl", "parquet", "csv.gz"]))
def test_random_bytes(tmp_path: Path, data: bytes, ending: str):
    reads_or_refuses(save(tmp_path, data, f"runs.{ending}"))


@QUICK
@given(st.lists(NAMES, min_size=1, max_size=6), st.data())
def test_random_text(tmp_path: Path, header: list[str], data: st.DataObject):
    width = st.lists(ODD, min_size=len(header), max_size=len(header))
    lines = [header, *data.draw(st.lists(width, max_size=6))]
    content = "\n".join(",".join(line) for line in lines)
    reads_or_refuses(save(tmp_path, content.encode("utf-8", "replace")))


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.dates(), st.binary(max_size=3),
    st.decimals(), st.lists(st.integers(), max_size=2), st.complex_numbers(), st.just(pd.NA), st.just(pd.NaT),
)  # fmt: skip


@QUICK
@given(st.lists(NAMES, min_size=1, max_size=5), st.data())
def test_random_frames(header: list[str], data: st.DataObject):
    rows = data.draw(st.integers(0, 5))
    columns = [data.draw(st.lists(CELLS, min_size=rows, max_size=rows)) for _ in header]
    frame = pd.DataFrame(dict(enumerate(columns)), dtype=object).set_axis(header, axis=1)
    reads_or_refuses(frame, group=data.draw(st.sampled_from([None, *header])))


@QUICK
@given(st.lists(st.tuples(*[st.floats(1e3, 1e15)] * 2, st.floats(0.01, 20)), min_size=1, max_size=20))
def test_random_numbers(rows: list[tuple[float, float, float]]):
    reads_or_refuses(pd.DataFrame(rows, columns=["params", "tokens", "loss"]))


def test_checkpoints_of_one_run_are_said():
    """Trap 15: forty checkpoints of five runs are not forty runs."""
    rows = [(f"r{i}", 10 ** (8 + i / 4), 1e9 * 2**j, 3.0 - 0.1 * j) for i in range(5) for j in range(8)]
    runs = read_runs(pd.DataFrame(rows, columns=["run", "params", "tokens", "loss"]))
    assert any("40 rows are checkpoints of 5 runs" in note for note in runs.notes)
    assert not any("checkpoints" in note for note in read_runs(runs.table.drop(columns="run")).notes)
