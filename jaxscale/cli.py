"""The command line. Thin: each command reads its options, calls the verb of that name and prints the answer."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from jaxscale import __version__
from jaxscale.terminal import catalogue
from jaxscale.terminal.console import emit, paragraphs
from jaxscale.terminal.exits import DONE, NO, Commands
from jaxscale.terminal.options import (
    FITTING,
    READING,
    Budget,
    FitOrTable,
    Json,
    Output,
    Table,
    above_zero,
    amount,
    apart,
    fitted,
    numbers,
    settings,
    takes,
    writable,
)  # fmt: skip

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)  # fmt: skip


def main() -> None:
    """Entry point of `jaxscale`."""
    app()


def _version(wanted: bool) -> None:
    if wanted:
        print(f"jaxscale {__version__}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Fit neural scaling laws, and decide with them, uncertainty included.

    A first look: `jaxscale demo`. With a table of your own: `jaxscale doctor runs.csv`, then
    `jaxscale fit runs.csv -o fit.nc`, then `jaxscale plan fit.nc --budget 1e22`.

    Exit codes: 0 done; 1 the answer is "no"; 2 bad input.
    """


@app.command()
def demo(
    output: Annotated[str, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write.")] = "demo",
    json: Json = False,
) -> int:
    """Do the main job on a bundled table: see what jaxscale is for.

    Reads, examines, fits, backtests, plans and reports, in half a minute or so.
    """
    from jaxscale.terminal.demo import run

    document = run(output, lambda text: print(text, file=sys.stderr if json else sys.stdout, flush=True))
    if json:
        emit(True, document, "")
    return DONE


@app.command()
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
    runs = settings(FitFile, options, table=table).read()
    findings = examine(runs, law=wanted, budget=budget)
    errors = any(f.level == "error" for f in findings)
    document = {"source": runs.source, "rows": len(runs), "law": wanted.name, "ok": not errors}
    document["findings"] = [vars(f) for f in findings]
    emit(json, document, doctor_text(runs.source, len(runs), wanted.name, findings))
    return NO if errors else DONE


@app.command()
@takes(READING | FITTING)
def fit(table: Table = None, output: Output = None, json: Json = False, *, options: dict[str, Any]) -> int:
    """Fit a law to a table.

    First whether the fit may be believed, then the parameters with their uncertainty. A table that cannot answer
    is told why and what would help, and the exit code is 1.
    """
    from jaxscale.config import FitFile
    from jaxscale.terminal.answers import fit_document, fit_text

    settled = settings(FitFile, options, table=table, output=output)
    made = fitted(settled)
    saved = f"Saved to {settled.output}" if settled.output else None
    emit(json, {**fit_document(made), "saved": settled.output}, paragraphs(fit_text(made), saved))
    return DONE if made.status.ok else NO


@app.command()
@takes(READING | FITTING)
def batch(
    table: Table = None,
    by: Annotated[str | None, typer.Option(metavar="COLUMN", help="Column that tells the tables apart.")] = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FOLDER", help="For the results; a rerun completes it.")
    ] = None,
    keep: Annotated[int | None, typer.Option(help="Draws to keep of each fit.", show_default="1000")] = None,
    executor: Annotated[str | None, typer.Option(help="local, or ray for a cluster.", show_default="local")] = None,
    workers: Annotated[int | None, typer.Option(help="Shards at once.", show_default="one a core")] = None,
    shard_size: Annotated[int | None, typer.Option(help="Tables of a shard, about.", show_default="256")] = None,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Fit a law to each of many tables at once.

    One health table for all, and a folder that `jaxscale.load` reads. What was finished when a run was stopped
    is not done again. Exit code 1 where no table could be answered.
    """
    from jaxscale.config import BatchFile
    from jaxscale.terminal.batch import batch_document, batch_text

    work = {"output": output, "keep": keep, "executor": executor, "workers": workers, "shard_size": shard_size}
    settled = settings(BatchFile, options | ({"group": by} if by else {}), table=table, **work)
    many = settled.run_many()
    emit(json, batch_document(many) | {"saved": settled.output}, batch_text(many, settled.output))
    return DONE if bool(many.status().ok.any()) else NO


@app.command()
@takes(READING | FITTING)
def predict(
    source: FitOrTable = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=VALUES", help="Where: N=7e10, or several: N=1e9,7e10.")
    ] = None,
    discrepancy: Annotated[
        bool, typer.Option(help="Beyond the data, allow for what the law may be wrong by, as its record says.")
    ] = True,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Predict the loss of runs that were not made.

    With intervals of the curve and of one new run.
    """
    from jaxscale.config import FitFile
    from jaxscale.terminal.answers import predictions_text

    points = numbers("--at", at, "N=7e10")
    if not points:
        raise typer.BadParameter("say where, such as --at N=7e10 --at D=1.4e12", param_hint="--at")
    saved, table = apart(source)
    made = fitted(settings(FitFile, options, table=table), saved)
    inputs, derived = made.inputs_at(points)
    frame = made.predict(points, discrepancy)
    beyond = made.discrepancy if discrepancy and made.has_draws else None
    decades = None if beyond is None else beyond.decades(made.law, inputs)
    frame = frame.assign(**inputs).reindex(columns=[*inputs, *frame.columns])
    document = {"status": vars(made.status), "law": made.law.name, "predictions": frame, "notes": list(derived)}
    document["discrepancy"] = (
        None if beyond is None or decades is None else {"per_decade": beyond.scale, "decades": decades}
    )
    emit(json, document, predictions_text(made, frame, derived, decades))
    return DONE if made.status.ok else NO


@app.command()
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
    runs = settled.read()
    scores = score(runs, laws=chosen, hold_out=hold_out, noise=noise, seed=settled.seed, discrepancy=discrepancy)
    emit(json, {"source": runs.source, "rows": len(runs), "backtest": scores}, backtest_text(scores))
    return DONE if bool(scores["log_rmse"].notna().any()) else NO


@app.command()
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
    seed: Annotated[int, typer.Option(help="Of every random draw.")] = 0,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Compare laws by leave-one-out and by their record, and average them.

    Every law is fitted, and the larger runs are forecast from the smaller ones. Weights follow the record as far as it
    goes; with --at, the weighed average forecasts runs that were not made.
    """
    from jaxscale.config import FitFile
    from jaxscale.forecast import inputs_at
    from jaxscale.law import get_law
    from jaxscale.terminal.answers import comparison_text
    from jaxscale.trust.compare import LAWS, average

    chosen = [get_law(name) for name in law or LAWS]
    settled = settings(FitFile, options | {"seed": seed}, table=table)
    runs, points = settled.read(), numbers("--at", at, "N=7e10")
    found, frame = average(runs, chosen, noise, hold_out, settled.seed), None
    if points:
        inputs, _ = inputs_at(chosen[0], points)
        forecast = found.predict(points)
        frame = forecast.assign(**inputs).reindex(columns=[*inputs, *forecast.columns])
    document = {
        "source": runs.source,
        "rows": len(runs),
        "compare": found.comparison.reset_index(),
        "predictions": frame,
    }
    emit(json, document, comparison_text(found.comparison, frame))
    return DONE if found.weights else NO


@app.command()
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


@app.command()
@takes(READING | FITTING)
def report(
    source: FitOrTable = None,
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE", help="The page to write.")] = "report.html",
    budget: Budget = None,
    json: Json = False,
    *,
    options: dict[str, Any],
) -> int:
    """Write one HTML page about a fit, with figures."""
    from jaxscale.config import FitFile
    from jaxscale.report import html

    target = writable(output, ".html")
    saved, table = apart(source)
    made = fitted(settings(FitFile, options, table=table), saved)
    html.write(made, target, budget=budget)
    emit(json, {"report": target, "status": vars(made.status)}, paragraphs(str(made.status), f"The report is {target}"))
    return DONE if made.status.ok else NO


for command in (catalogue.laws, catalogue.cite, catalogue.datasets, catalogue.simulate):
    app.command()(command)

if __name__ == "__main__":
    main()
