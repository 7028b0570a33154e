"""The command `reproduce`: do again what a record describes, and say whether the numbers are the same."""

from __future__ import annotations

import json as document_of
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jaxscale.errors import ConfigError, JaxscaleError
from jaxscale.terminal.console import emit, jsonable, paragraphs, table
from jaxscale.terminal.exits import DONE, NO
from jaxscale.terminal.options import SAVED, Json
from jaxscale.words import plain

if TYPE_CHECKING:
    from jaxscale.again import Again
    from jaxscale.config import FitFile
    from jaxscale.result import Fit

CONFIGS = (".yaml", ".yml")
RECORDS = "a saved fit (.nc), what `jaxscale fit --json` or `report --json` printed, a card of `jaxscale bench`, or a "
RECORDS += "YAML file of settings whose `output` is the saved fit"
DOUBLE = 17  # digits that tell any two numbers apart
MOST_STEPS = 1000  # of float64 that are said as such


def reproduce(
    record: Annotated[str, typer.Argument(metavar="RECORD", help=RECORDS[0].upper() + RECORDS[1:] + ".")],
    json: Json = False,
) -> int:
    """Do a fit or a card again from its record: are the numbers the same?

    With the same versions they must be so to the last bit; with others, within Monte Carlo error. Exit code 1 where
    they are not.
    """
    path = Path(record)
    if not path.is_file():
        raise ConfigError(f"there is no file {record!r}; expected {RECORDS}")
    if path.suffix.lower() == SAVED:
        return _answer(record, *_from_fit(path), json)
    if path.suffix.lower() in CONFIGS:
        return _answer(record, *_from_config(path), json)
    try:
        found = document_of.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{record}: not a JSON document ({error}); expected {RECORDS}") from None
    from jaxscale.terminal.benching import is_card

    if is_card(found):
        return _card(record, found, json)
    if not isinstance(found, dict) or not {"status", "law", "noise", "summary", "health", "about"} <= set(found):
        got = f"keys {', '.join(list(found)[:8])}" if isinstance(found, dict) else f"a {type(found).__name__}"
        raise ConfigError(f"{record}: not the record of a fit; got {got}; expected {RECORDS}")
    return _answer(record, found, _from_document(path, found), json)


def _from_fit(path: Path) -> tuple[dict[str, Any], Fit]:
    """What a saved fit says, and the fit of the data that it holds."""
    from jaxscale.again import data_hash, refit
    from jaxscale.result import kept_law_hash, load_fit
    from jaxscale.terminal.answers import fit_document

    kept = load_fit(path)
    document = jsonable(fit_document(kept)) | {"law_hash": kept_law_hash(path)}
    made = refit(kept)
    made.about["table_hash"] = data_hash(kept)  # of the data as the file holds them
    made.about["excluded"] = kept.about["excluded"]
    # A saved fit has the law's rows alone: not the whole table, of which this is the hash.
    document["about"] = {k: v for k, v in document["about"].items() if k != "content_hash"}
    return document, made


def _from_config(path: Path) -> tuple[dict[str, Any], Fit]:
    """What the fit that settings name as their output says, and the fit that they make now."""
    from jaxscale.config import FitFile, settle
    from jaxscale.result import kept_law_hash, load_fit
    from jaxscale.terminal.answers import fit_document

    settled = settle(FitFile, path, {})
    if not settled.output or not Path(settled.output).is_file():
        got = f"output: {settled.output}, which is not there" if settled.output else "no key 'output'"
        raise ConfigError(f"{path}: settings have no numbers to compare with; got {got}; expected the saved fit. Make "
                          f"one with `jaxscale fit --config {path} -o fit.nc`")  # fmt: skip
    document = jsonable(fit_document(load_fit(settled.output))) | {"law_hash": kept_law_hash(settled.output)}
    return document, _made(path, settled, document)


def _from_document(path: Path, found: Mapping[str, Any]) -> Fit:
    """The fit that a JSON document's settings make now; of a saved fit, that of the data it holds."""
    from jaxscale.again import data_hash, refit
    from jaxscale.config import FitFile, settle
    from jaxscale.result import load_fit

    if found.get("settings"):
        return _made(path, settle(FitFile, None, found["settings"]), found)
    if not found.get("saved"):
        raise ConfigError(f"{path}: it has no key 'settings', which says how the fit was made; print it anew with "
                          "`jaxscale fit TABLE --json`, or give the saved fit (.nc)")  # fmt: skip
    kept = load_fit(_near(path, found["saved"]))
    made = refit(kept)
    made.about["table_hash"], made.about["excluded"] = data_hash(kept), kept.about["excluded"]
    made.about["content_hash"] = kept.about["content_hash"]
    return made


