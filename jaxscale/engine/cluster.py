"""Shards on a Ray cluster: one task a shard, with its cores and GPUs declared, retried when a worker is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import jax

from jaxscale.engine.shard import Shard, compute
from jaxscale.errors import ConfigError

RETRIES = 3


def run_on_ray(shards: Sequence[Shard], workers: int | None = None) -> Iterator[tuple[Shard, bytes]]:
    """Compute shards as Ray tasks; yields each as it is finished, with the bytes that the local executor gives.

    A cluster that is already joined (`ray.init(...)`) or that RAY_ADDRESS names is used; else one is
    started on this machine. A task asks for one core, and for a GPU where this process has one: a
    shard's name says on what kind of device it is computed.

    Args:
        shards: to compute.
        workers: tasks in flight at once; by default twice as many as the cluster has room for.

    Raises:
        ConfigError: Ray is not installed, or lost a shard's worker more often than it may.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]
        from ray.exceptions import RayError, RayTaskError  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError("executor 'ray' needs Ray: pip install 'jaxscale[ray]'") from None
    if not ray.is_initialized():
        # a cluster of one machine needs no network
        alone = {} if "RAY_ADDRESS" in os.environ else {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
        ray.init(log_to_driver=False, **alone)
    unit, name = ({"num_cpus": 1}, "CPU") if jax.devices()[0].platform == "cpu" else ({"num_gpus": 1}, "GPU")
    task = ray.remote(compute).options(**unit, max_retries=RETRIES, retry_exceptions=[OSError])
    most = workers or 2 * max(1, int(ray.cluster_resources().get(name, 1)))
    waiting, running = iter(shards), {}
    while True:
        while len(running) < most and (shard := next(waiting, None)) is not None:
            running[task.remote(shard)] = shard
        if not running:
            return
        done, _ = ray.wait(list(running), num_returns=1)
        shard = running.pop(done[0])
        try:
            found = ray.get(done[0])
        except RayTaskError:
            raise  # the fit's own error, which is of its own type too
        except RayError as error:
            raise ConfigError(
                f"Ray gave up on a shard of {len(shard.tables)} tables after {RETRIES} more tries: "
                f"{str(error).partition(chr(10))[0]} What is finished stands in the output folder; the same command "
                "goes on from there. Workers that run out of memory need a smaller shard_size."
            ) from error
        yield shard, found
