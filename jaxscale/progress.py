"""One line on stderr that says what is being done, for anything that may take over two seconds."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def telling(show: bool | None = None) -> Iterator[Callable[[str], None]]:
    """A function that shows a sentence beside a spinner; by default only where stderr is a terminal."""
    if not (sys.stderr.isatty() if show is None else show):
        yield lambda _: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield status.update
