"""What a fit, a forecast, a backtest and an examination say to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from jaxscale.forecast import COLUMNS
from jaxscale.noise import NOISE_PARAMETERS
from jaxscale.terminal.console import count, paragraphs, table
from jaxscale.words import NORMAL_90, human, plain

if TYPE_CHECKING:
    from jaxscale.result import Fit
    from jaxscale.runs import Runs
    from jaxscale.trust.doctor import Finding

MOST_ROWS_NAMED = 8
RELATIVE = ("sigma", "run_sd", "mid_schedule")  # of the noise's parameters, on the log scale
LEVELS = {"error": "Errors: no answer is possible", "warning": "Warnings: the answer suffers", "note": "Notes"}


def fit_document(fit: Fit) -> dict[str, Any]:
    """Everything that `jaxscale fit` says, as data."""
    return {
        "status": vars(fit.status),
        "law": fit.law.name,
        "law_hash": fit.about.get("law_hash", fit.law.source_hash),
        "formula": fit.law.formula,
        "noise": f"{fit.noise.name}/{fit.noise.on}",
        "summary": fit.summary(),
        "health": vars(fit.health),
        "about": fit.about,
    }


def fit_text(fit: Fit) -> str:
    """Status first; then the law and the rows; then, where they may be believed, the parameters."""
    about = fit.about
    lines = [f"Law    {fit.law.name}: {fit.law.formula}"]
    lines += [f"Runs   {count(about['rows'], 'run')} from {about['source']}"]
    lines += [f"Noise  {fit.noise.name} on the {fit.noise.on} scale"]
    took = f"{about['seconds']:.1f} s" if about["seconds"] < 100 else f"{about['seconds']:.0f} s"
    lines += [f"Method {about['method']}, seed {about['seed']}, {took}"]
    said = [*exclusions(about["excluded"]), *about["notes"]]
    notes = "\n".join(f"- {note}" for note in said)
    shown = [summary_text(fit), _record_text(fit)] if fit.status.ok else []
    return paragraphs(str(fit.status), "\n".join(lines), notes, *shown)


def _record_text(fit: Fit) -> str | None:
    """How the law has forecast this table's larger runs from its smaller ones, where it could be judged."""
    beyond = fit.discrepancy
    if beyond is None or not beyond.record:
        return None
    per = 100.0 if beyond.unit == 1.0 else 1.0
    unit = " %" if beyond.unit == 1.0 else ""
    said = [f"{fitted} runs forecast {forecast} with {plain(per * error, digits=2)}{unit}"
            for fitted, forecast, error in reversed(beyond.record)]  # fmt: skip
    return (
        f"Record, the larger runs from the smaller ones, root mean square error: {'; '.join(said)}. Beyond the data "
        f"the law's own error is taken for some {plain(per * beyond.scale, digits=2)}{unit} a decade."
    )


def exclusions(excluded: Sequence[Mapping[str, Any]]) -> list[str]:
    """A sentence for each reason for which rows were taken out."""
    by_reason: dict[str, list[int]] = {}
    for item in excluded:
        by_reason.setdefault(item["reason"], []).append(item["row"])
    sentences = []
    for reason, rows in by_reason.items():
        named = ", ".join(map(str, rows[:MOST_ROWS_NAMED])) + (", ..." if len(rows) > MOST_ROWS_NAMED else "")
        sentences.append(
            f"{count(len(rows), 'row')} excluded ({'row' if len(rows) == 1 else 'rows'} {named}): {reason.rstrip('.')}."
        )
    return sentences


def summary_text(fit: Fit) -> str:
    """The parameters with as many digits as their standard deviation lets one believe."""
    frame = fit.summary()
    summary: dict[Any, dict[str, Any]] = frame.to_dict("index")
    if not fit.has_draws:
        rows = [(p, plain(row["mean"], digits=5)) for p, row in summary.items()]
        return table(["parameter", "value"], rows)
    checks = {"r_hat": ("R-hat", "{:.3f}"), "ess_bulk": ("ESS bulk", "{:.0f}"), "ess_tail": ("ESS tail", "{:.0f}")}
    checks = {k: v for k, v in checks.items() if bool(frame[k].notna().any())}
    rows = []
    for p, row in summary.items():
        mean, sd, *quantiles = (plain(row[c], row["sd"], digits=6) for c in ("mean", "sd", "q05", "q50", "q95"))
        fixed = not row["sd"] > 0.0
        shown = [mean, "fixed", "", "", ""] if fixed else [mean, sd, *quantiles]
        rows.append([p, *shown, *("" if fixed else form.format(row[k]) for k, (_, form) in checks.items())])
    noise = fit.noise.priors
    relative = RELATIVE if fit.noise.on == "log" else ()
    said = [f"{p} is the {NOISE_PARAMETERS[p]}{', relative to the response' if p in relative else ''}" for p in noise]
    shown = table(["parameter", "mean", "sd", "5 %", "median", "95 %", *(h for h, _ in checks.values())], rows)
    return shown + (f"\n\n{'; '.join(said)}." if said else "")


