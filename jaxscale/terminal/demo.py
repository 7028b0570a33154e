"""The main job, start to end, on the bundled table: what `jaxscale demo` does and says."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxscale import datasets
from jaxscale.api import fit
from jaxscale.decide.plan import plan
from jaxscale.errors import ConfigError
from jaxscale.law import get_law
from jaxscale.report import html
from jaxscale.terminal import answers
from jaxscale.terminal.decisions import plan_text
from jaxscale.trust.backtest import backtest
from jaxscale.trust.doctor import doctor
from jaxscale.variables import FLOPS_PER_PARAM_TOKEN
from jaxscale.words import number, plain

TABLE, LAW = "simulated_ladder", "chinchilla"
TIMES = 30  # the budget, in units of the largest run's compute


class _Teller:
    """Says what each step does before it, since some take a while, and how long it took after it."""

    def __init__(self, say: Callable[[str], None]):
        self.say = say
        self.seconds: dict[str, float] = {}

    def step(self, name: str, why: str, work: Callable[[], Any], text: Callable[[Any], str]) -> Any:
        self.say(f"\n=== Step {len(self.seconds) + 1} of 6: {name}. {why}\n")
        began = time.perf_counter()
        done = work()
        self.seconds[name] = time.perf_counter() - began
        self.say(f"{text(done)}\n\n[{self.seconds[name]:.1f} s]")
        return done


def run(folder: str, say: Callable[[str], None], progress: bool | None = None) -> dict[str, Any]:
    """Read, examine, fit, backtest, plan and report, each step told as it goes.

    Args:
        folder: where fit.nc and report.html go; made if it is not there.
        say: takes one piece of text at a time.
        progress: show a line while working; by default where stderr is a terminal.

    Returns:
        The same as data, for `--json`: paths, seconds of each step, and the results.

    Raises:
        ConfigError: the folder cannot be made.
    """
    home = _folder(folder)
    fit_file, report_file = home / "fit.nc", home / "report.html"
    tell = _Teller(say)
    say(f"jaxscale on one table, from file to decision. The table ({TABLE}) is simulated, not measured.")
    say("The first run on a machine compiles for up to a minute; later ones take seconds.")
    runs = tell.step("Read", "Columns and units are checked.", lambda: datasets.load(TABLE), answers.dataset_text)
    found = tell.step(
        "Examine",
        "Can this table answer at all?",
        lambda: doctor(runs, law=LAW),
        lambda findings: answers.doctor_text(runs.source, len(runs), LAW, findings),
    )
    fitted = tell.step(
        "Fit",
        "The law's parameters, with their uncertainty.",
        lambda: fit(runs, law=LAW, progress=progress),
        answers.fit_text,
    )
    scores = tell.step(
        "Backtest",
        "Would it have forecast the largest runs from the smaller ones?",
        lambda: backtest(runs, laws=[LAW], progress=progress),
        answers.backtest_text,
    )
    numbers, _ = runs.numbers(get_law(LAW).inputs)
    largest = FLOPS_PER_PARAM_TOKEN * float((numbers["N"] * numbers["D"]).max())
    budget = number(plain(TIMES * largest))
    why = f"What to train with {plain(budget)} FLOP, {plain(budget / largest, digits=2)} times the largest run?"
    decided = tell.step("Plan", why, lambda: plan(fitted, budget=budget), plan_text)

    def write() -> None:
        fitted.save(fit_file)
        html.write(fitted, report_file, budget=budget)

    tell.step("Report", "One page with figures, to open in a browser.", write, lambda _: f"The fit:    {fit_file}")
    say(
        f"\nWith a table of your own: jaxscale doctor runs.csv, then jaxscale fit runs.csv -o fit.nc, then "
        f"jaxscale plan fit.nc --budget {plain(budget)}\n\nThe report: {report_file}"
    )
    return {
        "report": report_file,
        "fit": fit_file,
        "seconds": tell.seconds,
        "findings": [vars(f) for f in found],
        **answers.fit_document(fitted),
        "backtest": scores,
        "budget": budget,
        "plan": decided.summary(),
        "recommended": decided.recommended,
    }


def _folder(folder: str) -> Path:
    home = Path(folder)
    if home.exists() and not home.is_dir():
        raise ConfigError(f"--output {folder}: this is a file; name a folder")
    home.mkdir(parents=True, exist_ok=True)
    return home
