"""What a robust fit leaves unexplained: rows off the law, which way, where, and of which family."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
from scipy import stats

from jaxscale.api import fit
from jaxscale.cells import in_query
from jaxscale.residuals import patterns, residuals
from jaxscale.trust.finding import Finding, note, warning
from jaxscale.trust.mode import Mode
from jaxscale.words import human, plain

OUTLYING = 6.0  # robust standard deviations
MOST_NAMED = 6
FAR_OFF = 3.0  # robust standard deviations, from which the place and the side of a row are looked at
SURE = 1e-3  # chance by luck of what is said of early rows and of families
EARLY_ROWS, EARLY_SHARE = 3, 0.25  # fewest early rows, and the share of the rows that may be early
MOSTLY = 0.5  # share of the early rows that must be far off
LAGGING = 0.01  # chance of so one-sided rows by luck
FAMILIES, FEWEST_OF_ONE = 30, 3  # values of a column, and rows of each, that are compared
APART = 1.0  # robust standard deviations between families
STRENGTH = re.compile(r"rank correlation ([+-][0-9.]+)")
WEAK, STRONGEST = 0.25, 2  # rank correlation that is not worth a word, and how many patterns are


def found(mode: Mode, unexplained: bool) -> list[Finding]:
    """All of them.

    Args:
        mode: the fit.
        unexplained: whether nothing is known that would put rows off the law, such as a sweep of settings.
    """
    if mode.scale == 0.0:
        return []
    early, cut = _early(mode)
    findings = [*_outliers(mode), *early, *_families(mode)]
    return [*findings, *_under_tuned(mode, cut), *_patterns(mode)] if unexplained else findings


def _outliers(mode: Mode) -> list[Finding]:
    """Runs far from a robust fit, by name."""
    case, residual = mode.case, mode.residual
    far = np.flatnonzero(np.abs(residual) > OUTLYING * mode.scale)
    if not len(far):
        return []
    far = far[np.argsort(-np.abs(residual[far]))]
    named = [f"{case.runs.label(int(i))} ({mode.amount(float(residual[i]))})" for i in far[:MOST_NAMED]]
    more = f" and {len(far) - MOST_NAMED} more" if len(far) > MOST_NAMED else ""
    lie = "lies" if len(far) == 1 else "lie"
    text = (
        f"{len(far)} of {len(case.table)} runs {lie} more than {OUTLYING:.0f} robust standard deviations "
        f"({mode.spread(mode.scale)}) from the law, the farthest first: {', '.join(named)}{more}."
    )
    if mode.model.noise.name == "student_t":
        text += " Student-t noise keeps them from moving the fit; least squares would follow them."
    fix = "Look at their logs. If a run is broken, exclude it with a reason: --exclude QUERY --reason TEXT."
    return [warning("outliers", text, fix)]


def _early(mode: Mode) -> tuple[list[Finding], float]:
    """Rows of few tokens that do not follow the law, and the tokens below which they lie (0 where there are none).

    The cut is where the rows below are most surely richer in far-off ones than the rest.
    """
    tokens = mode.case.known.get("tokens")
    if tokens is None:
        return [], 0.0
    order = np.argsort(tokens, kind="stable")
    off = np.abs(mode.residual[order]) > FAR_OFF * mode.scale
    n, total = len(off), int(off.sum())
    counts = np.arange(EARLY_ROWS, int(EARLY_SHARE * n) + 1)
    counts = counts[tokens[order][counts - 1] < tokens[order][counts]]  # a cut between two values
    if total < EARLY_ROWS or not len(counts):
        return [], 0.0
    below = np.cumsum(off)[counts - 1]
    chance = np.where(below < MOSTLY * counts, 1.0, stats.hypergeom.sf(below - 1, n, total, counts))
    best = int(np.argmin(chance))
    if chance[best] * len(counts) > SURE or below[best] < EARLY_ROWS:
        return [], 0.0
    count, low = int(counts[best]), int(below[best])
    cut = float(np.sqrt(tokens[order][count - 1] * tokens[order][count]))
    typical = float(np.median(mode.residual[order][:count]))
    column = mode.case.column_of("tokens") or "tokens"
    text = (
        f"{low} of the {count} rows with fewer than {human(cut, digits=2)} tokens lie more than {FAR_OFF:.0f} robust "
        f"standard deviations from the law (median {mode.amount(typical)}), against {total - low} of the other "
        f"{n - count}: early losses follow the warm-up, and such rows bend the exponent of the tokens."
    )
    fix = f'Fit without them and compare: --exclude "{in_query(column)} < {plain(cut, digits=2)}" --reason "early".'
    return [warning("early", text, fix)], cut


def _under_tuned(mode: Mode, cut: float) -> list[Finding]:
    """Far-off rows that lie on the worse side only; early ones are another matter."""
    tokens = mode.case.known.get("tokens")
    late = np.ones(len(mode.residual), bool) if tokens is None else tokens > cut
    sign = 1.0 if mode.case.law.response.better == "lower" else -1.0
    worse = sign * mode.residual[late] / mode.scale
    behind, ahead = int(np.sum(worse > FAR_OFF)), int(np.sum(worse < -FAR_OFF))
    if not behind or stats.binom.sf(behind - 1, behind + ahead, 0.5) > LAGGING:
        return []
    excess = float(np.median(worse[worse > FAR_OFF])) * mode.scale * sign
    side = "above" if sign > 0 else "below"
    text = (
        f"{behind} of {int(late.sum())} runs lie far {side} the law (by {mode.amount(excess)} in the middle) and "
        f"{ahead} on the other side: such one-sided misses are under-tuned runs, and they pull the law away from what "
        "is reached with good tuning."
    )
    return [warning("under_tuned", text, "Fit what well-tuned runs reach: --noise frontier; tune these runs again.")]


def _families(mode: Mode) -> list[Finding]:
    """A column whose values lie on different sides of the law: several laws fitted as one."""
    case, best = mode.case, (SURE, "", 0.0)
    text = [c for c in case.recipes if not pd.api.types.is_numeric_dtype(case.runs.table[c])]
    for column in text:
        names = case.text(column)
        parts = [mode.residual[names == k] for k in np.unique(names)]
        parts = [part for part in parts if len(part) >= FEWEST_OF_ONE]
        if not 2 <= len(parts) <= FAMILIES:
            continue
        chance = float(stats.kruskal(*parts).pvalue) * len(text)
        apart = float(np.ptp([np.median(p) for p in parts]))
        if chance < best[0] and apart > APART * mode.scale:
            best = chance, column, apart
    _, column, apart = best
    if not column:
        return []
    text = (
        f"The values of {column} lie up to {mode.spread(apart)} apart, beside a scatter of {mode.spread(mode.scale)}: "
        "they follow laws of their own, and one law through all of them is that of none."
    )
    query = f"--where \"{in_query(column)} == '{case.text(column)[0]}'\""
    return [warning("mixed", text, f"Fit each by itself: `jaxscale batch TABLE --by {column}`, or one: {query}.")]


def _patterns(mode: Mode) -> list[Finding]:
    """What residuals follow that the noise does not allow."""
    made = fit(mode.case.runs, law=mode.case.law, method="point")
    said = patterns(made, residuals(made)) if made.status.ok else []
    strength = {s: abs(float(r.group(1))) for s in said if (r := STRENGTH.search(s))}
    said = [s for s in sorted(strength, key=lambda s: -strength[s]) if strength[s] >= WEAK][:STRONGEST]
    if not said:
        return []
    fix = (
        f"Let the backtest judge other laws (`jaxscale backtest TABLE --law {mode.case.law.name} --law OTHER`); a "
        "spread that changes needs --noise heteroscedastic."
    )
    bent = any("the law is too" in s for s in said)
    return [(warning if bent else note)("patterns", " ".join(said), fix)]