def predictions_text(fit: Fit, frame: pd.DataFrame, notes: Sequence[str], decades: np.ndarray | None = None) -> str:
    """Forecasts, each number to the precision that its uncertainty allows.

    Args:
        fit: the fit.
        frame: the law's inputs, then the columns of `Fit.predict`.
        notes: what was derived.
        decades: how far each point lies outside the table, where that is part of the forecast.
    """
    if not fit.status.ok:
        return str(fit.status)
    inputs = list(fit.law.inputs)
    if not fit.has_draws:
        rows = [[*(human(r[s]) for s in inputs), plain(r["mean"], digits=5)] for r in frame.to_dict("records")]
        return paragraphs(table([*inputs, fit.law.response.column], rows, left=0), "A point fit: no intervals.")
    header, rows = _forecasts(frame, inputs)
    unit = f"{fit.law.response.column} in {fit.law.response.unit}"
    said = [f"- {n}" for n in notes]
    said += ["- The first interval is of the curve, the second of one new run."]
    beyond = fit.discrepancy
    if decades is None or beyond is None:
        said[-1] += f" Both take {fit.law.name} to be right; `jaxscale backtest` shows how its forecasts have fared."
    elif np.max(decades) > 0:
        size = f"{100 * beyond.scale:.1f} %" if beyond.unit == 1.0 else plain(beyond.scale, digits=2)
        said += [
            f"- Up to {np.max(decades):.1f} decades beyond the data both allow for an error of {fit.law.name} itself, "
            f"of about {size} a decade by {beyond.origins} forecasts within the table and the record of public ladders."
        ]
    return paragraphs(f"Predicted {unit}", table(header, rows, left=0), "\n".join(said))


