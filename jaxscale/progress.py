"""One line on stderr that says what is being done, for anything that may take over two seconds."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any


@contextlib.contextmanager
def telling(show: bool | None = None) -> Iterator[Callable[[str], None]]:
    """A function that shows a sentence beside a spinner; by default only where stderr is a terminal."""
    if not _wanted(show):
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield status.update


class Count:
    """Tables finished so far; silent by itself."""

    def begin(self, total: int, standing: int) -> None:
        """Of `total` tables, `standing` were finished before."""

    def add(self, shard: Mapping[str, list[Any]]) -> None:
        """A finished shard: its tables' `ok` and `method`."""


class _Shown(Count):
    """A bar with tables a second, the time left and the share of each stage."""

    def __init__(self, bar: Any):
        self.bar, self.task = bar, bar.add_task("reading the tables", total=None, stages="", rate="")
        self.stages: Counter[str] = Counter()

    def begin(self, total: int, standing: int) -> None:
        self.bar.reset(self.task, total=total, completed=standing, description="fitting")

    def add(self, shard: Mapping[str, list[Any]]) -> None:
        self.stages.update(m if ok else "refused" for ok, m in zip(shard["ok"], shard["method"], strict=True))
        done = self.stages.total()
        shares = ", ".join(f"{name} {100 * n / done:.0f} %" for name, n in self.stages.most_common())
        self.bar.advance(self.task, len(shard["ok"]))
        speed = self.bar.tasks[0].speed
        rate = f"{speed:.0f} tables/s" if speed else ""
        self.bar.update(self.task, stages=shares, rate=rate)


@contextlib.contextmanager
def counting(show: bool | None = None) -> Iterator[Count]:
    """Progress over many tables; by default shown only where stderr is a terminal."""
    if not _wanted(show):
        yield Count()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(), TextColumn("{task.fields[stages]}"),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=600) as bar:
        yield _Shown(bar)


def _wanted(show: bool | None) -> bool:
    return sys.stderr.isatty() if show is None else show
