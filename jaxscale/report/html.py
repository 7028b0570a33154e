"""One self-contained page about a fit: status, answer, figures, evidence and all that a paper should state."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jaxscale.decide.plan import FLAT, Plan, plan
from jaxscale.errors import PlanError
from jaxscale.held import runs_of
from jaxscale.report.checklist import call, checklist, dataset_of
from jaxscale.report.content import DERIVATIONS, default_budget, sizes_matter
from jaxscale.report.evidence import fold_name
from jaxscale.report.figures import figures
from jaxscale.report.style import EVERY, EVERY_DARK, human, plain, typeset
from jaxscale.result import Fit
from jaxscale.runs import Runs
from jaxscale.trust.backtest import forecasts
from jaxscale.trust.doctor import Finding, doctor
from jaxscale.trust.sensitivity import sensitivity
from jaxscale.words import by_name, spread

LEAST_RUNS = 20  # for a backtest
UNITS = {"N": "parameters", "D": "training tokens", "tokens_per_param": "tokens per parameter", "loss": ""}


def write(fit: Fit, path: str | os.PathLike[str], budget: float | None = None, runs: Runs | None = None) -> None:
    """Write a page about a fit: HTML with inline figures, that loads nothing and needs no script.

    Args:
        fit: any fit; a refused one has its status and fix, its data, and no interval anywhere.
        path: of the page, written whole or not at all. The same fit gives the same bytes.
        budget: training FLOP to answer for; ten times the largest run's unless given, for laws of models and tokens.
        runs: the table, for the doctor and the backtest; rebuilt from the fit unless given.

    Raises:
        PlanError: the budget is not a positive number.
    """
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise PlanError(f"The budget must be a positive number of FLOP; got {budget!r}.")
    path, runs = Path(path), runs or runs_of(fit)
    target = (budget or default_budget(fit)) if sizes_matter(fit) else None
    planned, no_plan = _planned(fit, target)
    scores, points, hold_out = _backtest(fit, runs)
    findings = doctor(runs, fit.law, target)
    sizes = planned.draws["N"] if planned and fit.has_draws else None
    leaning = pd.DataFrame() if planned is None else sensitivity(fit, runs, planned.budget, sizes)
    page = {
        "fit": fit,
        "source": _named(fit.about["source"]),
        "answer": _answer(fit, planned, no_plan, given=budget is not None),
        "figures": figures(fit, target, planned, points),
        "parameters": _parameters(fit),
        "leaning": _leaning(leaning),
        "published": _published(fit),
        "findings": findings,
        "scores": _scores(scores),
        "hold_out": hold_out,
        "checklist": checklist(fit, hold_out),
        "call": call(fit),
        "notes": [n for n in fit.about["notes"] if n not in DERIVATIONS],
        "light": EVERY,
        "dark": EVERY_DARK,
        "json": _json(_numbers(fit, target, planned, scores, findings, leaning)),
    }
    loader = FileSystemLoader(Path(__file__).parent)
    room = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_kept
    )
    _whole(path, room.get_template("page.html.j2").render(page))


def _named(source: str) -> str:
    """The table's name for a title: a file's, or what it was if not a file ("<DataFrame>")."""
    if dataset := dataset_of(source):
        return dataset
    return f"a {source.strip('<>')}" if source.startswith("<") else Path(source).name


def _planned(fit: Fit, target: float | None) -> tuple[Plan | None, str]:
    if target is None or not fit.status.ok:
        return None, ""
    try:
        return plan(fit, target), ""
    except PlanError as error:
        return None, str(error)


def _answer(fit: Fit, planned: Plan | None, no_plan: str, given: bool) -> dict[str, Any]:
    """The answer in large type (cards) and in sentences."""
    if not fit.status.ok:
        why = "A fit that is refused gives no forecast and no interval."
        return {"title": "No answer", "cards": [], "sentences": [why]}
    if planned is None:
        decides = fit.law.decides or "nothing by itself"
        why = (
            no_plan
            or f"The law {fit.law.name} decides {decides}: it does not split compute. fit.predict gives its values."
        )
        unused = "The budget that was given has no meaning for it." if given and not no_plan else ""
        return {"title": "No best size", "cards": [], "sentences": [s for s in (why, unused) if s]}
    summary = planned.summary()
    cards = []
    for quantity, unit in UNITS.items():
        row = summary.loc[quantity]
        low, middle, high = (
            typeset(by_name(quantity, row[q], spread(row["q05"], row["q95"]))) for q in ("q05", "q50", "q95")
        )
        unit = unit or f"{fit.law.response.meaning}, {fit.law.response.unit}"
        cards.append({"value": middle, "unit": unit, "ends": [low, high] if fit.has_draws else []})
    valley, best = planned.valley(), planned.recommended
    flat = "The choice is flat: any" if valley["N_high"] > 2.0 * valley["N_low"] else "Any"
    sentences = [
        f"{flat} size from {human(valley['N_low'])} parameters on {human(valley['D_high'])} tokens to "
        f"{human(valley['N_high'])} on {human(valley['D_low'])} is expected to lose less than {100 * FLAT:g} % "
        "to the best."
    ]
    if fit.has_draws:
        sentences.append(
            f"If you must choose one, {human(best['N'])} parameters on {human(best['D'])} tokens has the least "
            f"expected loss; with 95 % probability it loses less than {plain(best['regret_q95'], digits=2)} "
            f"{fit.law.response.unit} to the best size that hindsight would have chosen."
        )
    sentences += planned.notes
    if not given:
        sentences.append("No budget was given, so this is ten times the compute of the largest run.")
    title = f"With {plain(planned.budget)} FLOP of training compute"
    return {"title": title, "cards": cards, "sentences": sentences}


def _backtest(fit: Fit, runs: Runs) -> tuple[pd.DataFrame | None, pd.DataFrame | None, str]:
    """Scores and points, or neither, and a sentence on it."""
    if not fit.status.ok:
        return None, None, "None: the fit was refused."
    if not fit.has_draws or not fit.noise.bayesian:
        return None, None, "None: a point fit has no predictive distribution to score."
    if fit.status.code == "bootstrap":
        return None, None, "None: the backtest scores posteriors, and this is a bootstrap of a point."
    if len(runs) < LEAST_RUNS:
        return None, None, f"None: {len(runs)} runs are too few to hold some out (at least {LEAST_RUNS} are needed)."
    scores, points = forecasts(runs, fit.law, noise=fit.noise, seed=fit.about["seed"], progress=False)
    if not len(points):
        why = "with the largest runs held out, the rest do not determine the law."
        return scores, None, f"No fold could be forecast: {why}"
    inside = points["inside"].to_numpy(bool)
    said = (
        f"{points['fold'].nunique()} of {len(scores)} folds could be forecast, each the next larger fifth of the runs: "
        f"{inside.sum()} of {len(inside)} held-out runs ({100 * inside.mean():.0f} %) lie inside their 90 % interval."
    )
    return scores, points, said


def _by_name(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Rows of a table of numbers: index -> column -> value."""
    rows = zip(map(str, table.index), table.to_numpy(float), strict=True)
    return {name: dict(zip(map(str, table.columns), map(float, values), strict=True)) for name, values in rows}