def _made(path: Path, settled: FitFile, kept: Mapping[str, Any]) -> Fit:
    """The fit that settings describe, its table sought beside the record too."""
    where = {"table": _near(path, settled.table) if settled.table else None, "law": _near(path, settled.law)}
    settled = settled.model_copy(update=where)
    try:
        settled.read()
    except JaxscaleError as error:
        if settled.table is not None and Path(settled.table).exists():
            raise
        expected = kept["about"].get("content_hash", "unknown")
        raise ConfigError(
            f"{path}: the table that was fitted cannot be found; got nothing at {settled.table!r}; expected the one with "
            f"content hash {expected}. Put it back there, or beside the record. ({error})"
        ) from None
    return settled.run()


def _near(record: Path, name: str) -> str:
    """A file as named, or beside the record where it is only there."""
    beside = record.parent / name
    return str(beside) if not Path(name).exists() and beside.is_file() else name


def _answer(record: str, kept: Mapping[str, Any], made: Fit, json: bool) -> int:
    from jaxscale.again import compare_again
    from jaxscale.terminal.answers import fit_document

    found = compare_again(kept, jsonable(fit_document(made)), made)
    document = {
        "record": record, "reproduced": found.ok, "exact": found.exact, "verdict": found.sentence,
        "versions": {k: {"then": a, "now": b} for k, (a, b) in found.versions.items()}, "numbers": found.numbers,
    }  # fmt: skip
    emit(json, document, paragraphs(again_text(found), found.sentence))
    return DONE if found.ok else NO


def again_text(found: Again) -> str:
    """Quantity, kept, now, difference: the moments, and whatever else differs."""
    rows = []
    for row in found.numbers.to_dict("records"):
        a, b = row["kept"], row["now"]
        same = _nothing(a) and _nothing(b) or a == b
        if not same or not str(row["quantity"]).endswith(("r_hat", "ess_bulk", "ess_tail")):
            rows.append([row["quantity"], *_pair(a, b), "none" if same else _difference(a, b, row["in_sd"])])
    return table(["quantity", "kept", "now", "difference"], rows)


def _nothing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _pair(a: Any, b: Any) -> tuple[str, str]:
    """Two values with digits enough to tell them apart."""
    if isinstance(a, float) and isinstance(b, float):
        for digits in (6, 9, 12, DOUBLE):
            shown = plain(a, digits=digits), plain(b, digits=digits)
            if a == b or shown[0] != shown[1]:
                return shown
    cut = [("-" if _nothing(v) else str(v)) for v in (a, b)]
    return cut[0][:16], cut[1][:16]


def _difference(a: Any, b: Any, in_sd: float) -> str:
    if not (isinstance(a, float) and isinstance(b, float)):
        return "differs"
    steps = abs(b - a) / math.ulp(max(abs(a), abs(b)))
    if steps <= MOST_STEPS:
        return f"{plain(steps, digits=3)} in the last digit"
    return f"{plain(in_sd, digits=2)} sd" if in_sd == in_sd and in_sd is not None else plain(b - a, digits=2)


def _card(record: str, old: Mapping[str, Any], json: bool) -> int:
    """A law's card, computed again as `bench --rerun` does."""
    from jaxscale.config import open_table
    from jaxscale.trust.card import card_again, differences

    named = {name: open_table(name, {}) for name in old["tables"]} if old["given"] else None
    made = jsonable(card_again(old, None, named))
    unlike = differences(old, made)
    since = [line for line in unlike if line.startswith("versions.")]
    numbers = [line for line in unlike if line not in since]
    also = f"; versions differ: {'; '.join(line.removeprefix('versions.') for line in since)}" if since else ""
    said = (
        f"DIFFERS: {'; '.join(numbers[:3])}{f', and {len(numbers) - 3} more' if len(numbers) > 3 else ''}{also}."
        if numbers
        else f"Every number is the same to the last bit{also}."
    )
    document = {"record": record, "reproduced": not numbers, "exact": not numbers, "verdict": said, "differences": unlike}
    emit(json, document, said)
    return NO if numbers else DONE
