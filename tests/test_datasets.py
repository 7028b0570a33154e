"""Public tables: the registry, the readers against the mirror's tidy copies, and every way of getting a file."""

import hashlib
import os
import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jaxscale import datasets
from jaxscale.datasets import Dataset
from jaxscale.errors import ConfigError, DataError

REAL_MIRROR = os.environ.get("JAXSCALE_DATA")
needs_mirror = pytest.mark.skipif(not REAL_MIRROR, reason="JAXSCALE_DATA names no mirror of the public tables")
PUBLIC = [d for d in datasets.list() if not d.bundled]
public = pytest.mark.parametrize("dataset", PUBLIC, ids=lambda d: d.name)

RAW = "Model Size,Training FLOP,loss\n" + "".join(f"{1e8 * i},{1e19 * i},{3 - i / 10}\n" for i in range(1, 9))
TINY = Dataset(
    name="chinchilla_epoch",
    title="eight runs in the source's own columns",
    paper="2404.10102",
    repository="someone/something",
    commit="0" * 40,
    licence="none stated",
    files={"data/svg_extracted_data.csv": hashlib.sha256(RAW.encode()).hexdigest()},
    laws=("chinchilla",),
)


def mirror_frame(dataset):
    from jaxscale.readers.public import READERS

    assert REAL_MIRROR is not None
    raw = [Path(REAL_MIRROR) / dataset.name / "raw" / Path(path).name for path in dataset.files]
    tidy = pd.read_csv(Path(REAL_MIRROR) / dataset.name / "runs.csv")
    if dataset.name == "regmix_mixture":
        # The tidy copy holds tests at 60M and 1B parameters too, whose raw files no mirror carries.
        tidy = tidy.query("model_size_label == '1M'").reset_index(drop=True)
    return READERS[dataset.name](*raw), tidy


# The registry


def test_list_starts_with_the_bundled_table_and_has_unique_names():
    names = [d.name for d in datasets.list()]
    assert names[0] == "simulated_ladder"
    assert "simulated" in datasets.list()[0].title
    assert datasets.list()[0].licence == "Apache-2.0"
    assert len(set(names)) == len(names)
    datasets.list().clear()
    assert [d.name for d in datasets.list()] == names


@public
def test_every_public_table_is_pinned(dataset):
    assert re.fullmatch(r"[0-9a-f]{40}", dataset.commit)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", dataset.repository)
    assert re.fullmatch(r"\d{4}\.\d{5}", dataset.paper)
    assert dataset.licence
    assert dataset.title
    assert dataset.laws
    assert dataset.files
    assert all(re.fullmatch(r"[0-9a-f]{64}", sha) for sha in dataset.files.values())
    assert len({Path(path).name for path in dataset.files}) == len(dataset.files)


def test_every_public_table_has_a_reader():
    from jaxscale.readers.public import READERS

    assert set(READERS) == {d.name for d in PUBLIC}


def test_importing_the_module_is_light():
    code = "import sys, jaxscale.datasets as d; d.list(); print({'jax', 'pandas', 'pooch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"


def test_an_unknown_name_gets_a_hint_and_the_names(monkeypatch):
    monkeypatch.delenv("JAXSCALE_DATA", raising=False)
    with pytest.raises(ConfigError, match="did you mean 'chinchilla_epoch'") as caught:
        datasets.load("chinchila_epoch")
    assert all(d.name in str(caught.value) for d in datasets.list())
    with pytest.raises(ConfigError, match="no dataset is called"):
        datasets.load("")


# The bundled table


def test_the_bundled_table_needs_no_mirror(monkeypatch, tmp_path):
    monkeypatch.setenv("JAXSCALE_DATA", "/no/such/folder")
    monkeypatch.setattr(datasets, "BUNDLED", tmp_path)
    with pytest.raises(DataError, match="bundled table is missing"):
        datasets.load("simulated_ladder")
    (tmp_path / "simulated_ladder.csv").write_text("params,tokens,loss\n1e8,2e9,3.1\n1e9,2e10,2.5\n")
    assert len(datasets.load("simulated_ladder")) == 2


# The readers, held to the mirror's tidy copies


