"""A law's card: its contract, and how it forecasts the largest runs of fixed tables, beside other laws.

All numbers but seconds follow from the law's file, the tables, the seed and the versions, all of which the card holds:
another person computes it again to the same bits (`differences`).
"""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import numpy as np

from jaxscale import datasets
from jaxscale.api import as_runs
from jaxscale.check import check_law
from jaxscale.errors import ConfigError, DataError, LawError
from jaxscale.law import Law, get_law
from jaxscale.progress import telling
from jaxscale.runs import Runs
from jaxscale.runtime import PACKAGES, at_the_door
from jaxscale.trust.backtest import SCORES, forecasts

OTHERS = ("chinchilla", "coupled", "kaplan_nd", "gadre")
COST = "seconds"  # of a card: the only part that another run may not repeat
SCORED = ("r2", *SCORES, "width")


@at_the_door
def card(
    law: str | Law,
    tables: Mapping[str, Runs | Any] | None = None,
    against: Sequence[str | Law] | None = None,
    hold_out: float = 0.2,
    seed: int = 0,
    progress: bool | None = None,
) -> dict[str, Any]:
    """Check a law, and score its forecasts.

    Args:
        law: a law, its name, or a Python file that defines one.
        tables: name -> a Runs, a path or a DataFrame; by default the public tables at hand that have the law's inputs
            and response (`at_hand`).
        against: laws to stand beside; by default those of OTHERS with the same inputs and response.
        hold_out: share of the runs, the largest, that is forecast.
        seed: of every random draw.
        progress: show a line while working; by default where stderr is a terminal.

    Returns:
        What JSON can hold: law, formula, source, source_hash, parameters, contract (check -> what it verified),
        hold_out, seed, versions, tables (name -> rows, sha256), given (whether tables were named), against, scores (a
        record a law and table: r2, log_rmse, crps, coverage90, elpd, width of the 90 % interval in units of the median,
        status), leaderboard (law -> mean rank by crps over tables, the best first), and seconds.

    Raises:
        LawError: the law breaks the contract.
        ConfigError: no table to score it on.
        DataError: a table lacks what the law needs.
    """
    law, began = get_law(law), time.perf_counter()
    found = at_hand(law) if tables is None else {name: as_runs(runs) for name, runs in tables.items()}
    if not found:
        raise ConfigError(f"no table at hand has what {law.name} needs; name one with --table")
    beside = _beside(law) if against is None else [get_law(other) for other in against]
    laws = {one.name: one for one in (law, *beside)}
    with telling(progress) as say:
        say(f"checking the contract of {law.name}")
        try:
            contract = dict(check_law(law, seed=seed).checks)
        except AssertionError as error:
            raise LawError(str(error)) from None
        scores = []
        for name, runs in found.items():
            for one in laws.values():
                say(f"{one.name} on {name}")
                scores.append({"table": name, **_scored(runs, one, hold_out, seed)})
    return {
        "law": law.name, "formula": law.formula, "source": str(law.source), "source_hash": law.source_hash,
        "parameters": list(law.params), "contract": contract, "hold_out": hold_out, "seed": seed,
        "versions": {name: version(name) for name in PACKAGES} | {"machine": platform.machine()},
        "tables": {name: {"rows": len(runs), "sha256": _hash(runs, law)} for name, runs in found.items()},
        "given": tables is not None,
        "against": [one.name for one in beside], "scores": scores, "leaderboard": _ranked(scores, list(laws)),
        COST: time.perf_counter() - began,
    }  # fmt: skip


def at_hand(law: Law) -> dict[str, Runs]:
    """Public tables that suit a law and need no download: those that name it, and bundled ones; only the rows to which
    laws are fitted."""
    found = {}
    for known in datasets.list():
        if not (known.bundled or (datasets.is_at_hand(known) and {law.name, *_names_beside(law)} & set(known.laws))):
            continue
        try:
            runs = datasets.load(known.name, where=known.where)
            runs.numbers({**law.inputs, law.response.column: law.response})
        except DataError:
            continue
        found[known.name] = runs
    return found


def card_again(
    old: Mapping[str, Any], law: str | None = None, tables: Mapping[str, Runs] | None = None
) -> dict[str, Any]:
    """The card that an old one's settings make now.

    Args:
        old: a card; `differences` says where the two differ.
        law: the file of its law, where that has moved.
        tables: name -> runs; of the tables that were named when it was made, or others in their place.
    """
    return card(law or old["law"], tables, old["against"], old["hold_out"], old["seed"])


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Where two cards differ, in a line each; seconds aside. Empty where one repeats the other to the bit."""
    return [line for key in sorted({*old, *new} - {COST}) for line in _differing(key, old.get(key), new.get(key))]


def _differing(where: str, old: Any, new: Any) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [x for k in sorted({*old, *new}) for x in _differing(f"{where}.{k}", old.get(k), new.get(k))]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [x for i, (a, b) in enumerate(zip(old, new, strict=True)) for x in _differing(f"{where}[{i}]", a, b)]
    return [] if old == new else [f"{where}: {old!r} before, {new!r} now"]


def _names_beside(law: Law) -> list[str]:
    return [other.name for other in _beside(law)]


def _beside(law: Law) -> list[Law]:
    """Laws of the same columns and response."""
    columns, others = {v.column for v in law.inputs.values()}, [get_law(name) for name in OTHERS]
    same = [o for o in others if o.response.column == law.response.column and o.name != law.name]
    known = columns <= {"params", "tokens", "flops", "tokens_per_param"}
    return same if known and len(columns) > 1 else []


def _scored(runs: Runs, law: Law, hold_out: float, seed: int) -> dict[str, Any]:
    """Of the largest runs: the record's scores, R2 of the medians, and the width of their intervals."""
    scores, points = forecasts(runs, law, hold_out, seed=seed, progress=False)
    first = scores.iloc[0]
    record: dict[str, Any] = {"law": law.name, "n_train": int(first["n_train"]), "n_test": int(first["n_test"])}
    own = points[points["fold"] == 0]
    values = {s: float(first[s]) for s in SCORES} | {"r2": np.nan, "width": np.nan}
    if len(own):
        y, low, middle, high = (np.asarray(own[c], float) for c in ("observed", "q05", "q50", "q95"))
        spread = float(np.sum((y - y.mean()) ** 2))
        values["r2"] = 1.0 - float(np.sum((y - middle) ** 2)) / spread if spread > 0.0 else np.nan
        values["width"] = float(np.median((high - low) / np.abs(middle)))
    record |= {s: values[s] if np.isfinite(values[s]) else None for s in SCORED}
    return {**record, "status": str(first["status"])}


def _ranked(scores: Sequence[Mapping[str, Any]], laws: Sequence[str]) -> dict[str, float]:
    """Law -> mean rank by crps, best first; a law without a forecast is last."""
    by_table: dict[str, dict[str, float]] = {}
    for s in scores:
        by_table.setdefault(s["table"], {})[s["law"]] = np.inf if s["crps"] is None else s["crps"]
    rank = {law: float(np.mean([1 + sum(v < own[law] for v in own.values()) for own in by_table.values()]))
            for law in laws}  # fmt: skip
    return dict(sorted(rank.items(), key=lambda item: item[1]))


def _hash(runs: Runs, law: Law) -> str:
    """sha256 of what the law sees of a table: inputs and response, in order."""
    numbers, _ = runs.numbers({**law.inputs, law.response.column: law.response})
    digest = hashlib.sha256()
    for name, values in numbers.items():
        digest.update(name.encode() + np.ascontiguousarray(values, dtype="<f8").tobytes())
    return digest.hexdigest()
