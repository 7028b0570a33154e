"""What columns say about themselves: how parameters and compute are counted, and in which unit the loss is."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from jaxscale.cells import in_query
from jaxscale.protocols.counting import counting_slope, nonembedding_params
from jaxscale.trust.finding import Case, Finding, note, warning
from jaxscale.variables import FLOPS_PER_PARAM_TOKEN
from jaxscale.words import human, plain

OFF_6ND = 0.1  # share by which compute may differ from 6 N D before the difference matters
SLOPE = 0.05  # share by which an exponent changes with the way of counting
EMBEDDED = 0.2  # share of the smallest model that embeddings would be, from which the convention matters
LARGEST_NATS = 12.5  # a guess among 256 thousand tokens costs ln(256e3) = 12.45 nats: no mean loss is above
SMALLEST_NATS = 1.0  # per token; published floors of text lie between 1.5 and 2.2
MOST_EPOCHS = 4.0  # up to which repeated data are nearly as good as new: Muennighoff et al. 2023, arXiv 2305.16264
RISING, FEWEST_TO_RISE = 0.3, 8  # rank correlation of loss and compute, and the runs that it takes
OTHER_COUNT = re.compile(r"non_?emb|no_?emb|non_?vocab|active|effective|total|dense|attention|with_emb")
BITS = re.compile(r"bpb|bits|bpc")
PERPLEXITY = re.compile(r"ppl|perplexity")
KIND = re.compile(r"^(loss|eval)_(kind|type|name|set|split)$|^(val_set|tokenizer|smoothing|smoothing_window)$")
SCORE = re.compile(r"^(acc|err|score)|accuracy|error_rate")


def found(case: Case) -> list[Finding]:
    """All of them."""
    findings = [*_parameters(case), *_compute(case), *_epochs(case)]
    return [*findings, *_kinds(case), *_unit(case), *_rising(case)] if case.law.response.column == "loss" else findings


def _parameters(case: Case) -> list[Finding]:
    """Another count of the parameters beside the one used, or none and models so small that it matters."""
    column, n = case.column_of("params"), case.known.get("params")
    if column is None or n is None or np.ptp(np.log(n)) == 0:
        return []
    for other in counts(case):
        m = case.numeric(other)
        if m is None or not (np.isfinite(m) & (m > 0)).all() or np.ptp(np.log(m)) == 0:
            continue
        slope = float(np.polyfit(np.log(n), np.log(m), 1)[0])
        if slope > 0 and abs(1 / slope - 1) > SLOPE:
            ends = (plain(m[i] / n[i], digits=2) for i in (np.argmin(n), np.argmax(n)))
            return [
                note(
                    "params_convention",
                    f"{other} is {next(ends)} times {column} for the smallest model and {next(ends)} times for the "
                    f"largest: counted so, the exponent of N would be {plain(1 / slope, digits=2)} times what it is "
                    "now, and N* another number.",
                    f"Fit both ways and report which: --column N={other}.",
                )
            ]
    if counts(case) or case.column_of("params") != "params":
        return []  # whoever has two counts, or names one, knows which is used
    smallest = float(n.min())
    share = 1.0 - float(nonembedding_params(smallest)) / smallest
    if share < EMBEDDED:
        return []
    slope = float(counting_slope(nonembedding_params(smallest)))
    said = "more than half" if share > 0.5 else f"some {100 * share:.0f} %"
    text = (
        f"Does params count embeddings? Of a model of {human(smallest, digits=2)} they would be {said} (as in "
        f"Chinchilla's), and without them its local exponent of N would be {plain(slope, digits=2)} times what it is "
        "with them."
    )
    fix = "Say in the report which it is; where you have both counts, fit both ways: --column N=OTHER_COLUMN."
    return [note("params_convention", text, fix)]


def counts(case: Case) -> list[str]:
    """Columns that hold another count of the parameters than the one used."""
    names = [str(c) for c in case.runs.table if c not in case.used]
    return [c for c in names if "param" in c.lower() and OTHER_COUNT.search(c.lower())]


def _compute(case: Case) -> list[Finding]:
    """The table's compute against 6 N D."""
    n, d, c = (case.given(name) for name in ("params", "tokens", "flops"))
    if n is None or d is None or c is None:
        return []
    ratio = c / (FLOPS_PER_PARAM_TOKEN * n * d)
    low, middle, high = np.quantile(ratio, [0.05, 0.5, 0.95])
    if max(abs(np.log([low, middle, high]))) < np.log1p(OFF_6ND):
        return []
    column, grows = case.column_of("flops"), high / low > 1 + OFF_6ND
    low, middle, high = (plain(v, digits=2) for v in (low, middle, high))
    text = f"{column} is {low} to {high} times 6 N D, {middle} in the middle: it counts "
    text += (
        "something that changes with size, such as attention or the head, and exponents change with it. "
        if grows
        else "another number of FLOP for each parameter and token. "
    )
    text += "Plans count 6 N D."
    fix = (
        f"Keep to one count: give budgets as 6 N D, or fit with effective parameters, "
        f"table.assign(params_effective=table[{column!r}] / (6 * table[{case.column_of('tokens')!r}])) and "
        "--column N=params_effective."
    )
    return [warning("flops_convention", text, fix)]