@needs_mirror
@public
def test_the_raw_files_give_the_tidy_table(dataset):
    frame, tidy = mirror_frame(dataset)
    pd.testing.assert_frame_equal(frame, tidy, rtol=1e-9, atol=0, check_dtype=False)


@needs_mirror
def test_the_registry_agrees_with_the_mirror():
    assert REAL_MIRROR is not None
    rows = pd.read_csv(Path(REAL_MIRROR) / "raw_files.csv")
    ours = [(d.name, d.repository, d.commit, path, sha) for d in PUBLIC for path, sha in d.files.items()]
    theirs = rows[["slug", "repository", "commit", "path", "sha256"]].itertuples(index=False, name=None)
    assert sorted(ours) == sorted(theirs)


@needs_mirror
def test_chinchilla_runs():
    runs = datasets.load("chinchilla_epoch")
    assert len(runs) == 245
    tokens, flops, params, loss, left_out = (
        np.asarray(runs.table[c]) for c in ("tokens", "flops", "params", "loss", "excluded_by_besiroglu")
    )
    np.testing.assert_allclose(tokens, flops / (6 * params), rtol=1e-7)
    assert left_out.sum() == 5
    assert loss[left_out == 1].min() > loss[left_out == 0].max()
    assert runs.source == "chinchilla_epoch (epoch-research/analyzing-chinchilla at 9225883)"
    assert len(runs.excluded) == 0


# What each paper's law is fitted to, and how many rows that leaves.
FITTED = {
    "chinchilla_epoch": 240,
    "steplaw_dense": 1911 - 181,
    "vocab_scaling": 1054,
    "regmix_mixture": 512,
    "sft_rectified": 30 * 14,
}


@needs_mirror
@public
def test_every_public_table_becomes_runs(dataset):
    frame, _ = mirror_frame(dataset)
    runs = datasets.load(dataset.name)
    assert len(runs) + len(runs.excluded) == len(frame)
    assert dict(runs.columns) == dict(dataset.columns)
    assert runs.group == dataset.group
    assert runs.source.startswith(dataset.name)
    fitted = datasets.load(dataset.name, where=dataset.where)
    assert 0 < len(fitted) < len(frame)
    assert len(fitted) == FITTED.get(dataset.name, len(fitted))


@needs_mirror
def test_rows_without_a_value_are_excluded_on_record():
    runs = datasets.load("routed_lm_clark2022")
    assert (len(runs), len(runs.excluded)) == (5791, 8)
    assert set(runs.excluded["reason"]) == {"no value in the published table"}
    other = datasets.load("routed_lm_clark2022", columns={"loss": "loss_pile"}, exclude={"seed != 42": "another seed"})
    assert other.columns == {"N": "dense_parameter_count", "E": "num_experts", "loss": "loss_pile"}
    assert set(other.excluded["reason"]) == {"no value in the published table", "another seed"}


@needs_mirror
def test_read_options_come_before_the_defaults():
    runs = datasets.load("sft_rectified", group="dataset", where="base_model == 'gpt2'")
    assert {name: len(part) for name, part in runs.groups().items()} == {"flan": 15, "wmt19": 15}
    with pytest.raises(DataError, match=r"sft_rectified \(linhaowei1") as caught:
        datasets.load("sft_rectified", columns={"loss": "test_los"})
    assert caught.value.__cause__ is None


# Any mirror


def test_a_mirror_is_verified(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "_ALL", (TINY,))
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path))
    raw = tmp_path / "chinchilla_epoch" / "raw" / "svg_extracted_data.csv"
    raw.parent.mkdir(parents=True)
    raw.write_bytes(RAW.encode())
    assert len(datasets.load("chinchilla_epoch")) == 8
    raw.write_bytes(RAW.replace("2.5", "2.4").encode())
    with pytest.raises(DataError, match="not the published file") as caught:
        datasets.load("chinchilla_epoch")
    text = str(caught.value)
    assert str(raw) in text
    assert hashlib.sha256(raw.read_bytes()).hexdigest() in text
    assert TINY.files["data/svg_extracted_data.csv"] in text


