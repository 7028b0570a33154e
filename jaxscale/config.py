"""Configuration files: what a fit or a plan is made of, checked before anything is read or computed.

The command line goes through the same models, so that an option and a key of a file mean the same and fail with
the same words.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from jaxscale.amounts import Amount, AmountOrName, Ends, TokensOrAuto, Whole
from jaxscale.errors import ConfigError
from jaxscale.names import nearest

if TYPE_CHECKING:
    from jaxscale.fits import Fits
    from jaxscale.law import Law
    from jaxscale.result import Fit
    from jaxscale.runs import Runs

MAPPINGS = (
    "columns",
    "units",
    "exclude",
    "priors",
    "at",
    "limits",
    "multiple_of",
    "schedule",
)  # where an option adds to the file instead of replacing it
OPTIONS = {
    "limits": "--limit",
    "columns": "--column",
    "units": "--unit",
    "priors": "--prior",
    "table": "TABLE",
    "fit": "FIT",
}


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LogNormal(_Checked):
    """A log-normal prior of a parameter's coordinate: its median, and the sd of its logarithm."""

    median: Annotated[Amount, Field(gt=0)]
    spread: Annotated[Amount, Field(gt=0)]


class FitFile(_Checked):
    """A fit: the table, what its columns mean, the law, and how to fit it.

    Attributes:
        table: path of a table, or the name of a public one (`jaxscale datasets`).
        law: name of a law, or path of a Python file that defines one.
        columns: a law's symbol or a canonical name -> column of the table.
        units: column -> the unit in which it stands.
        group: the column that tells families apart.
        where: query for the rows that the question is about.
        exclude: query -> reason, for rows to take out and keep on record.
        min_tokens: runs that saw fewer are taken out too; "auto" looks for a cut (`jaxscale.without_early`).
        noise: observation model; the response's own unless given.
        method: "auto", "hmc", "nuts", "importance", "point" or "bootstrap".
        priors: parameter -> a number that fixes it, or {median, spread} of its coordinate.
        seed: of every random draw.
        draws: posterior draws to keep, or resamples of a bootstrap.
        output: file in which to save the fit.
    """

    table: str | None = None
    law: str = "chinchilla"
    columns: dict[str, str] = {}
    units: dict[str, str] = {}
    group: str | None = None
    where: str | None = None
    exclude: dict[str, str] = {}
    min_tokens: TokensOrAuto | None = None
    noise: str | None = None
    method: str = "auto"
    priors: dict[str, Amount | LogNormal] = {}
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0
    draws: Annotated[Whole, Field(ge=100)] = 4000
    output: str | None = None

    def read(self, laws: Sequence[Law] | None = None) -> Runs:
        """The table as Runs.

        Args:
            laws: that look for a cut where min_tokens is "auto"; the law that is fitted unless given.

        Raises:
            ConfigError: no table was named, or an option asks for what the table does not have.
            DataError: the table cannot be read.
        """
        if self.table is None:
            raise ConfigError("Name a table: a path such as runs.csv, or a dataset that `jaxscale datasets` lists.")
        asked = {"columns": self.columns, "units": self.units, "exclude": self.exclude}
        asked |= {"group": self.group, "where": self.where}
        runs = open_table(self.table, {k: v for k, v in asked.items() if v})
        return runs if self.min_tokens is None else self._without_early(runs, laws)

    def _without_early(self, runs: Runs, laws: Sequence[Law] | None) -> Runs:
        from jaxscale.law import get_law
        from jaxscale.trust.early import below, without_early

        if self.min_tokens is not None and self.min_tokens != "auto":
            return below(runs, float(self.min_tokens), "")
        if self.group is not None:
            raise ConfigError("min_tokens: auto looks at one table, and this one has groups. Fix: give a number.")
        if laws is None:
            law = get_law(self.law)
            laws = [law.with_priors(self.prior_overrides(law)) if self.priors else law]
        return without_early(runs, laws, None if self.noise == "auto" else self.noise, self.seed)

    def run(self, progress: bool | None = None) -> Fit:
        """Read the table and fit the law to it; errors as of `jaxscale.fit`."""
        from jaxscale.api import fit
        from jaxscale.law import get_law

        law = get_law(self.law)  # a slip in its name is said before a table is downloaded
        return fit(
            self.read(),
            law=law,
            noise=self.noise,
            method=self.method,
            seed=self.seed,
            draws=self.draws,
            priors=self.prior_overrides(law),
            progress=progress,
        )

    def prior_overrides(self, law: Law) -> dict[str, Any]:
        """The priors as `jaxscale.fit` takes them.

        Raises:
            ConfigError: a log-normal prior was asked for a parameter between 0 and 1.
        """
        import numpyro.distributions as dist

        made: dict[str, Any] = {}
        for param, spec in self.priors.items():
            if isinstance(spec, LogNormal) and getattr(law.priors.get(param), "bijector", "") == "sigmoid":
                raise ConfigError(f"prior of {param}: it lies between 0 and 1, so expected a number, which fixes it")
            made[param] = dist.LogNormal(math.log(spec.median), spec.spread) if isinstance(spec, LogNormal) else spec
        return made


