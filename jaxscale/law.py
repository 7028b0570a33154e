"""What a law is: a plain JAX function with inputs, a response, priors and a source; and the registry.

    @law(inputs={"N": PARAMS}, response=LOSS, priors={"E": floor(), ...}, source=Paper(...))
    def my_law(N, *, E, ...):
        \"\"\"L(N) = E + ...\"\"\"
        return E + ...

Positional arguments are inputs, keyword-only ones are parameters. See docs/add_a_law.md.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.core import Tracer

from jaxscale.errors import LawError
from jaxscale.positive import log
from jaxscale.priors import Prior, as_prior, between, exponent, floor, positive, relative, share, term
from jaxscale.runtime import float64
from jaxscale.variables import (
    COMPUTE,
    EXAMPLES,
    FLOPS,
    LOSS,
    PARAMS,
    SAMPLES,
    SCORE,
    SOLVED,
    STREAMS,
    TOKENS,
    TOKENS_PER_PARAM,
    Response,
    Variable,
)  # fmt: skip

__all__ = [  # the words a law file is written with
    "COMPUTE", "EXAMPLES", "FLOPS", "LOSS", "PARAMS", "SAMPLES", "SCORE", "SOLVED", "STREAMS", "TOKENS",
    "TOKENS_PER_PARAM", "Law", "Ours", "Paper", "Preset", "Response", "Variable", "between", "exponent", "floor",
    "get_law", "law", "list_laws", "log", "positive", "preset", "relative", "share", "term",
]  # fmt: skip


@dataclass(frozen=True)
class Paper:
    """Where a law was published; `where` names the equation or section."""

    title: str
    arxiv: str = ""
    where: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.title, self.arxiv and f"arXiv {self.arxiv}", self.where)))


@dataclass(frozen=True)
class Ours:
    """A form that is not a paper's but ours."""

    inspired_by: str

    def __str__(self) -> str:
        return f"jaxscale's own form, inspired by {self.inspired_by}"


class Preset(dict[str, float]):
    """Published coefficients. `certainty`: "verified", "recomputed", "secondary" or "memory"."""

    def __init__(self, values: Mapping[str, float], certainty: str = "verified", note: str = ""):
        super().__init__(values)
        self.certainty = certainty
        self.note = note


def preset(certainty: str = "verified", note: str = "", **values: float) -> Preset:
    """Published coefficients with how sure they are and what to know about them."""
    return Preset(values, certainty, note)


@dataclass(frozen=True, eq=False)
class Law:
    """A scaling law. Calling it evaluates the formula in float64.

    Attributes:
        name: the function's name.
        inputs: symbol -> Variable, in the order of the positional arguments.
        response: what it predicts.
        priors: parameter -> Prior, or a number where the parameter is fixed.
        linear: parameters whose coordinates the mean is linear in.
        source: a Paper, or Ours.
        published: name -> Preset.
        decides: what can be chosen with it ("N, D"), empty where there is nothing to choose.
        formula: the first line of the docstring.
    """

    mean: Callable[..., Any]
    name: str
    inputs: Mapping[str, Variable]
    response: Response
    priors: Mapping[str, Prior | float]
    linear: tuple[str, ...]
    source: Paper | Ours
    published: Mapping[str, Preset]
    decides: str
    aliases: tuple[str, ...]
    topic: str
    formula: str
    params: tuple[str, ...]
    file: str = field(default="", repr=False)

    @cached_property
    def _compiled(self) -> Callable[..., Any]:
        return jax.jit(self.mean)

    def __call__(self, *inputs: Any, **params: Any) -> Any:
        """The law's mean at these inputs, in float64 NumPy (traced values stay JAX's); arrays broadcast."""
        with float64():
            value = self._compiled(*map(_double, inputs), **{k: _double(v) for k, v in params.items()})
        # a float64 JAX array outside x64 mode loses its digits in the caller's next operation
        return value if isinstance(value, Tracer) else np.asarray(value)[()]

    def __repr__(self) -> str:
        return f"Law({self.name}: {self.formula})"

    def __reduce__(self) -> Any:
        return _unpickled, (self.name, self.file, dict(self.priors))

    @cached_property
    def free(self) -> tuple[str, ...]:
        """Parameters that have a prior, the others being fixed."""
        return tuple(p for p in self.params if isinstance(self.priors[p], Prior))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Parameters in an order in which each follows from its coordinate and those before it."""
        done: list[str] = []
        while len(done) < len(self.params):
            ready = [p for p in self.params if p not in done and _needs(self.priors[p]) <= set(done)]
            if not ready:
                raise LawError(
                    f"law {self.name!r}: the priors of {sorted(set(self.params) - set(done))} need each other"
                )
            done += ready
        return tuple(done)

    def by_column(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Inputs by symbol -> by canonical column."""
        return {v.column: inputs[s] for s, v in self.inputs.items()}

    @cached_property
    def source_hash(self) -> str:
        """sha256 of the file that defines the law: saved fits carry it."""
        path = Path(self.file)
        text = path.read_bytes() if path.is_file() else inspect.getsource(self.mean).encode()
        return hashlib.sha256(text).hexdigest()

    def with_priors(self, overrides: Mapping[str, Any]) -> Law:
        """This law with other priors: a distribution on the coordinate, a Prior, or a number that fixes it."""
        new = dict(self.priors)
        for name, spec in overrides.items():
            if name not in new:
                raise LawError(f"law {self.name!r} has no parameter {name!r}; it has {', '.join(self.params)}")
            old = new[name]
            is_dist = hasattr(spec, "log_prob") and isinstance(old, Prior)
            new[name] = old.with_dist(spec) if is_dist and isinstance(old, Prior) else as_prior(spec, name)
        return dataclasses.replace(self, priors=new)