def _epochs(case: Case) -> list[Finding]:
    """Data repeated so often that a law of tokens alone says nothing of them."""
    seen, unique = case.known.get("tokens"), case.numeric("unique_tokens")
    if seen is None or unique is None or "unique_tokens" in case.known or not np.isfinite(unique).all():
        return []
    epochs = seen / unique
    often = int(np.sum(epochs > MOST_EPOCHS))
    if not often:
        return []
    text = (
        f"{often} of {len(epochs)} runs saw their data more than {MOST_EPOCHS:.0f} times (up to {epochs.max():.0f}): "
        f"repeated tokens are worth less than new ones, and {case.law.name} counts them alike."
    )
    query = f"tokens > {MOST_EPOCHS:.0f} * unique_tokens"
    fix = f'Fit --law data_constrained, or without them: --exclude "{query}" --reason "repeated data".'
    return [warning("repeated_data", text, fix)]


def _unit(case: Case) -> list[Finding]:
    """A loss that is no loss in nats per token, by its name or because no such loss can be."""
    column, declared = case.column_of("loss"), case.runs.units
    if column is None or column in declared:
        return []
    name, y = column.lower(), case.table.y
    middle = float(np.median(y))
    if SCORE.search(name):
        return [
            warning(
                "score_as_loss",
                f"{column} ({plain(y.min(), digits=2)} to {plain(y.max(), digits=2)}) is taken for a loss and its name "
                "says score: scores have a floor and a ceiling, and a power law passes through both.",
                "Fit a law of scores (`jaxscale laws` lists them by topic), or map a loss: --column loss=COLUMN.",
            )
        ]
    if PERPLEXITY.search(name) or middle > LARGEST_NATS:
        why = "by its name" if PERPLEXITY.search(name) else f"for guessing costs at most {LARGEST_NATS} nats a token"
        return [
            warning(
                "perplexity",
                f"{column} (median {plain(middle)}) is a perplexity, {why}: a power law with a floor holds for its "
                "logarithm, and not for itself.",
                f"Give its logarithm: table.assign(loss=np.log(table[{column!r}])).",
            )
        ]
    if BITS.search(name):
        return [
            warning(
                "bits",
                f"{column} is in bits by its name, and is read as nats: E, A and B come out 1.44 times those in nats, "
                "and published ones are no comparison. N* is the same.",
                f"Declare it: --unit {column}=bits. What is counted by bytes stays by bytes.",
            )
        ]
    if middle < SMALLEST_NATS:
        return [
            note(
                "low_loss",
                f"Half of the losses are below {plain(middle)}: too low for nats per token of mixed text, though not "
                "of code. If they are bits per byte, E, A and B are not those of papers; N* is the same.",
                f"If they are bits, declare it: --unit {column}=bits.",
            )
        ]
    return []


def _kinds(case: Case) -> list[Finding]:
    """Losses that a column says were measured in different ways."""
    for column in (str(c) for c in case.runs.table if KIND.search(str(c).lower())):
        kinds, rows = np.unique(case.text(column), return_counts=True)
        if len(kinds) == 1:
            continue
        most = kinds[np.argmax(rows)]
        text = (
            f"{column} has {len(kinds)} values, {most} on {rows.max()} of {len(case.table)} rows: losses measured in "
            "different ways (last, least or smoothed; of other data or another tokenizer) do not lie on one law."
        )
        value = most if pd.api.types.is_numeric_dtype(case.runs.table[column]) else f"'{most}'"
        fix = f'Fit one kind: --where "{in_query(column)} == {value}"; or each: `jaxscale batch TABLE --by {column}`.'
        return [warning("several_losses", text, fix)]
    return []


def _rising(case: Case) -> list[Finding]:
    """Losses that grow with compute."""
    if case.compute is None or len(case.table) < FEWEST_TO_RISE:
        return []
    ranks = np.array([pd.Series(v).rank() for v in (case.table.y, case.compute)])
    if (np.ptp(ranks, axis=1) == 0).any():
        return []
    r = float(np.corrcoef(ranks)[0, 1])
    if r <= RISING:
        return []
    return [
        warning(
            "rising",
            f"The loss rises with compute (rank correlation {r:.2f}), and every law of losses falls: the fit will mean "
            "nothing.",
            "Check its sign and its column: --column loss=COLUMN; a score needs a law of scores.",
        )
    ]
