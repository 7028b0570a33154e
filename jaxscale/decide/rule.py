"""Laws whose response is the decision: a learning rate, a batch size, a teacher's size, tokens before growth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jaxscale.decide.members import Source, without_interval
from jaxscale.decide.problem import complete
from jaxscale.decide.question import Ask, given_and_tied
from jaxscale.errors import PlanError
from jaxscale.words import plain


def follow(source: Source, ask: Ask) -> dict[str, Any]:
    """The law's response at what is given, for every draw; the fields of a Plan.

    A budget is the compute where the law takes one and `at` does not say it.

    Raises:
        PlanError: the law decides nothing, or needs to be told more.
    """
    law = source.law
    columns = [v.column for v in law.inputs.values()]
    if not law.decides:
        raise PlanError(
            f"{law.name} is a law of {', '.join(columns)} and decides nothing that can be chosen; fit.predict gives "
            "its values."
        )
    given, ties = given_and_tied(law, ask.at)
    known = complete(given | {c: given[o] for c, o in ties.items() if o in given}, law)
    if "flops" in columns and "flops" not in known and ask.budget is not None:
        known["flops"] = ask.budget
    if missing := {s: v for s, v in law.inputs.items() if v.column not in known}:
        said = ", ".join(f"{s} ({v.meaning})" for s, v in missing.items())
        example = ", ".join(f"{s!r}: ..." for s in missing)
        raise PlanError(
            f"{law.name} is a law of {', '.join(columns)} and decides {law.decides}: give {said}, as at={{{example}}}."
        )
    name, values = law.response.column, []
    for member in source.members:
        inputs = {s: np.full(member.count, float(v)) for s, v in member.law.from_columns(known).items()}
        values.append(np.asarray(member.law(*inputs.values(), **{p: member.params[p] for p in member.law.params})))
    draws = {s: np.full(sum(m.count for m in source.members), float(known[v.column])) for s, v in law.inputs.items()}
    draws |= {name: np.concatenate(values)}
    notes = []
    for symbol, v in law.inputs.items():
        if v.column in source.seen and known[v.column] > (most := float(source.seen[v.column].max())):
            times = plain(known[v.column] / most, digits=2)
            notes.append(f"{symbol} is {times} times the largest in the table; the law is believed that far.")
    notes += without_interval(source)
    return {
        "budget": float(ask.budget or np.nan), "draws": draws, "profile": pd.DataFrame(), "notes": tuple(notes),
        "recommended": {name: float(np.median(draws[name]))}, "chosen": (name,), "response": name,
        "asked": f"{law.response.meaning[:1].upper()}{law.response.meaning[1:]}, as {law.name} gives it",
    }  # fmt: skip
