"""Commands that ask whether a forecast can be trusted: doctor, backtest, compare."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jaxscale.terminal.console import emit, paragraphs
from jaxscale.terminal.exits import DONE, NO
from jaxscale.terminal.options import (
    READING,
    Budget,
    Json,
    Table,
    numbers,
    settings,
    takes,
)  # fmt: skip


@takes(READING)
def doctor(
    table: Table = None,
    law: Annotated[str, typer.Option(help="Law that is to be fitted.")] = "chinchilla",
    budget: Budget = None,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Examine a table before a fit: can it answer?

    Each finding comes with its fix, often the run that would mend it. Exit code 1 where no answer is possible.
    """
    from jaxscale.config import FitFile
    from jaxscale.law import get_law
    from jaxscale.terminal.answers import doctor_text
    from jaxscale.trust.doctor import doctor as examine

    wanted = get_law(law)
    runs = settings(FitFile, options, table=table).read([wanted])
    findings = examine(runs, law=wanted, budget=budget)
    errors = any(f.level == "error" for f in findings)
    document = {"source": runs.source, "rows": len(runs), "law": wanted.name, "ok": not errors}
    document["findings"] = [vars(f) for f in findings]
    emit(json, document, doctor_text(runs.source, len(runs), wanted.name, findings))
    return NO if errors else DONE


@takes(READING)
def backtest(
    table: Table = None,
    law: Annotated[list[str] | None, typer.Option(help="A law; repeat for several.", show_default="chinchilla")] = None,
    hold_out: Annotated[float, typer.Option(help="Share of the runs, the largest, to forecast.")] = 0.2,
    discrepancy: Annotated[
        bool, typer.Option(help="Forecast as predict does, with what the law may be wrong by beyond the data.")
    ] = True,
    noise: Annotated[str | None, typer.Option(help="As of fit, but not auto, least_squares or huber.")] = None,
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Fit the smaller runs, forecast the larger ones, score."""
    from jaxscale.config import FitFile
    from jaxscale.law import get_law
    from jaxscale.terminal.answers import backtest_text
    from jaxscale.trust.backtest import backtest as score

    chosen = [get_law(name) for name in law or ["chinchilla"]]
    settled = settings(FitFile, options | {"seed": seed}, table=table)
    runs = settled.read(chosen)
    scores = score(runs, laws=chosen, hold_out=hold_out, noise=noise, seed=settled.seed, discrepancy=discrepancy)
    emit(json, {"source": runs.source, "rows": len(runs), "backtest": scores}, backtest_text(scores))
    return DONE if bool(scores["log_rmse"].notna().any()) else NO


@takes(READING)
def compare(
    table: Table = None,
    law: Annotated[
        list[str] | None, typer.Option(help="A law; repeat.", show_default="chinchilla, coupled and kaplan_nd")
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=VALUES", help="Where the average is to forecast: N=7e10.")
    ] = None,
    hold_out: Annotated[float, typer.Option(help="Share of the runs, the largest, to forecast.")] = 0.2,
    noise: Annotated[str | None, typer.Option(help="As of fit, but not auto, least_squares or huber.")] = None,
    intervals: Annotated[
        bool, typer.Option("--intervals", help="Set three intervals of the heaviest law's parameters side by side.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Compare laws by leave-one-out and by their record, and average them.

    Every law is fitted, and the larger runs are forecast from the smaller ones. Weights follow the record as far as it
    goes; with --at, the weighed average forecasts runs that were not made. With --intervals, the parameters of the law
    of the largest weight, and its curve at --at, have intervals by posterior, profile and wild cluster bootstrap: where
    they part, one of their assumptions fails.
    """
    from jaxscale.config import FitFile
    from jaxscale.forecast import inputs_at
    from jaxscale.law import get_law
    from jaxscale.terminal.answers import comparison_text
    from jaxscale.trust.compare import LAWS, average

    chosen = [get_law(name) for name in law or LAWS]
    settled = settings(FitFile, options | {"seed": seed}, table=table)
    runs, points = settled.read(chosen), numbers("--at", at, "N=7e10")
    found, frame = average(runs, chosen, noise, hold_out, settled.seed), None
    if points:
        inputs, _ = inputs_at(chosen[0], points)
        forecast = found.predict(points)
        frame = forecast.assign(**inputs).reindex(columns=[*inputs, *forecast.columns])
    document = {
        "source": runs.source,
        "rows": len(runs),
        "compare": found.comparison.reset_index(),
        "cuts": [{"min_tokens": least, "weight": weight} for least, weight in found.cuts.items()],
        "predictions": frame,
    }
    text = comparison_text(found.comparison, found.cuts, frame)
    if intervals:
        from jaxscale.terminal.answers import intervals_text
        from jaxscale.trust.intervals import intervals as three

        document["intervals"] = None
        whole = {law: weight for law, weight in found.weights.items() if found.fits[law].has_draws}
        if whole:
            heaviest = max(whole, key=lambda name: whole[name])
            side = three(runs, at=points or None, seed=settled.seed, posterior=found.fits[heaviest])
            document["intervals"] = {"law": heaviest, **side.attrs, "quantities": side}
            text = paragraphs(text, intervals_text(heaviest, side))
    emit(json, document, text)
    return DONE if found.weights else NO
