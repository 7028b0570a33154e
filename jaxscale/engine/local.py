"""Shards on this machine: a few threads, each computing whole shards.

XLA runs the small programs of a CPU in the thread that calls them, so threads are the cores. An
accelerator takes all its lanes in one program; a second thread packs tables while it works.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import jax

from jaxscale.engine.shard import Shard, compute


def run_local(shards: Sequence[Shard], workers: int | None = None) -> Iterator[tuple[Shard, bytes]]:
    """Compute shards, `workers` at a time (by default one a core); yields each as it is finished."""
    count = max(1, min(workers or default_workers(), len(shards)))
    if count == 1:
        for shard in shards:
            yield shard, compute(shard)
        return
    waiting = iter(shards)
    with ThreadPoolExecutor(count) as pool:
        running: dict[Future[bytes], Shard] = {}
        try:
            while True:
                while len(running) < count and (shard := next(waiting, None)) is not None:
                    running[pool.submit(compute, shard)] = shard
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        finally:
            for future in running:
                future.cancel()


def default_workers() -> int:
    """Cores that this process may use; two for an accelerator."""
    if jax.local_devices()[0].platform != "cpu":
        return 2
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