class BatchFile(FitFile):
    """Fits of many tables: a table whose column `group` tells them apart, and how the work is done.

    Attributes:
        method: as for a fit, without the bootstrap.
        output: folder for the results, which a rerun completes.
        keep: draws of each fit that are kept; 0 keeps none.
        executor: "local" or "ray".
        workers: shards computed at once.
        shard_size: tables of a shard, about.
    """

    keep: Annotated[Whole, Field(ge=0)] = 1000
    executor: str = "local"
    workers: Annotated[Whole, Field(ge=1)] | None = None
    shard_size: Annotated[Whole, Field(ge=1)] = 256

    def run_many(self, progress: bool | None = None) -> Fits:
        """Read the table and fit the law to each group; errors as of `jaxscale.fit_many`."""
        from jaxscale.api import fit_many
        from jaxscale.law import get_law

        law = get_law(self.law)
        if self.group is None:
            raise ConfigError("Say which column tells the tables apart: --by COLUMN, or `group: COLUMN` in the file.")
        return fit_many(
            self.read(),
            law=law,
            noise=self.noise,
            method=self.method,
            seed=self.seed,
            draws=self.draws,
            priors=self.prior_overrides(law),
            keep=self.keep,
            out=self.output,
            executor=self.executor,
            workers=self.workers,
            shard_size=self.shard_size,
            progress=progress,
        )


def _asked(budget: float | None, info: ValidationInfo) -> float | None:
    """A plan without a budget needs something else to go by."""
    if budget is None and not any(info.data.get(k) for k in ("at", "target", "schedule")):
        raise PydanticCustomError("missing", "a number above 0")
    return budget


class PlanFile(FitFile):
    """A plan: a saved fit or a table to fit first, and what may be spent. Keys mean what the arguments of
    `jaxscale.plan` mean.

    Attributes:
        fit: path of a saved fit, in place of `table` and what goes with it.
        preset: published coefficients of `law`, in place of a fit.
        at: symbol -> what is given and not chosen, or the symbol of another input.
        target: a response to reach.
        schedule: of the learning rate: peak, steps, warmup, final, shape.
        budget: FLOP; of training, or of training and serving where tokens are served. Needed unless one of the three
            above says what is asked.
        serve_tokens: tokens that the model will process after training.
        unique_tokens: training tokens at hand.
        cost: cost model.
        limits: symbol -> least and most.
        ratio: least and most tokens per parameter.
        shapes: sizes to choose among.
        multiple_of: symbol -> what its recommended value is a multiple of.
        choose: "loss", "regret" or "cvar".
        cvar_level: worst draws that cvar averages, as 1 less their share.
    """

    fit: str | None = None
    preset: str | None = None
    at: dict[str, AmountOrName] = {}
    target: Amount | None = None
    schedule: dict[str, AmountOrName] = {}
    budget: Annotated[Annotated[Amount, Field(gt=0)] | None, AfterValidator(_asked), Field(validate_default=True)] = (
        None
    )
    serve_tokens: Annotated[Amount, Field(ge=0)] = 0.0
    unique_tokens: Annotated[Amount, Field(gt=0)] | None = None
    cost: str = "6nd"
    limits: dict[str, Ends] = {}
    ratio: Ends | None = None
    shapes: list[Amount] = []
    multiple_of: dict[str, Annotated[Amount, Field(gt=0)]] = {}
    choose: str = "loss"
    cvar_level: Annotated[Amount, Field(gt=0, lt=1)] = 0.9

    def question(self) -> dict[str, Any]:
        """Arguments of `jaxscale.plan` after the fit."""
        keys = ("at", "target", "schedule", "budget", "serve_tokens", "unique_tokens", "cost", "limits", "ratio",
                "shapes", "multiple_of", "choose", "cvar_level")  # fmt: skip
        asked = {k: getattr(self, k) for k in keys}
        return {k: None if v in ({}, []) else v for k, v in asked.items()}


