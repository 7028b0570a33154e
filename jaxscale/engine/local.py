"""Shards on this machine: a few threads, each computing whole shards on a device of its own.

XLA runs the small programs of a CPU in the thread that calls them, so threads are the cores. Two share
an accelerator: one packs tables while the other's are fitted. Several devices share no program, because
one that is partitioned over them (`jax.sharding`) has other digits than one that is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from queue import SimpleQueue
from typing import Any

import jax

from jaxscale.engine.shard import Shard, compute
from jaxscale.runtime import cores


def run_local(shards: Sequence[Shard], workers: int | None = None) -> Iterator[tuple[Shard, bytes]]:
    """Compute shards, `workers` at a time; by default one a core, or two an accelerator. Yields each as it finishes."""
    devices = jax.local_devices()
    count = max(1, min(workers or cores(), len(shards)))
    free: SimpleQueue[Any] = SimpleQueue()
    for i in range(count):
        free.put(devices[i % len(devices)])

    def on_a_device(shard: Shard) -> bytes:
        device = free.get()
        try:
            with jax.default_device(device):
                return compute(shard)
        finally:
            free.put(device)

    waiting = iter(shards)
    with ThreadPoolExecutor(count) as pool:
        running: dict[Future[bytes], Shard] = {}
        try:
            while True:
                while len(running) < count and (shard := next(waiting, None)) is not None:
                    running[pool.submit(on_a_device, shard)] = shard
                if not running:
                    return
                for done in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(done), done.result()
        finally:
            for future in running:
                future.cancel()
