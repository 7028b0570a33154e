"""What a batch of fits says to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxscale.terminal.console import count, paragraphs, table
from jaxscale.words import plain

if TYPE_CHECKING:
    from jaxscale.fits import Fits

MOST_NAMED = 5
KINDS = {
    "not_converged": "Not converged", "cannot_be_identified": "Cannot be identified", "too_few_runs": "Too few runs",
    "cannot_be_read": "Cannot be read",
}  # fmt: skip


def batch_document(many: Fits) -> dict[str, Any]:
    """Everything that `jaxscale batch` says, as data."""
    health = many.health()
    return {
        "law": many.recipe.law.name,
        "noise": f"{many.recipe.noise.name}/{many.recipe.noise.on}",
        "tables": len(many),
        "ok": int(health.ok.sum()),
        "stages": {str(k): int(v) for k, v in health.method[health.ok].value_counts().items()},
        "refused": {str(k): int(v) for k, v in health.code[~health.ok].value_counts().items()},
        "status": many.status().reset_index(),
        "summary": many.summary(),
    }


def batch_text(many: Fits, output: str | None) -> str:
    """How many passed and by which stage, who was refused and why, and how the parameters spread over tables."""
    health, law = many.health(), many.recipe.law
    ok = int(health.ok.sum())
    head = f"Answers for {ok} of {count(len(many), 'table')}."
    about = f"Law    {law.name}: {law.formula}\nNoise  {many.recipe.noise.name} on the {many.recipe.noise.on} scale"
    stages = health.method[health.ok].value_counts()
    by_stage = table(
        ["stage", "tables", "share"], [[name, n, f"{100 * n / len(many):.1f} %"] for name, n in stages.items()]
    )
    saved = f"Saved to {output}: status.parquet, summary.parquet and the draws; `jaxscale.load` reads it."
    weak = health.prior_dominated[health.ok].explode().dropna().value_counts()
    said = [f"- The runs of {count(int(n), 'table')} say little about {p}." for p, n in weak.items()]
    return paragraphs(
        head, about, by_stage if ok else None, _refused(health), _spread(many) if ok else None, "\n".join(said),
        saved if output else None,
    )  # fmt: skip


def _refused(health: pd.DataFrame) -> str | None:
    """A line for each kind of refusal, with the first tables' names and one reason in full."""
    lines = []
    for code, some in health[~health.ok].groupby("code", sort=False):
        names = ", ".join(map(str, some.index[:MOST_NAMED]))
        more = f" and {len(some) - MOST_NAMED} more" if len(some) > MOST_NAMED else ""
        lines.append(f"{KINDS.get(str(code), str(code))}: {count(len(some), 'table')} ({names}{more})")
        lines.append(f"  {some.index[0]}: {some.status.iloc[0]}")
    return "\n".join(lines) or None


def _spread(many: Fits) -> str:
    """Across the tables that have an answer: the posterior means, and how wide a posterior is."""
    summary = many.summary().dropna(subset="mean")
    rows = []
    for name, some in summary.groupby("parameter", sort=False):
        means = np.quantile(some["mean"], [0.05, 0.5, 0.95])
        rows.append([name, *map(plain, means), plain(float(np.median(some["sd"])), digits=2)])
    title = "Across tables: the estimates, and the usual width of one table's posterior"
    return f"{title}\n\n" + table(["parameter", "5 %", "median", "95 %", "sd of one"], rows)