def _parameters(fit: Fit) -> list[dict[str, str]]:
    rows = []
    for name, row in _by_name(fit.summary()).items():
        sd = float(row["sd"]) if math.isfinite(row["sd"]) else None
        digits = 5 if sd is None else 6  # of a point, and of a parameter that was fixed
        cells = {k: plain(row[k], sd, digits) for k in ("mean", "sd", "q05", "q50", "q95")}
        cells |= {"name": name, "r_hat": _fixed(row["r_hat"], 3)}
        cells["ess"] = _fixed(min(row["ess_bulk"], row["ess_tail"]), 0)
        rows.append(cells)
    return rows


def _leaning(table: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {
            "assumption": row["assumption"],
            "params": typeset(human(row["params"])) if math.isfinite(row["params"]) else "\u2013",
            "times": _fixed(row["times"], 3),
            "sds": _fixed(row["sds"], 2),
        }
        for row in table.to_dict("records")
    ]


def _published(fit: Fit) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "values": [repr(p[k]) if k in p else "" for k in fit.law.params],
            "note": f"{p.certainty}; {p.note}",
        }
        for name, p in fit.law.published.items()
    ]


def _scores(scores: pd.DataFrame | None) -> list[dict[str, str]]:
    if scores is None:
        return []
    return [
        {
            "what": fold_name(row["fold"]),
            "n_train": str(row["n_train"]),
            "n_test": str(row["n_test"]),
            "log_rmse": _fixed(row["log_rmse"], 4),
            "crps": _fixed(row["crps"], 4),
            "coverage90": f"{100 * row['coverage90']:.0f} %" if math.isfinite(row["coverage90"]) else "\u2013",
            "elpd": _fixed(row["elpd"], 1),
            "status": row["status"],
        }
        for row in scores.to_dict("records")
    ]


def _fixed(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "\u2212") if math.isfinite(value) else "\u2013"


def _numbers(
    fit: Fit,
    target: float | None,
    planned: Plan | None,
    scores: pd.DataFrame | None,
    findings: list[Finding],
    leaning: pd.DataFrame,
) -> dict[str, Any]:
    """Every number of the page at full precision."""
    return {
        "law": fit.law.name,
        "law_hash": fit.law.source_hash,
        "formula": fit.law.formula,
        "status": asdict(fit.status),
        "health": asdict(fit.health),
        "summary": _by_name(fit.summary()),
        "point": dict(fit.point),
        "budget": target,
        "plan": planned
        and {
            "summary": _by_name(planned.summary() if fit.has_draws else planned.summary().filter(["q50"])),
            "recommended": planned.recommended,
            "valley": planned.valley(),
            "notes": list(planned.notes),
        },
        "backtest": None if scores is None else scores.to_dict("records"),
        "findings": [asdict(f) for f in findings],
        "sensitivity": leaning.to_dict("records"),
        "about": dict(fit.about),
    }


def _json(numbers: dict[str, Any]) -> Markup:
    """JSON that may stand in a page: what is not finite is null, and nothing ends the script element."""
    text = json.dumps(_plain(numbers), indent=1, allow_nan=False, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by whom the folder's owner would expect."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _kept(value: Any) -> Any:
    """A number and its % stay on one line."""
    return value.replace(" %", "\u00a0%") if type(value) is str else value
