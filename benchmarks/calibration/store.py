"""Blocks of simulations on disk, so that a stopped study goes on where it stopped and a longer one begins with it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import jaxscale as js

BLOCK = 200
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Job:
    """What one process computes: the simulations of one setting, block by block.

    Attributes:
        kind: "sbc", "coverage" or "bug".
        arguments: which setting, as text.
        says: everything its digits depend on besides the engine; part of the files' names.
    """

    kind: str
    arguments: tuple[str, ...]
    says: str

    def file(self, cache: Path, first: int, last: int) -> Path:
        """Where simulations first..last-1 are kept."""
        digest = hashlib.sha256(f"{self.says} {js.__version__}".encode()).hexdigest()[:12]
        words = "-".join(a.replace(":", "_").replace("/", "_").replace(" ", "_") for a in self.arguments)
        return cache / f"{self.kind}-{words}-{digest}-{first}-{last}.npz"


def blocks(simulations: int) -> list[tuple[int, int]]:
    """Ends of the blocks of a study."""
    return [(first, min(first + BLOCK, simulations)) for first in range(0, simulations, BLOCK)]


def compute(job: Job, simulations: int, cache: Path, one: Callable[[int, int], dict[str, Any]]) -> None:
    """The blocks of a job that are missing; `one` gives arrays, and a "said" of JSON."""
    for first, last in blocks(simulations):
        file = job.file(cache, first, last)
        if file.exists():
            continue
        clock = time.process_time()
        found = one(first, last)
        said = found.pop("said") | {"cpu_s": time.process_time() - clock}
        whole = file.with_suffix(f".{os.getpid()}.part")
        with whole.open("wb") as out:
            np.savez_compressed(out, said=json.dumps(said), **found)
        whole.replace(file)
        print(
            f"{job.kind} {' '.join(job.arguments)}: {last} of {simulations} in {said['cpu_s']:.1f} CPU s, "
            f"passed {said['methods']}, refused {said['codes']}", file=sys.stderr, flush=True,
        )  # fmt: skip


def read(job: Job, simulations: int, cache: Path) -> list[dict[str, Any]]:
    """The blocks of a job, as `compute` was given them; those that stand."""
    found = []
    for first, last in blocks(simulations):
        file = job.file(cache, first, last)
        if file.exists():
            with np.load(file) as kept:
                found.append({k: kept[k] for k in kept if k != "said"} | {"said": json.loads(str(kept["said"]))})
    return found


def in_processes(jobs: Sequence[Job], simulations: int, cache: Path, workers: int, until: float) -> list[str]:
    """Compute jobs in processes of their own, `workers` at once; what failed or was not begun, in words."""
    cache.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()

    def process(job: Job) -> str:
        if all(job.file(cache, first, last).exists() for first, last in blocks(simulations)):
            return ""
        name = " ".join(job.arguments)
        if time.monotonic() - begun > until:
            return f"{name}: not begun for want of time"
        command = [sys.executable, str(HERE / "run.py"), "--one", job.kind, *job.arguments, "--cache", str(cache)]
        done = subprocess.run([*command, "--simulations", str(simulations)], check=False)
        return f"{name}: exit status {done.returncode}" if done.returncode else ""

    with ThreadPoolExecutor(workers) as pool:
        return [said for said in pool.map(process, jobs) if said]
