"""The engine's door: float64 inside, and compiled programs kept on disk between sessions."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator

import jax
import platformdirs


@contextlib.contextmanager
def float64() -> Iterator[None]:
    """Run JAX in float64 inside the block, whatever the caller's mode, and leave that mode alone."""
    with jax.enable_x64(True):
        yield


def at_the_door[**P, R](function: Callable[P, R]) -> Callable[P, R]:
    """Decorate a verb of the API: float64 and the persistent compile cache while it runs."""

    @functools.wraps(function)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        keep_compiled_programs()
        with float64():
            return function(*args, **kwargs)

    return inside


@functools.cache
def keep_compiled_programs() -> None:
    """Turn on JAX's persistent compile cache, unless the user has set one up or said no.

    `JAXSCALE_CACHE` names another folder; `JAXSCALE_CACHE=off` keeps nothing.
    """
    folder = os.environ.get("JAXSCALE_CACHE") or os.path.join(platformdirs.user_cache_dir("jaxscale"), "xla")
    if folder == "off" or jax.config.jax_compilation_cache_dir:  # pyright: ignore[reportAttributeAccessIssue]
        return
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
