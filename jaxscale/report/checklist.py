"""The checklist for publication, filled from what a fit knows of itself."""

from __future__ import annotations

import inspect
import math
from typing import Any

from jaxscale import datasets
from jaxscale.report.content import DERIVATIONS
from jaxscale.report.style import plain, typeset
from jaxscale.result import Fit

NAMES = {"student_t": "Student-t", "normal": "normal", "binomial": "binomial", "least_squares": "least squares"}
MOST_ROWS = 12
YOURS = "jaxscale cannot know; say it yourself"


def checklist(fit: Fit, hold_out: str) -> list[tuple[str, str]]:
    """What a reader needs to repeat or doubt a fit, as (item, text).

    Args:
        fit: any fit.
        hold_out: a sentence on the backtest.
    """
    about = fit.about
    return [
        ("Functional form", f"{fit.law.formula.rstrip('.')}. Law {fit.law.name}: {fit.law.source}."),
        ("Definition of inputs", _inputs(fit)),
        ("Definition of the response", _response(fit)),
        ("Priors", _priors(fit)),
        (
            "Data",
            f"{about['rows']} runs from {about['source']}, content hash {about['content_hash'][:16]}.{_columns(about)}",
        ),
        ("Exclusions", _exclusions(about["excluded"])),
        ("Objective", _objective(fit)),
        ("Noise", _noise(fit)),
        ("Method", _method(fit)),
        ("Starts and basins", _basins(about["basins"])),
        ("Diagnostics", _diagnostics(fit)),
        ("Intervals", _intervals(fit)),
        ("Held-out check", hold_out),
        ("Seed", f"{about['seed']}, for every random draw."),
        ("Versions", ", ".join(f"{k} {v}" for k, v in about["versions"].items()) + "."),
        ("Device and time", f"{about['device']}, {about['seconds']:.1f} s, in float64."),
    ]


def call(fit: Fit) -> str:
    """Python that repeats the fit."""
    about, lines = fit.about, ["import jaxscale as js", ""]
    read = f"{about['source']!r}"
    if about["columns"]:
        read += f", columns={dict(about['columns'])!r}"
    if dataset := dataset_of(about["source"]):
        lines.append(f"runs = js.datasets.load({dataset!r})")
    else:
        lines.append(
            "runs = js.read_runs(frame)" if about["source"].startswith("<") else f"runs = js.read_runs({read})"
        )
    if about["excluded"]:
        lines.append(f"# and the {len(about['excluded'])} exclusions of the checklist")
    priors = ", priors=..." if about["priors"] else ""
    options = f'law="{fit.law.name}", noise="{fit.noise.spec}", method="{about["method"]}", seed={about["seed"]}'
    lines.append(f"fit = js.fit(runs, {options}, draws={about['draws']}{priors})")
    return "\n".join(lines)


def _inputs(fit: Fit) -> str:
    parts = [f"{s}: {v.meaning} (column {v.column!r}, in {v.unit})" for s, v in fit.law.inputs.items()]
    said = " ".join((inspect.getdoc(fit.law.mean) or "").split("\n", 1)[1:]).split()
    derived = [n for n in fit.about["notes"] if n in DERIVATIONS]
    text = f"{'; '.join(parts)}."
    text += f" The law says: {' '.join(said)}" if said else ""
    text += f" Derived: {'; '.join(derived)}." if derived else ""
    if "params" in {v.column for v in fit.law.inputs.values()}:
        text += f" Whether this table counts embeddings: {YOURS}."
    return text


def _response(fit: Fit) -> str:
    response = fit.law.response
    column = fit.about["columns"].get(response.column, response.column)
    text = f"{response.meaning} (column {column!r}, in {response.unit})."
    if response.column == "loss":
        text += f" Whether it is the last, the least or a smoothed one, of which data and tokenizer: {YOURS}."
    return text


def _priors(fit: Fit) -> str:
    changed = fit.about["priors"]
    if not changed:
        return f"The defaults of law {fit.law.name} for {', '.join(fit.law.free)}."
    given = "; ".join(f"{p}: {v}" for p, v in changed.items())
    return f"Given by the user: {given}. The others are the defaults of the law."


