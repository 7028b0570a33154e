"""Can this table answer the question? Each finding with its number, its consequence and what would mend it."""

from __future__ import annotations

from typing import Any

from jaxscale.api import as_runs
from jaxscale.batch import table_of
from jaxscale.identify import refusal
from jaxscale.law import Law, get_law
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.trust import (
    findings_columns,
    findings_decision,
    findings_design,
    findings_fit,
    findings_isoflop,
    findings_rows,
)  # fmt: skip
from jaxscale.trust.finding import Case, Finding, note
from jaxscale.trust.findings_fit import OUTLYING as OUTLYING
from jaxscale.trust.mode import Mode

RANK = {"error": 0, "warning": 1, "note": 2}
# Findings that explain rows off the law: what these rows have in common then says nothing of tuning or of the law.
EXPLAINED = {"checkpoints", "sweep", "repeated_data"}
# What readers remark and a finding says better: its words -> codes of the findings.
SAID_BETTER = {
    "are checkpoints of": ("checkpoints",),
    "loss rises with compute": ("rising",),
    "repeat an earlier row": ("copies",),
}


@at_the_door
def doctor(runs: Runs | Any, law: str | Law | None = None, budget: float | None = None) -> list[Finding]:
    """Examine a table before a law is fitted to it.

    Args:
        runs: a Runs, a path or a DataFrame.
        law: the law that is to be fitted; chinchilla unless given.
        budget: training FLOP that a forecast is wanted for.

    Returns:
        Findings, the worst first.

    Raises:
        DataError: the table lacks what the law needs.
    """
    runs, law = as_runs(runs), get_law(law or "chinchilla")
    case = Case(runs, law, table_of(runs, law))
    refused = refusal(case.table, law)
    found = [*findings_columns.found(case), *findings_rows.found(case)]
    found += findings_design.found(case, refused is None, budget)
    if refused is None:
        mode = Mode.of(case)
        found += findings_fit.found(mode, not EXPLAINED & {f.code for f in found})
        found += findings_decision.found(mode, budget)
        found += findings_isoflop.found(case, mode.params)
        found += findings_rows.lack_of_fit(case, mode.scale) if mode.relative else []
    else:
        found = [Finding("error", refused.code, refused.sentence, refused.fix), *found]
        found += findings_isoflop.found(case, {})
    return sorted([*found, *_remarks(case, {f.code for f in found})], key=lambda f: RANK[f.level])


def _remarks(case: Case, codes: set[str]) -> list[Finding]:
    """What was said while reading, and which runs were taken out."""
    said = [*case.runs.notes, *case.table.notes]
    better = [words for words, by in SAID_BETTER.items() if codes & set(by)]
    found = [note("remark", text) for text in said if not any(words in text for words in better)]
    if len(case.runs.excluded):
        reasons = "; ".join(sorted({str(r) for r in case.runs.excluded["reason"]}))
        found.append(note("excluded", f"{len(case.runs.excluded)} runs were excluded: {reasons}."))
    return found
