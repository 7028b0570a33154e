"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxscale.errors import ConfigError
from jaxscale.terminal.console import pairs
from jaxscale.words import number

if TYPE_CHECKING:
    from jaxscale.config import FitFile
    from jaxscale.result import Fit

SAVED = ".nc"
PICTURES = (".svg", ".png", ".pdf")

Json = Annotated[bool, typer.Option("--json", help="Print exactly one JSON document.")]
Output = Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Where to write the result.")]
Plot = Annotated[str | None, typer.Option("--plot", metavar="FILE", help="Draw a picture: .svg, .png or .pdf.")]
Law = Annotated[
    str | None, typer.Option(help="Law's name, or a Python file that defines one.", show_default="chinchilla")
]


def amount(text: str) -> float:
    """A number of an option, such as 7e10, 70B or 1.4T."""
    try:
        return number(text)
    except ValueError as error:
        raise typer.BadParameter(f"expected {error}") from None


def above_zero(text: str) -> float:
    """A positive number of an option."""
    value = amount(text)
    if value <= 0:
        raise typer.BadParameter(f"expected a number above 0; got {text!r}")
    return value


Table = Annotated[
    str | None, typer.Argument(metavar="TABLE", help="A table (.csv, .tsv, .jsonl, .parquet) or a dataset's name.")
]
FitOrTable = Annotated[
    str | None, typer.Argument(metavar="FIT|TABLE", help="A saved fit (.nc), or a table to fit first.")
]
Budget = Annotated[float | None, typer.Option(parser=above_zero, metavar="FLOP", help="Compute to plan for, in FLOP.")]

# What says how a table is read: for every command that takes one.
READING: dict[str, Any] = {
    "column": Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=COLUMN", help="What a column means: N=params_no_embed.")
    ],
    "unit": Annotated[list[str] | None, typer.Option(metavar="COLUMN=UNIT", help="Unit of a column: params=B.")],
    "group": Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that tells families apart.")],
    "where": Annotated[str | None, typer.Option(metavar="QUERY", help="Rows to use: \"corpus == 'pile'\".")],
    "exclude": Annotated[
        list[str] | None, typer.Option(metavar="QUERY", help='Rows to take out: "tokens < 1e9". Needs --reason.')
    ],
    "reason": Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Why, one for each --exclude.")],
    "min_tokens": Annotated[
        str | None,
        typer.Option(metavar="TOKENS|auto", help="Take out runs that saw fewer; auto: if forecasts gain by it."),
    ],
}
# What says how a law is fitted to it.
FITTING: dict[str, Any] = {
    "law": Law,
    "noise": Annotated[
        str | None,
        typer.Option(
            help="auto, student_t, normal, outliers, frontier, heteroscedastic, known_sd, checkpoints, binomial, "
            "beta_binomial, beta, least_squares or huber.",
            show_default="the response's own",
        ),
    ],
    "method": Annotated[
        str | None, typer.Option(help="auto, hmc, nuts, importance, point or bootstrap.", show_default="auto")
    ],
    "prior": Annotated[
        list[str] | None, typer.Option(metavar="PARAM=NUMBER", help="Fix a parameter: alpha=0.34. Others: --config.")
    ],
    "seed": Annotated[int | None, typer.Option(help="Of every random draw.", show_default="0")],
    "draws": Annotated[int | None, typer.Option(help="Posterior draws to keep.", show_default="4000")],
    "config": Annotated[
        str | None, typer.Option("--config", metavar="FILE", help="YAML file of settings; options override it.")
    ],
}


