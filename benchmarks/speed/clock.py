"""CPU seconds of this process, its threads and the processes that it started and saw end; for both environments."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass, field


def cpu_seconds() -> float:
    """Of this process with all its threads, and of children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


@dataclass
class Clock:
    """Starts when made; `read` gives what has passed since."""

    cpu: float = field(default_factory=cpu_seconds)
    wall: float = field(default_factory=time.perf_counter)

    def read(self, prefix: str = "") -> dict[str, float]:
        """{"cpu_s": ..., "wall_s": ...}, with a prefix before the names."""
        return {f"{prefix}cpu_s": cpu_seconds() - self.cpu, f"{prefix}wall_s": time.perf_counter() - self.wall}
