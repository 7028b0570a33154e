"""Shards: compiled once, written whole, resumed after anything, the same on a cluster."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import numpy as np
import numpyro.distributions as dist
import pytest

import jaxscale as js
from jaxscale import runtime
from jaxscale.engine import local, store
from jaxscale.engine.shard import Recipe, cut
from jaxscale.engine.tables import read_tables
from jaxscale.infer.programs import programs
from jaxscale.noise import Huber, get_noise
from tests.batch_job import ROOT, contents, shards, tables, users_law

POINT = {"noise": "huber", "shard_size": 2}
AT = {"N": 7e10, "D": 1.4e12}


@pytest.fixture(scope="module")
def made():
    return tables(range(12))


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory):
    """A folder that nothing has disturbed, of several shards; not to be written to."""
    folder = tmp_path_factory.mktemp("whole")
    js.fit_many(made, out=folder, **POINT)
    assert len(shards(folder)) >= 3
    return folder


@pytest.fixture
def out(whole, tmp_path):
    """A copy of that folder."""
    return Path(shutil.copytree(whole, tmp_path / "out"))


@pytest.fixture
def computed(monkeypatch):
    """The ids of each shard that is computed from here on."""
    seen, compute = [], local.compute

    def recorded(shard):
        seen.append(sorted(shard.tables))
        return compute(shard)

    monkeypatch.setattr(local, "compute", recorded)
    return seen


def litter(folder):
    return list(folder.rglob("*.tmp"))


# ---- compiled once ---------------------------------------------------------------------------


@pytest.fixture
def compiles():
    """Names of the functions that XLA compiles, or finds in the cache on disk, from here on."""
    names = []

    def heard(event, _, **about):
        if event == "/jax/core/compile/backend_compile_duration":
            names.append(about["fun_name"])

    jax.monitoring.register_event_duration_secs_listener(heard)
    yield names
    jax.monitoring.unregister_event_duration_listener(heard)


def test_a_program_is_compiled_once_a_bucket(made, compiles, monkeypatch):
    """By two threads that meet each program at the same moment, over tables of two buckets; then never again."""
    monkeypatch.setattr(runtime, "MOST_MAPS", 10.0)  # the programs of all the other tests are in memory too
    options = {"law": js.get_law("chinchilla").with_priors({}), "seed": 4242, "workers": 2}  # nobody's programs yet
    fits = js.fit_many(made, shard_size=3, **options)
    counts = programs(fits.recipe.model).compiled()
    assert {"point", "importance", "resample", "block"} <= set(counts)
    assert max(counts.values()) <= 2
    assert counts["begin"] == 1  # it sees no rows
    assert compiles.count("jit(_over_lanes)") == sum(counts.values())
    compiles.clear()
    for count in (1, 2, 5, 8):
        js.fit_many({name: made[name] for name in list(made)[:count]}, shard_size=4, **options)
    assert set(compiles) <= {"jit(_folded)"}  # of keys, at each power of two


def test_threads_share_the_programs_of_a_model(monkeypatch):
    from jaxscale.infer import programs as home

    def slow(self, model):
        time.sleep(0.2)

    monkeypatch.setattr(home.Programs, "__init__", slow)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(programs, ["a model", "a model"])
    assert one is other


# ---- kept whole ------------------------------------------------------------------------------


def test_load_gives_equal_tables(made, tmp_path):
    bad = {"no column": made["table 0"].table.drop(columns="loss")}
    fits = js.fit_many(made | bad, method="importance", out=tmp_path / "a", shard_size=3)
    fits.save(tmp_path / "b")
    js.fit_many(made | bad, method="importance", shard_size=3).save(tmp_path / "c")  # from memory
    js.load(tmp_path / "a").save(tmp_path / "d")
    for folder in "abcd":
        back = js.load(tmp_path / folder)
        assert list(back) == [*made, "no column"]
        for table in ("summary", "status", "health", "points"):
            assert getattr(back, table)().equals(getattr(fits, table)())
        assert back.predict(AT).equals(fits.predict(AT))
        assert back.data.equals(fits.data)
        assert contents(tmp_path / folder) == contents(tmp_path / "a")
        assert not litter(tmp_path / folder)


def test_a_rerun_computes_nothing(made, out, whole, computed):
    for again in (dict(reversed(made.items())), made):
        js.fit_many(again, out=out, **POINT)
    assert computed == []
    assert contents(out) == contents(whole)


def test_a_changed_table_is_computed_with_its_shard_alone(made, out, whole, computed):
    loss = made["table 4"].table.loss
    changed = made | {"table 4": made["table 4"].table.assign(loss=loss.where(loss.index != 7, loss + 1e-9))}
    fits = js.fit_many(changed, out=out, **POINT)
    assert ["table 4" in ids for ids in computed] == [True]
    assert len(set(shards(out)) - set(shards(whole))) == 1
    ours, theirs = fits.summary().set_index("fit"), js.load(whole).summary().set_index("fit")
    assert [name for name in made if not ours.loc[name].equals(theirs.loc[name])] == ["table 4"]


def test_whatever_digits_depend_on_is_in_the_address(made, tmp_path):
    law = js.get_law("chinchilla")
    file, noise = users_law(tmp_path, "addressed"), get_noise(None, law.response)
    first = js.get_law(file)
    file.write_text(file.read_text() + "# changed\n")
    laws = [law, first, js.get_law(file), law.with_priors({"alpha": 0.34}), law.with_priors({"alpha": 0.35})]
    laws += [law.with_priors({"E": dist.Uniform(*ends)}) for ends in ((0.0, 2.0), (0.0, 3.0))]
    recipes = [Recipe(one, noise) for one in laws]
    noises = [get_noise(n, law.response) for n in ("normal", "student_t/raw")] + [Huber("log", d) for d in (1e-3, 1e-2)]
    recipes += [Recipe(law, one, "point") for one in noises]
    recipes += [Recipe(law, noise, **c) for c in ({"method": "hmc"}, {"seed": 1}, {"draws": 8000}, {"keep": 10})]
    read = read_tables(made, law)
    renamed = {("other" if k == "table 3" else k): v for k, v in read.items()}
    keys = [cut(recipe, read, 99)[0].key for recipe in recipes] + [cut(recipes[0], renamed, 99)[0].key]
    assert len(set(keys)) == len(keys)
    assert cut(Recipe(law.with_priors({}), noise), read, 99)[0].key == keys[0]


def test_harmed_shards_are_computed_again(made, out, whole, computed):
    """A flipped bit and a file cut short; a temporary file of a process that was killed does no harm."""
    flipped, short, *_ = sorted((out / "shards").glob("*.parquet"))
    payload = bytearray(flipped.read_bytes())
    payload[len(payload) // 2] ^= 1
    flipped.write_bytes(payload)
    short.write_bytes(short.read_bytes()[:-1])
    (out / "shards" / f".{short.name}.abc.tmp").write_bytes(b"half")
    store = js.load(whole).store
    lost = [sorted(store.read(f.name[:32], ["fit"])["fit"].to_pylist()) for f in (flipped, short)]
    assert set(js.load(out)) == set(made) - {*lost[0], *lost[1]}
    js.fit_many(made, out=out, **POINT)
    assert sorted(computed) == sorted(lost)
    assert contents(out) == contents(whole)


def test_a_half_filled_folder_can_be_read(made, out, whole):
    fits = js.load(whole)
    lost = fits.store.read(fits.shards[0], ["fit"])["fit"].to_pylist()
    next((out / "shards").glob(f"{fits.shards[0]}.*")).unlink()
    half = js.load(out)
    assert list(half) == [name for name in made if name not in lost]
    assert half.summary().equals(fits.summary()[~fits.summary().fit.isin(lost)].reset_index(drop=True))
    assert list(half.predict(AT).fit) == list(half)
    asks = (js.Fits.summary, js.Fits.status, js.Fits.points, lambda fits: fits.predict(AT))
    columns = [list(ask(half).columns) for ask in asks]
    shutil.rmtree(out / "shards")
    none = js.load(out)
    assert list(none) == []
    assert repr(none) == "Fits(chinchilla, 0 tables, 0 of them ok)"
    assert [len(ask(none)) for ask in asks] == [0] * len(asks)
    assert [list(ask(none).columns) for ask in asks] == columns


@pytest.mark.parametrize(
    "change",
    ["", "no JSON", "[]", "null", "3", "\udcff", {"law": "no such law"}, {"noise": "loud"}, {"shards": 3}, {"ids": 3},
     {"law"}, {"law_source"}, {"noise"}, {"method"}, {"seed"}, {"draws"}, {"keep"}, {"shards"}, {"ids"}, None],
    ids=str,
)  # fmt: skip
def test_nonsense_is_not_loaded(out, change):
    """Another text, other entries, entries that are missing, no file."""
    manifest = out / "batch.json"
    said = json.loads(manifest.read_text())
    if isinstance(change, (dict, set)):
        said = said | change if isinstance(change, dict) else {k: v for k, v in said.items() if k not in change}
        change = json.dumps(said)
    manifest.unlink()
    if change is not None:
        manifest.write_bytes(change.encode("utf-8", "surrogateescape"))
    with pytest.raises(js.DataError, match="no batch of fits"):
        js.load(out)


# ---- what stops a write ----------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize("call", ["mkstemp", "fsync", "replace"])
def test_a_write_that_fails(made, whole, tmp_path, monkeypatch, call, code):
    """The third of its kind, after the manifest and a shard: an error that says where, no litter, a rerun finishes."""
    where, calls = tempfile if call == "mkstemp" else os, []
    real = getattr(where, call)

    def failing(*args, **kwargs):
        calls.append(args)
        if len(calls) == 3:
            raise OSError(code, os.strerror(code))
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(where, call, failing)
        with pytest.raises(js.DataError) as error:
            js.fit_many(made, out=tmp_path / "out", **POINT)
    for text in (str(tmp_path / "out"), os.strerror(code), "Fix: make room or give another folder"):
        assert text in str(error.value)
    assert not litter(tmp_path)
    js.fit_many(made, out=tmp_path / "out", **POINT)
    assert contents(tmp_path / "out") == contents(whole)


def test_a_folder_that_cannot_be(made, tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(js.DataError, match=f"{place}.*\n.*cannot write"):
            js.fit_many(made, out=place, **POINT)


class Dead(BaseException):
    """What no cleaning up catches, as after a kill."""


@pytest.mark.parametrize("last", range(6))
def test_a_shard_is_there_whole_or_not_at_all(tmp_path, monkeypatch, last):
    """Death before each call to the system in turn; data reach the disk before the name, the name before we go on."""
    calls = []

    def dying(name, real):
        def call(*args, **kwargs):
            if len(calls) == last:
                raise Dead
            calls.append(name)
            return real(*args, **kwargs)

        return call

    for where, name in ((tempfile, "mkstemp"), (os, "fdopen"), (os, "fsync"), (os, "chmod"), (os, "replace")):
        monkeypatch.setattr(where, name, dying(name, getattr(where, name)))
    kept = store.Folder(tmp_path)
    with pytest.raises(Dead):
        kept.put("key", b"payload")
    monkeypatch.undo()
    order = ["mkstemp", "fdopen", "fsync", "chmod", "replace", "fsync"]
    assert calls == order[:last]
    assert store.Folder(tmp_path).has("key") == ("replace" in calls)
    assert not list(tmp_path.rglob("*.harmed"))
    kept.put("key", b"payload")
    assert [f.read_bytes() for f in tmp_path.rglob("*.parquet")] == [b"payload"]


def test_what_was_finished_before_an_error_stands(made, whole, tmp_path, computed, monkeypatch):
    recorded = local.compute
    with monkeypatch.context() as patch:
        patch.setattr(local, "compute", lambda shard: recorded(shard) if len(computed) < 2 else 1 / 0)
        with pytest.raises(ZeroDivisionError):
            js.fit_many(made, out=tmp_path, workers=1, **POINT)
    assert len(shards(tmp_path)) == 2
    js.fit_many(made, out=tmp_path, **POINT)
    assert len(computed) == len(shards(whole))
    assert contents(tmp_path) == contents(whole)


# ---- kill -9 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kills", "count", "options"),
    [(5, 40, POINT), pytest.param(20, 120, {"shard_size": 2}, marks=pytest.mark.slow)],
)  # fmt: skip
def test_killed_and_resumed(tmp_path, kills, count, options):
    """At random moments after the work has begun; what stands is not touched, and the end is that of a quiet run."""
    rng, folder, stood, killed = np.random.default_rng(count), tmp_path / "killed", {}, 0
    given = [f"--tables={count}", "--pause=0.1", f"--options={json.dumps(options)}"]
    job = [sys.executable, "-m", "tests.batch_job", folder, *given]
    for _ in range(kills + 1):
        (folder / "batch.json").unlink(missing_ok=True)  # its coming tells that the work begins
        wanted = len(stood) + rng.integers(0, 2)
        with subprocess.Popen(job, cwd=ROOT, stdout=subprocess.DEVNULL) as process:
            while killed < kills and process.poll() is None:
                if (folder / "batch.json").exists() and len(shards(folder)) >= wanted:
                    time.sleep(rng.uniform(0, 0.1))
                    process.kill()
                    killed += process.wait() == -signal.SIGKILL
                time.sleep(0.001)
        assert stood.items() <= shards(folder).items()
        stood = shards(folder)
    assert process.returncode == 0
    assert killed == kills
    js.fit_many(tables(range(count)), out=tmp_path / "quiet", **options)
    assert contents(folder) == contents(tmp_path / "quiet")


# ---- Ray -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster():
    ray = pytest.importorskip("ray", reason="the extra 'ray' is not installed")
    with warnings.catch_warnings():
        # what Ray forks becomes another program at once
        warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
        ray.init(_node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=2, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
def test_ray_gives_the_same_bytes(made, cluster, tmp_path):
    bad = {"no column": made["table 0"].table.drop(columns="loss")}
    some = bad | {name: made[name] for name in list(made)[:5]}
    for executor in ("local", "ray"):
        js.fit_many(some, out=tmp_path / executor, executor=executor, shard_size=3)
    assert len(shards(tmp_path / "ray")) > 1
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


@pytest.mark.slow
def test_ray_with_a_users_law_and_priors(made, cluster, tmp_path):
    options = {"law": users_law(tmp_path, "travelled"), "method": "importance", "shard_size": 3}
    options["priors"] = {"a": dist.LogNormal(-1.0, 0.5), "Linf": 1.8}
    some = {name: made[name] for name in list(made)[:5]}
    for executor in ("local", "ray"):
        fits = js.fit_many(some, out=tmp_path / executor, executor=executor, **options)
    assert fits.status().ok.any()
    assert set(fits.summary().set_index("parameter").loc["Linf", "mean"].dropna().round(14)) == {1.8}
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    back = js.load(tmp_path / "ray")
    assert back.summary().equals(fits.summary())
    assert back.predict(AT).equals(fits.predict(AT))
