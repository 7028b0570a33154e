"""The compiled programs of a model, each mapped over a fixed number of lanes on one device.

The number of lanes is fixed because XLA's digits depend on it: a job of any size goes through in chunks
of that many, the last one padded with repeats, so that a fit's result does not depend on its neighbours.
They depend on a partitioned program's number of devices too, so several devices each run this one.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane, lanes_at_once
from jaxscale.infer import collapsed, hmc, importance, mixture, moves
from jaxscale.infer.point import find_point, finish_point
from jaxscale.model import Model
from jaxscale.runtime import compiler_options, emptied_for_room


class Programs:
    """One attribute a program; all arguments but the last `shared` ones have a leading lane axis."""

    def __init__(self, model: Model):
        part = functools.partial
        self.model = model
        self.split = _Program(lambda key, salt: jax.random.fold_in(jax.random.wrap_key_data(key), salt), shared=1)
        self.fold = _Program(jax.random.fold_in, shared=1)
        self.point = _Program(part(find_point, model))
        self.finish = _Program(part(finish_point, model))
        self.importance = _Program(part(importance.importance, model))
        self.importance_many = _Program(part(importance.importance_many, model))
        self.collapsed = _Program(part(collapsed.collapsed, model))
        self.mixture = _Program(part(mixture.mixture, model))
        self.fitted = _Program(mixture.fitted)
        self.moves = _Program(part(moves.run_block, model))
        self.resample = _Program(part(importance.resample, count=hmc.CHAINS))
        self.begin = _Program(hmc.begin)
        self.block = _Program(part(hmc.run_block, model), shared=3, level=3)
        self.spread = _Program(lambda u: jnp.std(jax.vmap(model.apart)(u), axis=0))
        # of a single lane, over its draws
        self.likelihood = jax.jit(jax.vmap(model.log_likelihood, in_axes=(0, None)))
        self.likelihood_of = jax.jit(
            jax.vmap(lambda u, lane, y: model.log_likelihood(u, lane | {"y": y}), in_axes=(0, None, 0))
        )
        self.new_runs = jax.jit(jax.vmap(model.new_runs, in_axes=(0, None, 0)))

    def compiled(self) -> dict[str, int]:
        """How often each program was compiled in this process: once a bucket of rows."""
        found = {name: f.compiled() for name, f in vars(self).items() if isinstance(f, _Program)}
        return {name: count for name, count in found.items() if count}


_making = threading.Lock()
made = emptied_for_room(functools.lru_cache(maxsize=64)(lambda model: Programs(model)))


def programs(model: Model) -> Programs:
    """The programs of a model, compiled when they are first called; one set for all threads, who would compile each."""
    with _making:
        return made(model)


def chunks(lanes: Lane, places: np.ndarray, most: int = 1) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Places of lanes, as many at a time as the programs take: (places, the same padded with repeats)."""
    at_once = lanes_at_once(lanes["w"].shape[-1], most)
    for first in range(0, len(places), at_once):
        some = places[first : first + at_once]
        yield some, np.resize(some, at_once)


def take(tree: Any, places: Any) -> Any:
    """Some lanes of every array."""
    return jax.tree.map(lambda a: a[places], tree)


class _Program:
    """A function mapped over lanes, compiled once a shape.

    A thread that meets a new shape compiles alone: two at once would each compile it.
    """

    def __init__(self, function: Callable[..., Any], shared: int = 0, level: int = 2):
        self._function, self._shared = function, shared
        self._jitted = jax.jit(self._over_lanes, compiler_options=compiler_options(level))
        self._compiling, self._known = threading.Lock(), set()

    def __call__(self, *args: Any) -> Any:
        shapes = tuple(getattr(leaf, "shape", ()) for leaf in jax.tree.leaves(args))
        if shapes in self._known:
            return self._jitted(*args)
        with self._compiling:
            found = self._jitted(*args)
            self._known.add(shapes)
        return found

    def compiled(self) -> int:
        """How often XLA was asked to compile it."""
        return self._jitted._cache_size()  # pyright: ignore[reportAttributeAccessIssue]

    def _over_lanes(self, *args: Any) -> Any:
        axes = (0,) * (len(args) - self._shared) + (None,) * self._shared
        return jax.vmap(self._function, in_axes=axes)(*args)