def settle[Kind: _Checked](kind: type[Kind], path: str | os.PathLike[str] | None, options: Mapping[str, Any]) -> Kind:
    """A file's settings with the options of the command line over them.

    Args:
        kind: FitFile or PlanFile.
        path: a YAML file, or None.
        options: key -> value; None where the option was not given.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value is not what it must be.
    """
    values = {} if path is None else _load(Path(path), kind)
    given = {k: v for k, v in options.items() if v is not None}
    for key, value in given.items():
        together = key in MAPPINGS and isinstance(values.get(key), dict)
        values[key] = {**values[key], **value} if together else value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError("\n".join(_sentence(e, kind, path, given) for e in error.errors())) from None


def is_path(table: str) -> bool:
    """Whether a table's name can only be a path: it has a folder, or the ending of a table's file."""
    from jaxscale.readers import READERS

    return os.sep in table or "/" in table or any(ending in table.lower() for ending in READERS)


def open_table(table: str, options: Mapping[str, Any]) -> Runs:
    """A table by path or, where no file has that name, by the name of a public dataset.

    Args:
        table: path or name.
        options: as for `read_runs`.
    """
    from jaxscale import datasets
    from jaxscale.readers import read_runs

    if Path(table).exists() or is_path(table):
        return read_runs(table, **options)
    try:
        return datasets.load(table, **options)
    except ConfigError as error:
        if "no dataset is called" not in str(error):
            raise
        raise ConfigError(f"there is no file {table!r}, and {error}") from None


class _Once(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error: one of its values would be lost unseen."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
            seen.add(str(key))
        return super().construct_mapping(node, deep)


def _load(path: Path, kind: type[BaseModel]) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Once)
    except OSError as error:
        raise ConfigError(f"{path}: cannot read this configuration file ({error.strerror})") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(f"{path}: not a YAML file; got {said}; expected lines such as `law: chinchilla`") from None
    if not isinstance(values, dict):
        got = "nothing" if values is None else f"a {type(values).__name__}"
        keys = ", ".join(kind.model_fields)
        raise ConfigError(f"{path}: got {got}; expected lines of `key: value`, with keys among {keys}")
    return values


def _sentence(error: Any, kind: type[BaseModel], path: Any, given: Mapping[str, Any]) -> str:
    """File or option, key, got, expected, and for an unknown key what was probably meant."""
    place = [str(p) for p in error["loc"] if not str(p).startswith(("LogNormal", "function-before"))]
    key = place[0] if place else ""
    option = OPTIONS.get(key, "--" + key.replace("_", "-"))
    where = f"option {option}" if key in given or path is None else f"{path}: key {'.'.join(place)!r}"
    if error["type"] == "extra_forbidden":
        known = [*LogNormal.model_fields] if len(place) > 1 else [*kind.model_fields]
        near = nearest(place[-1], known)
        hint = f"did you mean {near!r}? " if near else ""
        return f"{where}: no such key; {hint}Keys are {', '.join(known)}."
    if error["type"] == "missing":
        return f"{where}: missing; {'give ' + option if path is None else 'add it, or give ' + option}."
    expected = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{where}: got {error['input']!r}; expected {expected}"
