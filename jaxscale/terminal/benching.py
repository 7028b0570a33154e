"""The command `bench`: a law's card."""

from __future__ import annotations

import json as document_of
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeGuard

import typer

from jaxscale.terminal.console import emit, jsonable, paragraphs, table
from jaxscale.terminal.exits import DONE, NO
from jaxscale.terminal.options import Json, writable
from jaxscale.words import plain

MOST_SAID = 10
CARD = {"law", "hold_out", "seed", "against", "tables", "given", "scores"}


def bench(
    law: Annotated[
        str | None, typer.Argument(metavar="LAW", help="A law's name, or a Python file that defines one.")
    ] = None,
    tables: Annotated[
        list[str] | None,
        typer.Option("--table", metavar="TABLE", help="A table or a dataset's name; repeat. Else what is at hand."),
    ] = None,
    against: Annotated[list[str] | None, typer.Option(metavar="LAW", help="A law to stand beside; repeat.")] = None,
    hold_out: Annotated[float, typer.Option(help="Share of the runs, the largest, to forecast.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    rerun: Annotated[
        str | None,
        typer.Option(metavar="CARD", help="A card to compute again, to the bit; with LAW where that is a file."),
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="FILE", help="Where the card goes.")] = None,
    json: Json = False,
) -> int:
    """Write a law's card: its contract, and its forecasts beside other laws.

    Of every table the largest runs are forecast from the smaller ones. The card holds what another person needs to
    compute it again; --rerun does, and the exit code is 1 where any number differs.
    """
    from jaxscale.config import FitFile
    from jaxscale.terminal.options import settings
    from jaxscale.trust.card import card, card_again, differences

    if law is None and rerun is None:
        raise typer.BadParameter("name a law, or a card with --rerun", param_hint="LAW")
    old = _read(rerun) if rerun is not None else None
    target = writable(output, ".json") if output else None
    if old is not None and not tables:
        tables = list(old["tables"]) if old["given"] else None
    named = {name: settings(FitFile, {}, table=name).read() for name in tables} if tables else None
    if old is not None:
        made = jsonable(card_again(old, law, named))
    else:
        assert law is not None
        made = jsonable(card(law, named, against, hold_out, seed))
    if target is not None:
        Path(target).write_text(document_of.dumps(made, indent=1) + "\n")
    unlike = [] if old is None else differences(old, made)
    said = None
    if old is not None:
        shown = [*unlike[:MOST_SAID], *([f"and {len(unlike) - MOST_SAID} more"] if len(unlike) > MOST_SAID else [])]
        said = "\n".join(["Not the same:", *(f"- {line}" for line in shown)]) if unlike else "The same to the bit."
    saved = f"The card is {target}" if target else None
    emit(json, made | {"differences": unlike} if old else made, paragraphs(card_text(made), said, saved))
    return NO if unlike else DONE


def card_text(made: Mapping[str, Any]) -> str:
    """A card, for people."""
    passed = f"{made['law']} keeps its contract: {len(made['contract'])} checks passed."
    parts = [passed]
    for name, about in made["tables"].items():
        rows = [_row(s) for s in made["scores"] if s["table"] == name]
        held = next(s["n_test"] for s in made["scores"] if s["table"] == name)
        shown = table(["law", "R2", "error", "CRPS", "inside 90 %", "width"], rows)
        parts += [f"{name}: {about['rows']} runs, the largest {held} forecast from the others", shown]
    if len(made["leaderboard"]) > 1:
        ranks = [(law, plain(rank, digits=3)) for law, rank in made["leaderboard"].items()]
        parts += ["Mean rank by CRPS", table(["law", "rank"], ranks)]
    parts.append(
        "The error is of the median forecast (root mean square of the logarithm), the width that of the 90 % interval "
        "of a new run over the median. R2 is against the mean of the held-out runs."
    )
    return paragraphs(*parts)


def _row(score: Mapping[str, Any]) -> list[str]:
    percent = lambda v: "" if v is None else f"{plain(100.0 * v, digits=3)} %"  # noqa: E731
    number = lambda v: "" if v is None else plain(v, digits=3)  # noqa: E731
    if score["crps"] is None:
        return [score["law"], "no forecast", "", "", "", ""]
    values = (number(score["r2"]), percent(score["log_rmse"]), number(score["crps"]))
    return [score["law"], *values, percent(score["coverage90"]), percent(score["width"])]


def is_card(found: Any) -> TypeGuard[dict[str, Any]]:
    """Whether a JSON document is a card."""
    return isinstance(found, dict) and found.keys() >= CARD


def _read(file: str) -> dict[str, Any]:
    """A card."""
    try:
        found = document_of.loads(Path(file).read_text())
    except (OSError, ValueError):
        found = None
    if not is_card(found):
        raise typer.BadParameter(
            f"{file} is no card; `jaxscale bench LAW -o card.json` writes one", param_hint="--rerun"
        )
    return found
