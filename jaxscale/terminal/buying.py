"""Commands that compare recipes and choose the runs to buy: speedup and suggest."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jaxscale.errors import ConfigError
from jaxscale.terminal.console import emit
from jaxscale.terminal.exits import DONE, NO
from jaxscale.terminal.options import (
    FITTING,
    PICTURES,
    READING,
    FitOrTable,
    Json,
    Plot,
    above_zero,
    apart,
    fitted,
    numbers,
    settings,
    takes,
    writable,
)  # fmt: skip

Recipe = Annotated[str, typer.Argument(metavar="FIT", help="A saved fit (.nc).")]


def speedup(
    fit_a: Recipe,
    fit_b: Recipe,
    at: Annotated[
        list[str] | None,
        typer.Option(metavar="SYMBOL=VALUES", help="Compute of b: C=1e22, or several: C=1e20:1e24:5. Or points N, D."),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(
            help="How a spends its compute: frontier, or ratio: at the points' own tokens per parameter.",
            show_default="frontier; ratio at points",
        ),
    ] = None,
    shared: Annotated[
        str | None, typer.Option(metavar="PARAM", help="What both recipes have in common, such as E.")
    ] = None,
    json: Json = False,
) -> int:
    """Compare two recipes: how much compute one saves over the other.

    As a factor with its uncertainty, by scale, and where the two curves cross. Infinite where a never gets there.
    """
    from jaxscale.decide.speedup import speedup as compare
    from jaxscale.result import load_fit
    from jaxscale.terminal.purchases import speedup_text

    points = numbers("--at", at, "C=1e22")
    rows = compare(load_fit(fit_a), load_fit(fit_b), at=points or None, path=path, shared=shared)
    document = {"speedup": rows, "crossing": rows.attrs["crossing"], "notes": rows.attrs["notes"]}
    emit(json, document, speedup_text(rows, (fit_a, fit_b)))
    return DONE


@takes(READING | FITTING)
def suggest(
    source: FitOrTable = None,
    target: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=VALUES", help="What to forecast: N=7e10, once an input.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(parser=above_zero, metavar="FLOP", help="Or the compute whose best use to choose.")
    ] = None,
    spend: Annotated[
        float | None, typer.Option(parser=above_zero, metavar="FLOP", help="What the runs may cost together.")
    ] = None,
    runs: Annotated[int, typer.Option(help="The most runs.")] = 6,
    candidates: Annotated[
        str | None, typer.Option(metavar="FILE", help="Runs to choose from, with a column cost; else a grid.")
    ] = None,
    repeats: Annotated[int, typer.Option(help="How often the same run may be bought.")] = 1,
    discrepancy: Annotated[bool, typer.Option(help="Count the law's own error beyond the data.")] = True,
    check: Annotated[bool, typer.Option(help="Check the promise against simulated results.")] = False,
    plot: Plot = None,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Choose the runs to buy next, within a budget.

    Those that narrow a forecast, or make a decision safer, the most for what they cost; and what each buys. Exit code
    1 where none is worth it.
    """
    from jaxscale.config import FitFile
    from jaxscale.decide.suggest import suggest as choose
    from jaxscale.terminal.purchases import suggestion_text
    from jaxscale.words import plain

    point = numbers("--target", target, "N=7e10")
    if bool(point) == (budget is not None):
        raise ConfigError("say what the runs are for: --target N=7e10 --target D=1.4e12, or --budget 1e24")
    if spend is None:
        raise ConfigError("say what the runs may cost together: --spend 2e20")
    picture = None if plot is None else writable(plot, *PICTURES, option="--plot")
    saved, table = apart(source)
    made = fitted(settings(FitFile, options, table=table), saved)
    wanted: dict[str, Any] = point or {"budget": budget}
    limits = {"spend": spend, "runs": runs, "repeats": repeats, "discrepancy": discrepancy, "check": check}
    bought = choose(made, candidates, target=wanted, **limits)
    if picture is not None:
        from jaxscale.report.decisions import purchases
        from jaxscale.report.style import save

        save(purchases(bought), picture)
    about = {k: bought.attrs[k] for k in ("sd_now", "regret_now", "spent") if k in bought.attrs}
    said = f"a budget of {plain(budget)} FLOP" if budget else ", ".join(target or ())
    document = {"runs": bought, **about, "spend": spend, "notes": bought.attrs["notes"], "status": vars(made.status)}
    emit(json, document, suggestion_text(bought, said, made.law.response.column, spend))
    return DONE if len(bought) else NO
