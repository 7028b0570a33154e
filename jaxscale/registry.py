"""The laws that are known by name: the package's, installed plug-ins' and users' own."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import threading
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from jaxscale.errors import LawError

if TYPE_CHECKING:
    from jaxscale.law import Law

_LAWS: dict[str, Law] = {}
Make = Callable[[int], "Law"]


def register(made: Law) -> Law:
    """Keep a law under its name.

    Raises:
        LawError: another file's law has that name.
    """
    known = _LAWS.get(made.name)
    if known is not None and known.file != made.file:
        raise LawError(f"two laws are called {made.name!r}: {known.file} and {made.file}")
    _LAWS[made.name] = made
    return made


def is_registered(name: str) -> bool:
    """Whether a law of that name has been made in this process."""
    return name in _LAWS


_FAMILIES: dict[str, tuple[str, Make]] = {}


def family(size: str, usual: int) -> Callable[[Make], Make]:
    """Laws of one shape and several sizes: `bnsl` with its usual number of breaks, `bnsl:2` with two.

    Args:
        size: what is counted, for people.
        usual: the member that stands under the bare name and is listed.
    """

    def keep(make: Make) -> Make:
        _FAMILIES[make.__name__] = (size, make)
        make(usual)
        return make

    return keep


def _member(name: str) -> Law | None:
    """A law of a family, by a name such as "bnsl:2"."""
    base, _, count = name.partition(":")
    if base not in _FAMILIES or not count:
        return None
    size, make = _FAMILIES[base]
    if not count.isdecimal() or int(count) < 1:
        raise LawError(f"{name!r}: behind the colon stands the number of {size}, as in {base + ':2'!r}")
    return _LAWS.get(name) or make(int(count))


_searched: list[str] = []
_searching = threading.RLock()


def _registry() -> dict[str, Law]:
    """Every law of the package and of installed plug-ins (entry-point group `jaxscale.laws`)."""
    with _searching:  # a second thread must not see half of them
        if not _searched:
            _searched.append("laws")
            package = importlib.import_module("jaxscale.laws")
            for module in pkgutil.iter_modules(package.__path__):
                importlib.import_module(f"jaxscale.laws.{module.name}")
            for plugin in entry_points(group="jaxscale.laws"):
                plugin.load()
    return _LAWS


def list_laws() -> list[Law]:
    """All registered laws, by name; of a family the usual size."""
    return [found for name, found in sorted(_registry().items()) if ":" not in name]


def get_law(law: str | Path | Law) -> Law:
    """A law by name, alias or path of a Python file that defines one; a Law passes through.

    Raises:
        LawError: nothing has that name (with near misses), or the file defines no law or several.
    """
    if not isinstance(law, str | Path):
        return law
    if str(law).endswith(".py"):
        return _from_file(Path(law))
    laws = _registry()
    by_name = laws | {alias: found for found in laws.values() for alias in found.aliases}
    if (name := str(law)) in by_name:
        return by_name[name]
    if (member := _member(str(law))) is not None:
        return member
    near = difflib.get_close_matches(str(law), by_name, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`jaxscale laws` lists them."
    raise LawError(f"no law is called {law!r}; {hint}")


def _from_file(path: Path) -> Law:
    if not path.is_file():
        raise LawError(f"there is no file {path}; --law takes a law's name or a Python file that defines one")
    before = dict(_registry())
    spec = importlib.util.spec_from_file_location(f"jaxscale_user_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    except LawError:
        raise
    except Exception as error:
        raise LawError(f"{path} does not run: {type(error).__name__}: {error}") from error
    made = [found for name, found in _LAWS.items() if before.get(name) is not found]
    if len(made) != 1:
        raise LawError(f"{path} defines {len(made)} laws ({', '.join(m.name for m in made)}); expected one")
    _ = made[0].source_hash  # of the text that was run, should the file change later
    return made[0]
