"""The command `reproduce`: do again what a record describes, and say whether the numbers are the same."""

from __future__ import annotations

import json as document_of
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxscale.errors import ConfigError, LawError
from jaxscale.terminal.console import emit, jsonable, paragraphs, table
from jaxscale.terminal.exits import DONE, NO
from jaxscale.terminal.options import SAVED, Json
from jaxscale.words import plain

if TYPE_CHECKING:
    from jaxscale.again import Again
    from jaxscale.result import Fit

RECORDS = "a saved fit (.nc), what `jaxscale fit --json` or `report --json` printed, or a card of `jaxscale bench`"
FIT = {"status", "law", "noise", "summary", "health", "about"}
DIAGNOSTICS = ("r_hat", "ess_bulk", "ess_tail")
DOUBLE = 17  # digits that tell any two numbers apart
MOST_STEPS = 1000  # of float64 that are said as such
MOST_SAID = 3
WIDEST = 16  # characters of a hash that are shown


def reproduce(
    record: Annotated[str, typer.Argument(metavar="RECORD", help=RECORDS[0].upper() + RECORDS[1:] + ".")],
    json: Json = False,
) -> int:
    """Do a fit or a card again from its record: are the numbers the same?

    With the same versions they must be so to the last bit; with others, a fit's within Monte Carlo error. Exit code 1
    where they are not.
    """
    from jaxscale.terminal.benching import is_card

    path = Path(record)
    if not path.is_file():
        raise ConfigError(f"there is no file {record!r}; expected {RECORDS}")
    if path.suffix.lower() == SAVED:
        return _answer(record, *_from_fit(path), json)
    try:
        found = document_of.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{record}: not a JSON document ({error}); expected {RECORDS}") from None
    if is_card(found):
        return _card(path, found, json)
    if not isinstance(found, dict) or not set(found) >= FIT:
        got = f"keys {', '.join(list(found)[:8])}" if isinstance(found, dict) else f"a {type(found).__name__}"
        raise ConfigError(f"{record}: not the record of a fit; got {got}; expected {RECORDS}")
    return _answer(record, *_from_document(path, found), json)


def _from_fit(path: Path) -> tuple[dict[str, Any], Fit]:
    """What a saved fit says, and the fit of the data that it holds."""
    from jaxscale.again import refit
    from jaxscale.result import load_fit
    from jaxscale.terminal.answers import fit_document

    kept = load_fit(path)
    return _of_rows_left(jsonable(fit_document(kept))), refit(kept)


def _of_rows_left(document: Mapping[str, Any]) -> dict[str, Any]:
    """A saved fit holds what the law saw of the rows that were left: of the table as it was read it gives no second
    account."""
    about = {k: v for k, v in document["about"].items() if k not in ("content_hash", "excluded")}
    return {**document, "about": about}


def _from_document(path: Path, found: Mapping[str, Any]) -> tuple[Mapping[str, Any], Fit]:
    """A JSON document, and the fit that its settings make now; of a report on a saved fit, that of its data."""
    from jaxscale.again import refit
    from jaxscale.config import FitFile, is_path, settle
    from jaxscale.result import load_fit

    if not found.get("settings"):
        if found.get("saved"):
            return _of_rows_left(found), refit(load_fit(_near(path, found["saved"])))
        raise ConfigError(
            f"{path}: it has no key 'settings', which says how the fit was made; print it anew with "
            "`jaxscale fit TABLE --json`, or give the saved fit (.nc)"
        )
    settled = settle(FitFile, None, found["settings"])
    where = {"table": _near(path, settled.table or ""), "law": _near(path, settled.law)}
    if is_path(where["table"]) and not Path(where["table"]).is_file():
        raise ConfigError(
            f"{path}: the table that was fitted cannot be found; got nothing at {settled.table!r}; expected the one "
            f"with content hash {found['about'].get('content_hash', 'unknown')}. Put it there, or beside the record."
        )
    return found, settled.model_copy(update=where).run()


