"""Commands that decide: plan."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jaxscale.terminal.console import emit
from jaxscale.terminal.exits import DONE
from jaxscale.terminal.options import (
    FITTING,
    READING,
    Budget,
    FitOrTable,
    Json,
    above_zero,
    amount,
    apart,
    fitted,
    settings,
    takes,
)  # fmt: skip


@takes(READING | FITTING)
def plan(
    source: FitOrTable = None,
    budget: Budget = None,
    serve_tokens: Annotated[
        float | None,
        typer.Option(parser=amount, metavar="TOKENS", help="Tokens to serve; the budget then covers both."),
    ] = None,
    unique_tokens: Annotated[
        float | None, typer.Option(parser=above_zero, metavar="TOKENS", help="Training tokens at hand, at most.")
    ] = None,
    cost: Annotated[str | None, typer.Option(help="Cost model.", show_default="6nd")] = None,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Choose the size and the tokens that a budget should buy.

    With the uncertainty of the best choice, and how much room there is around it.
    """
    from jaxscale.config import PlanFile
    from jaxscale.decide.plan import plan as decide
    from jaxscale.terminal.answers import plan_text

    spend = {"budget": budget, "serve_tokens": serve_tokens, "unique_tokens": unique_tokens, "cost": cost}
    saved, table = apart(source)
    settled = settings(PlanFile, options, table=table, **spend)
    made = fitted(settled, settled.fit if source is None else saved)
    asked = (settled.budget, settled.serve_tokens, settled.unique_tokens, settled.cost)
    decided = decide(made, *asked)
    document = {"budget": decided.budget, "summary": decided.summary(), "recommended": decided.recommended}
    document |= {"valley": decided.valley(), "notes": decided.notes, "status": vars(made.status)}
    emit(json, document, plan_text(decided))
    return DONE