def _forecasts(frame: pd.DataFrame, inputs: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of forecasts."""
    shown = ["mean", "sd", "q05", "q95", "new_q05", "new_q95"]
    rows = [
        [*(human(r[s]) for s in inputs), *(plain(r[c], r["sd"], digits=6) for c in shown)]
        for r in frame.to_dict("records")
    ]
    return [*inputs, "mean", "sd", "5 %", "95 %", "new run 5 %", "new run 95 %"], rows


def comparison_text(compared: pd.DataFrame, cuts: Mapping[float, float], forecast: pd.DataFrame | None = None) -> str:
    """The laws, the heaviest first, and what their average says.

    Args:
        compared: of `js.compare`.
        cuts: of the average.
        forecast: of `Average.predict`, after the inputs; None where nothing was asked.
    """
    rows, refused = [], []
    best = compared["elpd_loo"].max()
    for r in compared.reset_index().sort_values("weight", ascending=False).to_dict("records"):
        judged = pd.notna(r["log_rmse"])
        loo = f"{r['elpd_loo'] - best:+.1f}" if pd.notna(r["elpd_loo"]) else "-"
        record = [f"{100 * r['log_rmse']:.2f} %", f"{100 * r['coverage90']:.0f} %"] if judged else ["-", "-"]
        rows.append([r["law"], loo, *record, f"{r['weight']:.2f}"])
        if pd.isna(r["elpd_loo"]):
            refused.append(f"- {r['law']}: {r['status']}")
        elif r["k_high"]:
            refused.append(f"- {r['law']}: leave-one-out leans on {int(r['k_high'])} rows with Pareto k above .7.")
    header = ["law", "leave-one-out", "error", "inside 90 %", "weight"]
    legend = (
        "Leave-one-out is log predictive density, less that of the best law: how well a law fits within the data. "
        "Error and intervals are of the largest runs, forecast from the smaller ones. Weights follow the density a run "
        "that both gave, and stay near even where they say little."
    )
    said = [table(header, rows), "\n".join(refused), legend]
    if any(cuts):
        each = ", ".join(f"{human(least, digits=2) if least else 'any'} {weight:.2f}" for least, weight in cuts.items())
        said += [
            f"Weight by the fewest tokens of a fitted run: {each}. Runs of few tokens can bend a law, so each is "
            "fitted without them too, and weighed by the same larger runs."
        ]
    if forecast is not None and bool(forecast["mean"].notna().all()):
        inputs = [c for c in forecast.columns if c not in COLUMNS]
        said += [
            "Forecast of the average, the spread between laws included",
            table(*_forecasts(forecast, inputs), left=0),
        ]
    return paragraphs(*said)


def intervals_text(law: str, found: pd.DataFrame) -> str:
    """Three intervals of each quantity, and what it means where they part.

    Args:
        law: its name.
        found: of `js.intervals`.
    """
    from jaxscale.trust.intervals import FEW

    three = ("posterior", "profile", "bootstrap")
    kinds = [k for k in three if bool(np.isfinite(found[[f"{k}_low", f"{k}_high"]].to_numpy(float)).any())]
    rows, apart = [], []
    for name, r in found.to_dict("index").items():
        ends = [(r[f"{k}_low"], r[f"{k}_high"]) for k in kinds]
        sd = min(((high - low) / NORMAL_90 for low, high in ends if high > low), default=None)
        shown = [f"{plain(low, sd, digits=5)} to {plain(high, sd, digits=5)}" for low, high in ends]
        rows.append([name, plain(r["estimate"], sd, digits=5), *shown, "yes" if r["agree"] else "no"])
        apart += [] if r["agree"] else [str(name)]
    about = found.attrs
    title = f"{100 * about['level']:.0f} % intervals of {law}, by three ways"
    meaning = "All agree: every two share more than half of the longer."
    if apart:
        meaning = (
            f"They disagree on {', '.join(apart)}: believe the widest. A wider bootstrap says that rows share an "
            "error, or scatter unlike the noise; name their runs, or take another noise. A posterior apart from the "
            "profile says that the data leave much to the priors."
        )
    told = [f"The bootstrap turns residuals in {about['draws']} tables, by {count(about['clusters'], 'cluster')}."]
    if about["clusters"] < FEW:
        told += ["Of so few clusters it is often too narrow."]
    if missing := [k for k in three if k not in kinds]:
        told = [f"There is none by {' or '.join(missing)}."]
    return paragraphs(title, table(["quantity", "mode", *kinds, "agree"], rows), " ".join([meaning, *told]))


def backtest_text(scores: pd.DataFrame) -> str:
    """Scores of each law and fold, and a sentence on each law's record."""
    rows, refused = [], {}
    for r in scores.to_dict("records"):
        done = pd.notna(r["elpd"])
        numbers = [
            f"{100 * r['log_rmse']:.2f} %",
            f"{100 * r['coverage90']:.0f} %",
            plain(r["crps"]),
            f"{r['elpd']:.1f}",
        ]
        rows.append([r["law"], r["fold"], r["n_train"], r["n_test"], *(numbers if done else ["-"] * 4)])
        if not done:
            refused.setdefault(f"{r['law']}: {r['status']}", []).append(str(r["fold"]))
    header = ["law", "fold", "runs fitted", "forecast", "error", "inside 90 %", "CRPS", "elpd"]
    said = [f"- Fold {', '.join(folds)} gave no forecast. {why}" for why, folds in refused.items()]
    for law, own in scores[scores["elpd"].notna()].groupby("law", sort=False):
        inside = (own["coverage90"] * own["n_test"]).sum()
        total = own["n_test"].sum()
        said += [
            f"- {law}: {inside:.0f} of {total} held-out runs fell inside their 90 % interval "
            f"({100 * inside / total:.0f} %)." + _stretched(pd.DataFrame(own).to_dict("records")[0])
        ]
    legend = (
        "Fold 0 forecasts the largest runs from the smaller ones; later folds step back. The error is of the median "
        "forecast (root mean square of the logarithm); a higher elpd is a better forecast."
    )
    return paragraphs(table(header, rows), "\n".join(said), legend)


def _stretched(latest: Mapping[str, Any]) -> str:
    """What conformal prediction makes of the intervals of the fold of the largest runs."""
    times, inside = float(latest["stretch90"]), float(latest["conformal90"])
    if not np.isfinite(times):
        return ""
    return (
        f" Conformal check: the earlier folds needed intervals {plain(times, digits=2)} times as wide; stretched so, "
        f"fold {latest['fold']} has {100 * inside:.0f} % inside."
    )


def doctor_text(source: str, rows: int, law: str, findings: Sequence[Finding]) -> str:
    """Findings by level, each with its fix, and one closing sentence."""
    parts = [f"{source}: {count(rows, 'run')}"]
    for level, title in LEVELS.items():
        lines = [f"- {f.message}" + (f"\n  Fix: {f.fix}" if f.fix else "") for f in findings if f.level == level]
        parts += ["\n".join([title, *lines])] if lines else []
    errors, warnings = (sum(f.level == level for f in findings) for level in ("error", "warning"))
    if errors:
        parts += [f"This table cannot answer for {law}: mend {'the error' if errors == 1 else 'the errors'} first."]
    elif warnings:
        where = "the warning above says" if warnings == 1 else f"the {warnings} warnings above say"
        parts += [f"This table can be fitted with {law}; {where} where the answer suffers."]
    else:
        parts += [f"This table looks fit for {law}."]
    return paragraphs(*parts)


def dataset_text(runs: Runs) -> str:
    """The first rows of a table, what is in it and what was taken out."""
    head = runs.table.head().to_string(index=False, max_colwidth=24, line_width=110)
    notes = "\n".join(f"- {n}" for n in (*exclusions(runs.excluded.to_dict("records")), *runs.notes))
    first = f"{runs.source}: {count(len(runs), 'run')}, {count(len(runs.table.columns), 'column')}"
    return paragraphs(first, head, notes)
