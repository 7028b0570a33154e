"""Shards on a Ray cluster: one task a shard, with its cores and GPUs declared, retried when a worker is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxscale.engine.shard import Shard, compute
from jaxscale.errors import ConfigError

RETRIES = 3


def run_on_ray(
    shards: Sequence[Shard], workers: int | None = None, cpus: float = 1.0, gpus: float = 0.0
) -> Iterator[tuple[Shard, bytes]]:
    """Compute shards as Ray tasks; yields each as it is finished, with the bytes that the local executor gives.

    A cluster that is already joined (`ray.init(...)`, or RAY_ADDRESS) is used; else one is started on
    this machine.

    Args:
        shards: to compute.
        workers: tasks in flight at once; by default twice as many as the cluster has room for.
        cpus, gpus: what a task asks for.

    Raises:
        ConfigError: Ray is not installed.
    """
    try:
        import ray  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise ConfigError("executor 'ray' needs Ray: pip install 'jaxscale[ray]'") from None
    if not ray.is_initialized():
        ray.init(include_dashboard=False, log_to_driver=False)
    task = ray.remote(compute).options(num_cpus=cpus, num_gpus=gpus, max_retries=RETRIES, retry_exceptions=[OSError])
    room = int(ray.cluster_resources().get("CPU", 1) // max(cpus, 1e-9)) if cpus else len(shards)
    most = workers or 2 * max(1, room)
    waiting, running = iter(shards), {}
    while True:
        while len(running) < most and (shard := next(waiting, None)) is not None:
            running[task.remote(shard)] = shard
        if not running:
            return
        done, _ = ray.wait(list(running), num_returns=1)
        yield running.pop(done[0]), ray.get(done[0])
