"""The part of a scaling study's checklist that concerns its runs; `jaxscale.report` writes that of the fit."""

from __future__ import annotations

import numpy as np

from jaxscale.errors import DataError
from jaxscale.runs import Runs
from jaxscale.variables import FLOPS, FLOPS_PER_PARAM_TOKEN, LOSS, PARAMS, TOKENS, Response, Variable
from jaxscale.words import human, plain

YOURS = "jaxscale cannot know; say it yourself"
SETTINGS = {
    "learning rate": ("lr", "learning_rate", "peak_lr"),
    "batch size": ("batch", "batch_size", "bs"),
    "seed": ("seed",),
    "steps": ("step", "steps", "total_steps"),
}
WITHIN = 0.02  # of 6 N D, that compute counts as


def study_checklist(runs: Runs) -> list[tuple[str, str]]:
    """What a reader needs to know of the runs behind a fit, as (item, text), filled as far as the table tells.

    It asks how many models there are and how they span sizes, tokens and compute, how compute and parameters were
    counted, whether checkpoints of one run were used, and which settings varied. The form, the objective, the
    optimiser, its starts and the validation are in the checklist of a fit's report.

    Args:
        runs: any table.

    Source: Li et al. 2025, (Mis)Fitting: A Survey of Scaling Laws, arXiv 2502.18969.
    """
    n, d, c = (_known(runs, v) for v in (PARAMS, TOKENS, FLOPS))
    loss = _known(runs, LOSS)
    models = f"{len(np.unique(n))} sizes, {_span(n)} parameters" if n is not None else f"No sizes: {YOURS}"
    return [
        ("Runs and models", f"{len(runs)} rows, {len(runs.excluded)} excluded; {models}."),
        ("Tokens", f"{_span(d)}." if d is not None else f"Not in the table: {YOURS}."),
        ("Compute", _compute(n, d, c)),
        ("Parameters counted", f"With or without embeddings and the head: {YOURS}."),
        ("Checkpoints", _checkpoints(n, d)),
        ("Settings that varied", _settings(runs)),
        ("Loss", f"{plain(loss.min())} to {plain(loss.max())}, {len(loss)} values. On which data, and with which "
         f"tokenizer: {YOURS}." if loss is not None else f"Not in the table: {YOURS}."),
        ("Tuning, schedule and architecture", f"{YOURS.capitalize()}."),
        ("Code and data", f"{YOURS.capitalize()}."),
    ]  # fmt: skip


def _known(runs: Runs, wanted: Variable | Response) -> np.ndarray | None:
    """The column as numbers; None where the table lacks it."""
    column = wanted.column
    if column not in runs.table and column not in runs.columns:
        return None
    try:
        return runs.numbers({"x": wanted})[0].get("x")
    except DataError:
        return None


def _span(values: np.ndarray) -> str:
    return f"{human(values.min())} to {human(values.max())} ({plain(np.log10(values.max() / values.min()))} decades)"


def _compute(n: np.ndarray | None, d: np.ndarray | None, c: np.ndarray | None) -> str:
    if c is None:
        return "Not in the table; where a law asks for it, 6 N D is meant."
    text = f"{plain(c.min())} to {plain(c.max())} FLOP."
    if n is None or d is None:
        return f"{text} How it was counted: {YOURS}."
    ratio = c / (FLOPS_PER_PARAM_TOKEN * n * d)
    if float(np.abs(ratio - 1.0).max()) < WITHIN:
        return f"{text} It is 6 N D."
    return f"{text} Over 6 N D it is {plain(ratio.min())} to {plain(ratio.max())}; how it was counted: {YOURS}."


def _checkpoints(n: np.ndarray | None, d: np.ndarray | None) -> str:
    if n is None or d is None:
        return f"Final losses or checkpoints on the way: {YOURS}."
    most = int(np.unique(n, return_counts=True)[1].max())
    return f"Up to {most} rows a size. Whether these are runs of their own or checkpoints of one: {YOURS}."


def _settings(runs: Runs) -> str:
    found = []
    for name, columns in SETTINGS.items():
        column = next((k for k in runs.table.columns if str(k).lower() in columns), None)
        if column is not None:
            count = len(runs.table[column].unique())
            found.append(f"{name} ({count} value{'s' if count != 1 else ''})")
    return f"In the table: {', '.join(found)}." if found else f"None in the table: {YOURS}."
