"""The compiled programs of a model: each mapped over a fixed number of lanes and sharded over the local devices.

The number of lanes is fixed because XLA's digits depend on it: a job of any size goes through in chunks
of that many, the last one padded with repeats, so that a fit's result does not depend on its neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from jaxscale.batch import Lane, lanes_at_once
from jaxscale.infer import collapsed, hmc, importance
from jaxscale.infer.point import find_point, finish_point
from jaxscale.model import Model


class Programs:
    """One attribute a program; all arguments but the last `shared` ones have a leading lane axis."""

    def __init__(self, model: Model):
        part = functools.partial
        self.model = model
        self.split = _mapped(jax.random.fold_in, shared=1)
        self.point = _mapped(part(find_point, model))
        self.finish = _mapped(part(finish_point, model))
        self.importance = _mapped(part(importance.importance, model))
        self.importance_many = _mapped(part(importance.importance_many, model))
        self.collapsed = _mapped(part(collapsed.collapsed, model))
        self.resample = _mapped(part(importance.resample, count=hmc.CHAINS))
        self.begin = _mapped(hmc.begin)
        self.block = _mapped(part(hmc.run_block, model), shared=3)
        self.spread = _mapped(lambda u: jnp.std(jax.vmap(model.apart)(u), axis=0))
        # of a single lane, over its draws
        self.likelihood = jax.jit(jax.vmap(model.log_likelihood, in_axes=(0, None)))
        self.new_runs = jax.jit(jax.vmap(model.new_runs, in_axes=(0, None, 0)))

    def compiled(self) -> dict[str, int]:
        """How often each program was compiled in this process: once a bucket of rows."""
        found = {name: size() for name, f in vars(self).items() if (size := getattr(f, "_cache_size", None))}
        return {name: count for name, count in found.items() if count}


@functools.lru_cache(maxsize=64)
def programs(model: Model) -> Programs:
    """The programs of a model, compiled when they are first called."""
    return Programs(model)


def chunks(lanes: Lane, places: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of lanes, as many at a time as the programs take: (places, the same padded with repeats)."""
    at_once = lanes_at_once(lanes["w"].shape[-1]) * jax.local_device_count()
    for first in range(0, len(places), at_once):
        some = places[first : first + at_once]
        yield some, np.resize(some, at_once)


def take(tree: Any, places: Any) -> Any:
    """Some lanes of every array."""
    return jax.tree.map(lambda a: a[places], tree)


def _mapped(function: Callable[..., Any], shared: int = 0) -> Callable[..., Any]:
    """Over lanes by vmap, over devices by shards that never talk to each other."""

    def over_lanes(*args):
        axes = (0,) * (len(args) - shared) + (None,) * shared
        return jax.vmap(function, in_axes=axes)(*args)

    def over_devices(*args):
        if jax.local_device_count() == 1:
            return over_lanes(*args)
        mesh = jax.make_mesh((jax.local_device_count(),), ("lanes",), devices=jax.local_devices())
        apart, whole = PartitionSpec("lanes"), PartitionSpec()
        specs = (apart,) * (len(args) - shared) + (whole,) * shared
        return jax.shard_map(over_lanes, mesh=mesh, in_specs=specs, out_specs=apart, check_vma=False)(*args)

    return jax.jit(over_devices)