def test_a_table_that_only_the_mirror_has(monkeypatch, tmp_path):
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path))
    for name in ("mine", "chinchilla_epoch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "runs.csv").write_text("size,tokens,loss\n1e8,2e9,3.1\n1e9,2e10,2.5\n")
    (tmp_path / "empty").mkdir()
    assert len(datasets.load("mine", columns={"params": "size"})) == 2
    with pytest.raises(ConfigError, match=r"did you mean 'mine'.*The mirror has also: mine\."):
        datasets.load("min")
    with pytest.raises(ConfigError, match="no dataset is called"):
        datasets.load("empty")
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="no dataset is called"):
        datasets.load("../mine")


def test_a_mirror_that_is_not_there_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match="JAXSCALE_DATA names no folder"):
        datasets.load("chinchilla_epoch")


# The network, played by a server on this machine


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def served(monkeypatch, tmp_path):
    """A folder whose files stand for the repository's; the cache is another."""
    import pooch

    site = tmp_path / "site"
    site.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    for proxy in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.delenv("JAXSCALE_DATA", raising=False)
    monkeypatch.setattr(datasets, "_ALL", (TINY,))
    monkeypatch.setattr(datasets, "ADDRESS", f"http://127.0.0.1:{server.server_port}/{{path}}")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    (site / "data").mkdir()
    yield site / "data" / "svg_extracted_data.csv"
    server.shutdown()
    thread.join()
    server.server_close()


def foreign(error):
    return error.__cause__ is not None or error.__context__ is not None


def test_a_download_is_cached(served, capsys):
    served.write_bytes(RAW.encode())
    assert len(datasets.load("chinchilla_epoch")) == 8
    assert capsys.readouterr().err.count("downloading") == 1
    served.unlink()
    assert len(datasets.load("chinchilla_epoch")) == 8
    assert capsys.readouterr().err == ""


def test_a_mirror_without_the_file_falls_back_on_the_network(served, monkeypatch, tmp_path):
    served.write_bytes(RAW.encode())
    (tmp_path / "mirror").mkdir()
    monkeypatch.setenv("JAXSCALE_DATA", str(tmp_path / "mirror"))
    assert len(datasets.load("chinchilla_epoch")) == 8


def test_a_download_with_the_wrong_hash_is_refused_and_not_kept(served, tmp_path):
    served.write_bytes(b"something else")
    with pytest.raises(DataError, match="is not the published file") as caught:
        datasets.load("chinchilla_epoch")
    assert TINY.files["data/svg_extracted_data.csv"] in str(caught.value)
    assert hashlib.sha256(b"something else").hexdigest() in str(caught.value)
    assert not foreign(caught.value)
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_a_spoilt_cache_is_fetched_again(served, tmp_path):
    served.write_bytes(RAW.encode())
    datasets.load("chinchilla_epoch")
    (cached,) = (p for p in (tmp_path / "cache").rglob("*") if p.is_file())
    cached.write_bytes(b"spoilt")
    assert len(datasets.load("chinchilla_epoch")) == 8
    assert cached.read_bytes() == RAW.encode()


def test_a_missing_file_is_a_sentence(served):
    with pytest.raises(DataError, match="cannot download http") as caught:
        datasets.load("chinchilla_epoch")
    text = str(caught.value)
    assert "404" in text
    assert "JAXSCALE_DATA" in text
    assert "chinchilla_epoch/raw/svg_extracted_data.csv" in text
    assert not foreign(caught.value)


@pytest.mark.parametrize("error", [OSError("no route"), ValueError("odd address"), RuntimeError("worse")])
def test_any_failing_download_is_a_sentence(served, monkeypatch, error):
    import pooch

    def retrieve(*args, **kwargs):
        raise error

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    level = pooch.get_logger().level
    with pytest.raises(DataError, match=f"cannot download .*{error}") as caught:
        datasets.load("chinchilla_epoch")
    assert not foreign(caught.value)
    assert pooch.get_logger().level == level


def test_the_address_is_the_repository_at_the_commit():
    address = datasets._address(PUBLIC[0], next(iter(PUBLIC[0].files)))
    assert address == (
        "https://raw.githubusercontent.com/epoch-research/analyzing-chinchilla/"
        "92258837425e1b5f2851d624287f0120583a3d0e/data/svg_extracted_data.csv"
    )