def takes(shared: Mapping[str, Any]) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Give a command shared options: they arrive in its argument `options`, by name, None where not given."""

    def decorate(command: Callable[..., int]) -> Callable[..., int]:
        @functools.wraps(command)
        def run(**given: Any) -> int:
            return command(options={name: given.pop(name) for name in shared}, **given)

        keyword = inspect.Parameter.KEYWORD_ONLY
        own = inspect.signature(command, eval_str=True).parameters.values()
        parameters = [p.replace(kind=keyword) for p in own if p.name != "options"]
        parameters += [inspect.Parameter(name, keyword, default=None, annotation=a) for name, a in shared.items()]
        annotations = {p.name: p.annotation for p in parameters}
        run.__dict__["__signature__"], run.__annotations__ = inspect.Signature(parameters), annotations
        return run

    return decorate


def settings[Kind: FitFile](kind: type[Kind], options: Mapping[str, Any], **more: Any) -> Kind:
    """Options, and those of the file that --config names, as one checked whole.

    Args:
        kind: FitFile or PlanFile of `jaxscale.config`.
        options: what `takes` collected.
        more: further keys of the file, from the command's own options.
    """
    from jaxscale.config import settle

    given = {k: options.get(k) for k in ("group", "where", "min_tokens", "law", "noise", "method", "seed", "draws")}
    given["columns"] = pairs("--column", options.get("column"), "N=params_no_embed")
    given["units"] = pairs("--unit", options.get("unit"), "params=B")
    priors = pairs("--prior", options.get("prior"), "alpha=0.34")
    given["priors"] = priors and {p: _prior(p, text) for p, text in priors.items()}
    queries, reasons = options.get("exclude") or [], options.get("reason") or []
    if len(queries) != len(reasons):
        raise ConfigError(
            f"each --exclude takes one --reason, which the output repeats; got {len(queries)} and {len(reasons)}. "
            "Write for example --exclude 'tokens < 1e9' --reason 'stopped early'."
        )
    given["exclude"] = dict(zip(queries, reasons, strict=True)) or None
    return settle(kind, options.get("config"), given | more)


def one_number(option: str, text: str) -> float:
    """A number, or a ConfigError that names the option."""
    try:
        return number(text)
    except ValueError as error:
        raise ConfigError(f"{option}: expected {error}") from None


def _prior(param: str, text: str) -> float:
    try:
        return number(text)
    except ValueError:
        raise ConfigError(
            f"--prior {param}={text}: expected a number, which fixes the parameter, such as --prior alpha=0.34. "
            "Other priors go into the file of --config: `priors: {alpha: {median: 0.35, spread: 0.2}}`."
        ) from None


def apart(source: str | None) -> tuple[str | None, str | None]:
    """FIT|TABLE -> (saved fit, table), one of them None."""
    return (source, None) if source is not None and source.lower().endswith(SAVED) else (None, source)


def fitted(settled: FitFile, saved: str | None = None) -> Fit:
    """A saved fit; or the fit that the settings describe, kept where they say so.

    Raises:
        ConfigError: there is a saved fit, and the settings say how to make another.
    """
    if saved is None:
        target = writable(settled.output, SAVED) if settled.output else None
        made = settled.run()
        if target is not None:
            made.save(target)
        return made
    from jaxscale.config import FitFile
    from jaxscale.result import load_fit

    if idle := [key for key in FitFile.model_fields if key in settled.model_fields_set]:
        keys = ", ".join(idle)
        raise ConfigError(f"{saved} is a fit already, so {keys} would change nothing; give the table to fit it anew")
    return load_fit(saved)


def grid(text: str) -> list[float]:
    """1e9, or 1e9,7e10, or 1e8:1e10:6 for six values at equal ratios.

    Raises:
        ValueError: none of these.
    """
    if ":" not in text:
        return [number(part) for part in text.split(",")]
    parts = text.split(":")
    if len(parts) != 3 or not parts[2].strip().isdigit() or int(parts[2]) < 2:
        raise ValueError(f"FIRST:LAST:HOW_MANY, such as 1e8:1e10:6; got {text!r}")
    low, high, steps = number(parts[0]), number(parts[1]), int(parts[2])
    if low <= 0 or high <= 0:
        raise ValueError(f"values above 0; got {text!r}")
    return [low * (high / low) ** (i / (steps - 1)) for i in range(steps)]


def numbers(option: str, items: Sequence[str] | None, example: str) -> dict[str, list[float]]:
    """The values of repeated SYMBOL=VALUES options."""
    found = {}
    for symbol, text in (pairs(option, items, example) or {}).items():
        try:
            found[symbol] = grid(text)
        except ValueError as error:
            raise ConfigError(f"{option} {symbol}={text}: expected {error}") from None
    return found


def writable(path: str, *endings: str, option: str = "--output") -> Path:
    """A path that can be written, found out before the work and not after it.

    Raises:
        ConfigError: its folder is not there, it is a folder, or has another ending.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {target.parent}; create it first")
    if target.is_dir():
        raise ConfigError(f"{option} {path}: this is a folder; name a file in it")
    if endings and target.suffix.lower() not in endings:
        raise ConfigError(f"{option} {path}: expected a name that ends in {' or '.join(endings)}, by which it is known")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise ConfigError(f"{option} {path}: you may not write there")
    return target
