"""How a replication is shown: sections with a table, remarks and CPU seconds, in Markdown."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxscale.result import Fit


@dataclass
class Section:
    """One topic: published numbers beside ours.

    Attributes:
        title: what is replicated.
        rows: one dict a line of the table, all with the same keys.
        remarks: sentences below it.
        seconds: CPU seconds, compiling included.
    """

    title: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        text = f"## {self.title}\n\n{table(self.rows)}" if self.rows else f"## {self.title}\n"
        return "\n".join([text, *(f"- {r}" for r in self.remarks), f"- {self.seconds:.0f} CPU seconds."])


def data(name: str, file: str = "runs.csv") -> Path | None:
    """A real table's file, where the folder of tables is set."""
    folder = os.environ.get("JAXSCALE_DATA")
    path = Path(folder) / name / file if folder else None
    return path if path is not None and path.is_file() else None


def timed(make: Callable[[], Section]) -> Section:
    """The section, with its CPU seconds."""
    began = time.process_time()
    section = make()
    section.seconds = time.process_time() - began
    return section


def table(rows: list[dict[str, Any]]) -> str:
    """A Markdown table."""
    names = list(rows[0])
    cells = [[_cell(r.get(n, "")) for n in names] for r in rows]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    return "\n".join([*lines, *("| " + " | ".join(r) + " |" for r in cells)]) + "\n"


def point(fit: Fit, names: Mapping[str, float] | tuple[str, ...]) -> dict[str, Any]:
    """Values of a point fit; or why there are none."""
    return {p: fit.point[p] if fit.status.ok else fit.status.code for p in names}


def interval(fit: Fit, names: tuple[str, ...]) -> dict[str, Any]:
    """Posterior medians with 90 % intervals; or why there are none."""
    if not fit.has_draws:
        return dict.fromkeys(names, fit.status.code)
    s = fit.summary()
    return {p: f"{s.q50[p]:.4g} ({s.q05[p]:.3g} to {s.q95[p]:.3g})" for p in names}


def residuals(fit: Fit) -> np.ndarray:
    """Log of observed over fitted, in every run; the fitted curve is the draws' median, or the point's."""
    seen = fit.data["constant_data"]
    at = {s: seen[s].to_numpy() for s in fit.law.inputs}
    if fit.has_draws:
        predicted = fit.predict(at)["q50"].to_numpy()
    else:  # where a search ended is worth seeing though its status hides it
        predicted = fit.curves(at, {p: np.array([v]) for p, v in fit.point.items()})[0]
    return np.log(fit.data["observed_data"][fit.law.response.column].to_numpy()) - np.log(predicted)


def rms(values: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values))))


def _cell(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
