"""The reference optima of many tables, by several processes, kept in the user's cache folder.

The file's name holds a digest of the code that made it and, for modes, of the density at a few fixed vectors, so
that a change of either begins a new file. Lines are appended as they come: a run that was stopped goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import huber
import jax
import mode
import numpy as np
import platformdirs
from tables import simulated

from jaxscale.runtime import float64, keep_compiled_programs

HERE = Path(__file__).parent
MADE_BY = {"huber": ("tables", "huber", "newton"), "student_t": ("tables", "huber", "newton", "mode")}
ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
EVERY = 5.0  # seconds between progress lines


def references(noise: str, numbers: Sequence[int], seed: int, workers: int) -> dict[int, dict[str, Any]]:
    """The reference of each table: what `solve` returns, from the cache or made now."""
    path = cache(noise, seed)
    known = read(path)
    missing = [n for n in numbers if n not in known]
    if missing:
        print(f"reference, {noise}: {len(numbers) - len(missing)} cached, {len(missing)} to make", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            for found in made(noise, missing, seed, workers):
                file.write(json.dumps(found) + "\n")
                file.flush()
                known[found["table"]] = found
    return {n: known[n] for n in numbers}


def cache(noise: str, seed: int) -> Path:
    """Where the references of one noise are kept."""
    digest = hashlib.sha256()
    for module in MADE_BY[noise]:
        digest.update((HERE / f"{module}.py").read_bytes())
    if noise == "student_t":
        digest.update(probe().encode())
    folder = Path(platformdirs.user_cache_dir("jaxscale")) / "optimum"
    return folder / f"{noise}-seed{seed}-{digest.hexdigest()[:12]}.jsonl"


def probe() -> str:
    """The density of the first tables at draws of the prior: what a change of the model would change."""
    run, model = mode.programs(), mode.model_of("student_t")
    with float64():
        at = run["prior"](jax.random.key(0))
        values = [run["slope"](u, mode.lane(simulated(k), model))[0] for k in (3, 4) for u in at]
    return " ".join(f"{float(v):.9g}" for v in values)


def read(path: Path) -> dict[int, dict[str, Any]]:
    """Lines of an earlier run; a last line that was cut off is left out."""
    known = {}
    if path.exists():
        for line in path.read_text().splitlines():
            with contextlib.suppress(json.JSONDecodeError):
                found = json.loads(line)
                known[found["table"]] = found
    return known


def made(noise: str, numbers: Sequence[int], seed: int, workers: int) -> Iterator[dict[str, Any]]:
    """References as the processes finish them, each on one thread."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)  # read when a process starts
    try:
        pool = multiprocessing.get_context("spawn").Pool(workers, begin)
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
    start = told = time.perf_counter()
    with pool:
        tasks = [(noise, n, seed) for n in numbers]
        for count, found in enumerate(pool.imap_unordered(solve, tasks, chunksize=4), 1):
            yield found
            now = time.perf_counter()
            if now - told > EVERY or count == len(numbers):
                told, each = now, (now - start) / count
                left = each * (len(numbers) - count)
                print(f"  {count} of {len(numbers)}, {left:.0f} s left", file=sys.stderr, flush=True)


def begin() -> None:
    """Of a process: JAX in float64, compiled programs shared."""
    keep_compiled_programs()
    jax.config.update("jax_enable_x64", True)


def solve(task: tuple[str, int, int]) -> dict[str, Any]:
    """One reference: its objective, where it lies, how sure, and the processor's seconds."""
    noise, number, seed = task
    table = simulated(number, seed)
    clock = time.process_time()
    found = huber.search(huber.data_of(table)) if noise == "huber" else mode.search(table)
    return {
        "table": number,
        "objective": found.value,
        "place": np.asarray(found.place).tolist(),
        "agree": found.agree,
        "left": found.left,
        "kind": huber.kind(found.place) if noise == "huber" else "",
        "seconds": time.process_time() - clock,
    }