def _columns(about: Any) -> str:
    mapped = ", ".join(f"{k} is column {v!r}" for k, v in about["columns"].items())
    return f" {mapped}." if mapped else ""


def _exclusions(excluded: list[dict[str, Any]]) -> str:
    if not excluded:
        return "None: every row of the table was used."
    by_reason: dict[str, list[str]] = {}
    for row in excluded:
        by_reason.setdefault(row["reason"], []).append(str(row["row"]))
    parts = [f"{len(rows)} for {reason!r} (rows {_some(rows)})" for reason, rows in by_reason.items()]
    return f"{len(excluded)} rows: {'; '.join(parts)}."


def _some(rows: list[str]) -> str:
    more = len(rows) - MOST_ROWS
    return ", ".join(rows[:MOST_ROWS]) + (f" and {more} more" if more > 0 else "")


def _objective(fit: Fit) -> str:
    if not fit.noise.bayesian:
        return f"The sum of {_named(fit)} losses of {_scale(fit)} residuals, plus the priors' weak pull."
    return "Posterior density: the noise model's likelihood times the priors."


def _named(fit: Fit) -> str:
    delta = getattr(fit.noise, "delta", None)
    return f"Huber (delta {plain(delta)})" if delta is not None else NAMES.get(fit.noise.name, fit.noise.name)


def _scale(fit: Fit) -> str:
    return f"log-{fit.law.response.meaning}" if fit.noise.on == "log" else "plain"


def _noise(fit: Fit) -> str:
    learned = " and ".join(fit.noise.priors)
    if not fit.noise.bayesian or not learned:
        return f"{_named(fit)}, on {_scale(fit)} residuals.".replace("binomial, on plain residuals", "binomial counts")
    return f"{_named(fit)} on {_scale(fit)} residuals; {learned} learned with the law."


def _method(fit: Fit) -> str:
    asked = f"method={fit.about['method']!r}"
    used = fit.health.method
    if used == "none":
        return f"{asked}; refused from the design alone, nothing was sampled."
    stages = f" Stages: {'; '.join(fit.about['stages'])}." if fit.about["stages"] else ""
    return f"{asked}, answered by {used}.{stages}"


def _basins(basins: dict[str, float]) -> str:
    if not basins:
        return "No search was made."
    share, behind = basins["share_of_starts_in_best"], basins["second_basin_behind_by"]
    second = (
        f"the next best is {plain(behind, digits=2)} in objective behind"
        if math.isfinite(behind)
        else "no second basin was found"
    )
    return f"{100 * share:.0f} % of the starts that count reached the best optimum; {second}."


def _diagnostics(fit: Fit) -> str:
    health = fit.health
    known = {
        "R-hat": (health.r_hat, 3),
        "bulk effective draws": (health.ess_bulk, 0),
        "tail effective draws": (health.ess_tail, 0),
        "E-BFMI": (health.ebfmi, 2),
        "Pareto k": (health.pareto_k, 2),
        "effective draws of weights": (health.ess_weights, 0),
    }
    parts = [f"{name} {value:.{places}f}" for name, (value, places) in known.items() if math.isfinite(value)]
    parts += [f"{health.divergences} divergences"] if health.led_by_gradients else []
    return f"Worst over parameters: {', '.join(parts)}." if parts else "None apply."


def _intervals(fit: Fit) -> str:
    if not fit.status.ok:
        return "None is given: the fit was refused."
    if not fit.has_draws:
        return "None: a point fit has no interval."
    kind = "bootstrap percentile" if fit.health.method == "bootstrap" else "equal-tailed posterior"
    count = typeset(str(len(next(iter(fit.draws().values())))))
    return f"90 % {kind} intervals (5 % to 95 %) over {count} draws. They believe the law; the backtest tests it."


def dataset_of(source: str) -> str | None:
    """The public table that a source names ("name (where it is from)"), else None."""
    name = source.partition(" (")[0]
    return name if name in {d.name for d in datasets.list()} else None
