"""The engine's door: float64 inside, compiled programs kept on disk between sessions, and not too many in memory."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import platformdirs

MOST_MAPS = 0.5  # of the memory maps that Linux gives a process, each compiled program taking a dozen
MAPS, MOST = Path("/proc/self/maps"), Path("/proc/sys/vm/max_map_count")
LOOK_EVERY = 20  # programs
PACKAGES = ("jaxscale", "jax", "jaxlib", "numpy", "numpyro", "scipy")  # that digits depend on
PROCESSOR = Path("/proc/cpuinfo")
_lock = threading.Lock()
_open_doors = 0
_compiled = 0  # since somebody last looked
_caches: list[Callable[[], None]] = []


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
        with _door(), float64():
            return function(*args, **kwargs)

    return inside


@contextlib.contextmanager
def _door() -> Iterator[None]:
    """Count who is inside; whoever comes first makes room."""
    global _open_doors
    with _lock:
        if not _open_doors:
            make_room()
        _open_doors += 1
    try:
        yield
    finally:
        with _lock:
            _open_doors -= 1


def cores() -> int:
    """Threads that a job of this process is worth: its cores, or two for each accelerator."""
    if jax.local_devices()[0].platform != "cpu":
        return 2 * jax.local_device_count()
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each[T, R](function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """The function of each item, in their order, as many at a time as there are `cores`.

    XLA runs small programs in the thread that calls them. In float64 and on the caller's device, of which a new thread
    knows nothing.
    """
    device = jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]

    def inside(item: T) -> R:
        with float64(), jax.default_device(device):
            return function(item)

    with ThreadPoolExecutor(max(1, min(cores(), len(items)))) as pool:
        try:
            return list(pool.map(inside, items))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def emptied_for_room[F: Any](cached: F) -> F:
    """Decorate a functools cache that holds compiled programs."""
    _caches.append(cached.cache_clear)
    return cached


def make_room() -> bool:
    """Forget compiled programs when there are so many that the next could not be loaded; whether it did.

    XLA aborts the process when Linux has no memory map left for it: some fifty laws with all their programs. The
    programs come back from the compile cache on disk when they are needed again. Call it while nothing is running.
    """
    global _compiled
    if _compiled < LOOK_EVERY:
        return False
    _compiled = 0
    if not MAPS.is_file() or MAPS.read_bytes().count(b"\n") < MOST_MAPS * int(MOST.read_text()):
        return False
    for clear in _caches:
        clear()
    jax.clear_caches()
    return True


def _count(event: str, duration_secs: float, **_: Any) -> None:
    global _compiled
    _compiled += event == "/jax/core/compile/backend_compile_duration"


jax.monitoring.register_event_duration_secs_listener(_count)


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


@functools.cache
def compiler_options(level: int = 2) -> dict[str, str | int]:
    """How XLA compiles the programs of a batch, as `jax.jit` takes it; nothing where this XLA does not know it.

    On a CPU its sums go through a library whose calls cost more than sums over the rows of a table: without it whole
    gradients cost two thirds. LLVM's third level compiles half as long again as its second, and of our programs only
    chains led by gradients run faster for it.
    """
    sums = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}
    options = sums | {"xla_backend_optimization_level": level}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda: 0.0, compiler_options=options)()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def compiled[R](static: tuple[int, ...] = (), level: int = 2) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Decorate a function of arrays: `jax.jit` with `compiler_options`, which are asked for when it is first called."""

    def decorate(function: Callable[..., R]) -> Callable[..., R]:
        @functools.cache
        def program() -> Any:
            return jax.jit(function, static_argnums=static, compiler_options=compiler_options(level))

        return functools.wraps(function)(lambda *args: program()(*args))

    return decorate


@functools.cache
def versions() -> dict[str, str]:
    """What a result's digits depend on beside data, settings and seed: packages, Python, and the kind of processor."""
    lines = PROCESSOR.read_text().splitlines() if PROCESSOR.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    about = {"python": platform.python_version(), "processor": model or platform.machine()}
    return {name: version(name) for name in PACKAGES} | about
