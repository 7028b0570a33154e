"""Fits beside their references, and what many of them have in common."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from compare import NAMES, Difference, Estimate, beyond_noise, difference, rms
from ours import Ours
from reference import Reference

LEAST_REPEATS = 8  # of one table by one stage, to speak of its bias
BINS = (-np.inf, 0.1, 0.3, 0.4, 0.5, 0.7, np.inf)  # of Pareto k; the gate is at 0.5


@dataclass(frozen=True)
class Judged:
    """One fit beside its reference.

    Attributes:
        table: id.
        stage: that gave the fit.
        ok: whether it passed its gate.
        pareto_k, effective: of its weights; NaN for chains.
        gap: what is between them.
        reference_error: (params,) part of the shift's error that all fits of this table share.
    """

    table: str
    stage: str
    ok: bool
    pareto_k: float
    effective: float
    gap: Difference
    reference_error: np.ndarray


def judged(
    table: str, stage: str, ok: bool, weights: tuple[float, float], ours: Estimate, reference: Reference
) -> Judged:
    """One fit; `weights` are Pareto k and effective draws."""
    said = reference.estimate
    return Judged(table, stage, ok, *weights, difference(ours, said), said.mean_error / said.sd)


def against(ours: Ours, references: Mapping[str, Reference]) -> list[Judged]:
    """Every fit that is ok and has a reference; an id's part before # names the table."""
    found = []
    for name, estimate in ours.estimates.items():
        table, row = name.partition("#")[0], ours.health.loc[name]
        if table in references:
            weights = float(row.pareto_k), float(row.ess_weights)
            found.append(judged(table, str(row["method"]), True, weights, estimate, references[table]))
    return found


def stacked(fits: Sequence[Judged], field: str) -> np.ndarray:
    """(fits, params) of one field of the difference."""
    return np.array([getattr(f.gap, field) for f in fits]).reshape(-1, len(NAMES))


def grouped(fits: Iterable[Judged], by: Callable[[Judged], Any]) -> dict[Any, list[Judged]]:
    """Fits by a property, in the order of first sight."""
    groups: dict[Any, list[Judged]] = defaultdict(list)
    for fit in fits:
        groups[by(fit)].append(fit)
    return dict(groups)


def accuracy(fits: Sequence[Judged]) -> dict[str, Any]:
    """Of some fits: how far the means are off, what of it noise explains, and how wide they are."""
    shift, error = stacked(fits, "shift"), stacked(fits, "shift_error")
    ratio, ratio_error = stacked(fits, "ratio"), stacked(fits, "ratio_error")
    far, far_of = divmod(int(np.argmax(np.abs(shift))), len(NAMES))
    low, high = int(np.argmin(ratio.min(axis=1))), int(np.argmax(ratio.max(axis=1)))
    return {
        "fits": len(fits),
        "tables": len({f.table for f in fits}),
        "mean": dict(zip(NAMES, shift.mean(axis=0), strict=True)),
        "rms": dict(zip(NAMES, rms(shift, axis=0), strict=True)),
        "noise": dict(zip(NAMES, rms(error, axis=0), strict=True)),
        "rms_all": rms(shift),
        "noise_all": rms(error),
        "beyond_noise": beyond_noise(shift, error),
        "rms_z": rms(shift / error),
        "worst": [fits[far].table, NAMES[far_of], shift[far, far_of], (shift / error)[far, far_of]],
        "above_0.3": float(np.mean(np.abs(shift).max(axis=1) > 0.3)),
        "ratio": dict(zip(NAMES, np.exp(np.log(ratio).mean(axis=0)), strict=True)),
        "ratio_q05_q95": [float(q) for q in np.quantile(ratio, (0.05, 0.95))],
        "ratio_noise": rms(ratio_error),
        "ratio_rms_z": rms((ratio - 1.0) / ratio_error),
        "narrowest": [fits[low].table, NAMES[int(ratio[low].argmin())], ratio[low].min()],
        "widest": [fits[high].table, NAMES[int(ratio[high].argmax())], ratio[high].max()],
    }


def biases(fits: Sequence[Judged]) -> list[dict[str, Any]]:
    """Of each table and stage with enough repeats: mean shift and mean ratio with standard errors."""
    found = []
    for (table, stage), some in grouped(fits, lambda f: (f.table, f.stage)).items():
        if len(some) < LEAST_REPEATS:
            continue
        shift, ratio, root = stacked(some, "shift"), stacked(some, "ratio"), np.sqrt(len(some))
        scatter = shift.std(axis=0, ddof=1)
        found.append(
            {
                "table": table,
                "stage": stage,
                "repeats": len(some),
                "pareto_k": float(np.mean([f.pareto_k for f in some])),
                "shift": shift.mean(axis=0),
                "shift_error": np.hypot(scatter / root, some[0].reference_error),
                "scatter": scatter,
                "claimed": rms(stacked(some, "shift_error"), axis=0),
                "ratio": ratio.mean(axis=0),
                "ratio_error": np.hypot(ratio.std(axis=0, ddof=1) / root, some[0].reference_error / np.sqrt(2)),
                "ratio_lowest": ratio.min(axis=0),
            }
        )
    return found


def by_gate(fits: Sequence[Judged]) -> list[dict[str, Any]]:
    """Accuracy by stage, of what passed the gate and of what did not."""
    groups = grouped(fits, lambda f: (f.stage, f.ok))
    stages = dict.fromkeys(stage for stage, _ in groups)
    both = [(stage, ok) for stage in stages for ok in (True, False) if (stage, ok) in groups]
    return [{"stage": stage, "ok": ok, **accuracy(groups[stage, ok])} for stage, ok in both]


def by_pareto_k(fits: Sequence[Judged]) -> list[dict[str, Any]]:
    """Accuracy by stage and bin of Pareto k, of fits that have effective draws enough, ok or not."""
    rows = []
    for stage, some in grouped(fits, lambda f: f.stage).items():
        for low, high in pairwise(BINS):
            if inside := [f for f in some if low <= f.pareto_k < high]:
                ok = float(np.mean([f.ok for f in inside]))
                rows.append({"stage": stage, "from": low, "to": high, "ok": ok, **accuracy(inside)})
    return rows