def _needs(prior: Prior | float) -> frozenset[str]:
    return prior.needs if isinstance(prior, Prior) else frozenset()


def _double(value: Any) -> Any:
    return value if isinstance(value, Tracer) else np.asarray(value, dtype=np.float64)


def _unpickled(name: str, file: str, priors: Mapping[str, Prior | float]) -> Law:
    """A registered law, or in a new process that of the user's file; with the priors it had."""
    ours = Path(__file__).parent in Path(file).parents
    found = get_law(name) if ours or name in _LAWS else get_law(file)
    return dataclasses.replace(found, priors=priors)


_LAWS: dict[str, Law] = {}


def law(
    *,
    inputs: Mapping[str, Variable],
    response: Response,
    priors: Mapping[str, Any],
    source: Paper | Ours,
    linear: Sequence[str] = (),
    published: Mapping[str, Mapping[str, float]] | None = None,
    decides: str = "",
    aliases: Sequence[str] = (),
    topic: str = "training",
) -> Callable[[Callable[..., Any]], Law]:
    """Make a law of a formula and register it under the function's name. See `Law` for the arguments."""

    def register(mean: Callable[..., Any]) -> Law:
        name = mean.__name__
        params = _check_signature(mean, inputs, priors)
        presets = {k: v if isinstance(v, Preset) else Preset(v) for k, v in (published or {}).items()}
        for key, values in presets.items():
            if stray := set(values) - set(params):
                raise LawError(f"law {name!r}: preset {key!r} sets {sorted(stray)}, which it does not have")
        if stray := set(linear) - set(params):
            raise LawError(f"law {name!r}: linear names {sorted(stray)}, which it does not have")
        formula = (inspect.getdoc(mean) or "").strip().split("\n", 1)[0]
        if not formula:
            raise LawError(f"law {name!r} needs a docstring whose first line is its formula")
        made = Law(
            mean=mean,
            name=name,
            inputs=dict(inputs),
            response=response,
            priors={p: as_prior(priors[p], p) for p in params},
            linear=tuple(linear),
            source=source,
            published=presets,
            decides=decides,
            aliases=tuple(aliases),
            topic=topic,
            formula=formula,
            params=params,
            file=inspect.getsourcefile(mean) or "",
        )
        known = _LAWS.get(name)
        if known is not None and known.file != made.file:
            raise LawError(f"two laws are called {name!r}: {known.file} and {made.file}")
        assert made.order  # raises where priors need each other
        _LAWS[name] = made
        return made

    return register


def _check_signature(mean: Callable[..., Any], inputs: Mapping[str, Any], priors: Mapping[str, Any]) -> tuple[str, ...]:
    signature = inspect.signature(mean).parameters.values()
    positional = [p.name for p in signature if p.kind is not p.KEYWORD_ONLY]
    params = tuple(p.name for p in signature if p.kind is p.KEYWORD_ONLY)
    if positional != list(inputs):
        raise LawError(f"law {mean.__name__!r}: positional arguments {positional} are not its inputs {list(inputs)}")
    if set(params) != set(priors):
        raise LawError(
            f"law {mean.__name__!r}: keyword-only arguments {list(params)} are not the names of its priors "
            f"{list(priors)}"
        )
    return params


_searched: list[str] = []


def _registry() -> dict[str, Law]:
    """Every law of the package and of installed plug-ins (entry-point group `jaxscale.laws`)."""
    if not _searched:
        _searched.append("laws")
        package = importlib.import_module("jaxscale.laws")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"jaxscale.laws.{module.name}")
        for plugin in entry_points(group="jaxscale.laws"):
            plugin.load()
    return _LAWS


def list_laws() -> list[Law]:
    """All registered laws, by name."""
    return [found for _, found in sorted(_registry().items())]


def get_law(law: str | Law) -> Law:
    """A law by name, alias or path of a Python file that defines one; a Law passes through.

    Raises:
        LawError: nothing has that name (with near misses), or the file defines no law or several.
    """
    if isinstance(law, Law):
        return law
    if str(law).endswith(".py"):
        return _from_file(Path(law))
    laws = _registry()
    by_name = laws | {alias: found for found in laws.values() for alias in found.aliases}
    if law in by_name:
        return by_name[law]
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
