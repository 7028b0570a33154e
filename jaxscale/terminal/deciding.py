"""Commands that decide: plan."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jaxscale.errors import ConfigError
from jaxscale.terminal.console import emit, pairs
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
    at: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=VALUE", help="An input that is given, not chosen: N=7B.")
    ] = None,
    limit: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=LOW..HIGH", help="Least and most of a choice: N=1B..8B, N=8B.")
    ] = None,
    ratio: Annotated[
        str | None, typer.Option(metavar="LOW..HIGH", help="Least and most training tokens per parameter: 20..200.")
    ] = None,
    shape: Annotated[
        list[str] | None, typer.Option(metavar="SIZE", help="A size that can be built; repeat it for each.")
    ] = None,
    target: Annotated[
        float | None, typer.Option(parser=amount, metavar="VALUE", help="A loss or a score to reach.")
    ] = None,
    schedule: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Of laws of the schedule: peak=3e-4, steps=20000, warmup=500."),
    ] = None,
    choose: Annotated[
        str | None, typer.Option(help="loss, regret or cvar: what the recommendation keeps low.", show_default="loss")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="Plan with published coefficients of --law, without a table.")
    ] = None,
    discrepancy: Annotated[
        bool, typer.Option(help="Beyond the data, allow for what the law may be wrong by, as its record says.")
    ] = True,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Choose what a budget should buy, or what a target takes.

    Sizes and tokens under a budget, with limits; samples, compute or steps for a target; a learning rate, a mixture:
    whatever the law decides. With the uncertainty of the best choice, and how much room there is around it.
    """
    from jaxscale.config import PlanFile
    from jaxscale.decide.plan import plan as decide
    from jaxscale.terminal.decisions import plan_document, plan_text

    asked: dict[str, Any] = {
        "budget": budget, "serve_tokens": serve_tokens, "unique_tokens": unique_tokens, "cost": cost, "ratio": ratio,
        "target": target, "choose": choose, "preset": preset, "shapes": shape,
        "at": pairs("--at", at, "N=7B"), "limits": pairs("--limit", limit, "N=1B..8B"),
        "schedule": pairs("--schedule", schedule, "steps=20000"),
    }  # fmt: skip
    saved, table = apart(source)
    settled = settings(PlanFile, options, table=table, **asked)
    if settled.preset is not None:
        if source is not None or settled.table or settled.fit:
            raise ConfigError("--preset plans with published coefficients; leave out the table and the fit")
        decided, status = decide(settled.law, preset=settled.preset, **settled.question()), None
    else:
        made = fitted(settled, settled.fit if source is None else saved)
        decided, status = decide(made, discrepancy=discrepancy, **settled.question()), vars(made.status)
    emit(json, plan_document(decided) | {"status": status}, plan_text(decided))
    return DONE