def _near(record: Path, name: str) -> str:
    """A file as named, or beside the record where it is only there."""
    beside = (record.parent / name, record.parent / Path(name).name)
    there = None if Path(name).is_file() else next((b for b in beside if b.is_file()), None)
    return name if there is None else str(there)


def _answer(record: str, kept: Mapping[str, Any], made: Fit, json: bool) -> int:
    from jaxscale.again import compare_again
    from jaxscale.terminal.answers import fit_document

    found = compare_again(kept, jsonable(fit_document(made)), made)
    document = {
        "record": record, "reproduced": found.ok, "exact": found.exact, "verdict": found.sentence,
        "versions": {k: {"then": a, "now": b} for k, (a, b) in found.versions.items()}, "numbers": found.numbers,
    }  # fmt: skip
    emit(json, document, paragraphs(found.sentence, again_text(found)))
    return DONE if found.ok else NO


def again_text(found: Again) -> str:
    """Quantity, kept, now, difference: facts, moments, and whatever else differs."""
    from jaxscale.again import BESIDE

    rows = []
    for row in jsonable(found.numbers):
        a, b = row["kept"], row["now"]
        if a != b or not (row["quantity"].endswith(DIAGNOSTICS) or row["quantity"].startswith(BESIDE)):
            rows.append([row["quantity"], *_pair(a, b), "none" if a == b else _difference(a, b, row["in_sd"])])
    return table(["quantity", "kept", "now", "difference"], rows)


def _pair(a: Any, b: Any) -> tuple[str, str]:
    """Two values with digits enough to tell them apart."""
    if isinstance(a, float) and isinstance(b, float):
        for digits in (6, 9, 12, DOUBLE):
            shown = plain(a, digits=digits), plain(b, digits=digits)
            if a == b or shown[0] != shown[1]:
                return shown
    first, second = ("-" if v is None else str(v)[:WIDEST] for v in (a, b))
    return first, second


def _difference(a: Any, b: Any, in_sd: float | None) -> str:
    if not (isinstance(a, float) and isinstance(b, float)):
        return "differs"
    steps = abs(b - a) / math.ulp(max(abs(a), abs(b)))
    if steps <= MOST_STEPS:
        return f"{plain(steps, digits=3)} in the last digit"
    return plain(b - a, digits=2) if in_sd is None else f"{plain(in_sd, digits=2)} sd"


def _card(path: Path, old: Mapping[str, Any], json: bool) -> int:
    """A law's card, computed again as `bench --rerun` does."""
    from jaxscale.config import open_table
    from jaxscale.law import get_law
    from jaxscale.trust.card import card_again, differences

    try:
        get_law(old["law"])
    except LawError as error:
        hint = f"a card names the law, not its file: `jaxscale bench FILE.py --rerun {path}` takes both"
        raise ConfigError(f"{path}: {error}; {hint}") from None
    named = {name: open_table(_near(path, name), {}) for name in old["tables"]} if old["given"] else None
    made = jsonable(card_again(old, None, named))
    unlike = differences(old, made)
    versions = {k: {"then": v, "now": made["versions"].get(k)} for k, v in old["versions"].items()}
    versions = {k: pair for k, pair in versions.items() if pair["then"] != pair["now"]}
    numbers = [line for line in unlike if not line.startswith("versions.")]
    also = "".join(f"; {k} {pair['then']} then, {pair['now']} now" for k, pair in versions.items())
    more = f"; and {len(numbers) - MOST_SAID} more" if len(numbers) > MOST_SAID else ""
    same = f"Every number is the same to the last bit{also}."
    said = f"DIFFERS: {'; '.join(numbers[:MOST_SAID])}{more}{also}." if numbers else same
    document = {
        "record": str(path), "reproduced": not numbers, "exact": not numbers, "verdict": said, "versions": versions,
        "differences": unlike,
    }  # fmt: skip
    emit(json, document, paragraphs(said, "\n".join(f"- {line}" for line in numbers)))
    return NO if numbers else DONE
