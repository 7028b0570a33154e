"""The command line. Thin: each command reads its options, calls the verb of that name and prints the answer."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from jaxscale import __version__
from jaxscale.terminal import benching, buying, catalogue, costing, deciding, repeating, trusting
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
    document = {**fit_document(made), "settings": settled.model_dump(), "saved": settled.output}
    emit(json, document, paragraphs(fit_text(made), saved))
    return DONE if made.status.ok else NO


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
    from jaxscale.terminal.answers import fit_document

    target = writable(output, ".html")
    saved, table = apart(source)
    settled = settings(FitFile, options, table=table)
    made = fitted(settled, saved)
    html.write(made, target, budget=budget)
    document = {**fit_document(made), "report": target, "saved": saved or settled.output}
    document["settings"] = None if saved else settled.model_dump()
    emit(json, document, paragraphs(str(made.status), f"The report is {target}"))
    return DONE if made.status.ok else NO


COMMANDS = (
    demo, trusting.doctor, fit, batch, predict, trusting.backtest, trusting.compare, deciding.plan, buying.suggest,
    buying.speedup, costing.cost, report, repeating.reproduce, benching.bench, catalogue.laws, catalogue.cite,
    catalogue.datasets, catalogue.simulate,
)  # fmt: skip
for command in COMMANDS:
    app.command()(command)

if __name__ == "__main__":
    main()
