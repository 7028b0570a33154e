"""When to start the cool-down: the decay of a warm-up, stable, decay schedule whose final loss is lowest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from jaxscale import schedules
from jaxscale.decide.members import Source, without_interval
from jaxscale.decide.regret import Judge
from jaxscale.errors import ConfigError, PlanError
from jaxscale.forecast import curves, inputs_at
from jaxscale.words import human

CANDIDATES = 65  # lengths of the decay
SHORTEST = 0.002  # of the run
EXAMPLE = "schedule={'peak': 3e-4, 'steps': 20000, 'warmup': 500}"


def best_decay(source: Source, schedule: Mapping[str, Any] | None, choose: str, level: float) -> dict[str, Any]:
    """The fields of a Plan that chooses `decay_steps`; arguments as in `jaxscale.plan`.

    Raises:
        PlanError: the schedule does not say what it must, or the law is of no schedule.
    """
    law = source.law
    if law.decides != "the schedule":
        raise PlanError(f"{law.name} is no law of the learning-rate schedule; leave out schedule=.")
    asked = dict(schedule or {})
    if missing := [k for k in ("peak", "steps") if k not in asked]:
        raise PlanError(f"{law.name} needs {' and '.join(missing)} of the schedule, such as {EXAMPLE}.")
    if stray := set(asked) - {"peak", "steps", "warmup", "final", "shape"}:
        raise PlanError(f"A schedule is made of peak, steps, warmup, final and shape; got {', '.join(sorted(stray))}.")
    steps, warmup = int(asked["steps"]), int(asked.get("warmup", 0))
    if not 0 <= warmup < steps:
        raise PlanError(f"The warm-up must be shorter than the run; got {warmup} of {steps} steps.")
    lengths = np.geomspace(max(1.0, SHORTEST * steps), steps - warmup, CANDIDATES)
    lengths = np.unique(np.round(lengths).astype(int))
    frame = _columns([asked | {"decay": int(d)} for d in lengths])
    inputs, _ = inputs_at(law, frame)
    values = np.concatenate([curves(m.law, inputs, m.params) for m in source.members])
    best, at = _bottom(np.log(lengths), values)
    judge = Judge(None, best, law.response.column, 1.0, {}, None, level, lambda _: values)
    table = judge.table({"decay_steps": lengths}, ["decay_steps"]).assign(decay_share=lengths / steps)
    row = table.iloc[judge.pick(table, choose)]
    name, decay = law.response.column, np.exp(at)
    notes = [
        f"A run of {human(steps)} steps; the decay starts at step {human(steps - float(row['decay_steps']))} and is "
        f"{asked.get('shape', 'linear')}."
    ]
    inner = float(np.mean((decay > lengths[0] * 1.001) & (decay < lengths[-1] * 0.999)))
    if inner < 0.5:
        end = "as long as the run allows" if np.median(decay) > np.median(lengths) else "as short as can be"
        notes.append(f"For most of the posterior the best decay is {end}: this law sees no cost in it.")
    notes += without_interval(source)
    return {
        "budget": np.nan, "draws": {"decay_steps": decay, "decay_share": decay / steps, name: best}, "profile": table,
        "recommended": {"decay_steps": float(row["decay_steps"]), name: float(row[f"{name}_mean"]),
                        "regret_q95": float(row["regret_q95"])},
        "notes": tuple(notes), "chosen": ("decay_steps",), "response": name,
        "asked": f"The best decay of a run of {human(steps)} steps",
    }  # fmt: skip


def _columns(asked: list[dict[str, Any]]) -> pd.DataFrame:
    """The columns of each schedule at its last step."""
    rows = []
    for one in asked:
        try:
            lr = schedules.wsd(
                float(one["peak"]), int(one["steps"]), int(one.get("warmup", 0)), one["decay"],
                float(one.get("final", 0.0)), one.get("shape", "linear"),
            )  # fmt: skip
            rows.append(schedules.prepare(lr, [len(lr)], int(one.get("warmup", 0))))
        except ConfigError as error:
            raise PlanError(f"The schedule cannot be made: {error}.") from None
    return pd.DataFrame({c: np.array([float(r[c][0]) for r in rows]) for c in rows[0]})


def _bottom(x: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least value of each row and where it is, by a parabola through the three lowest points."""
    i = np.argmin(values, axis=1)
    rows, j = np.arange(len(values)), np.clip(i, 1, len(x) - 2)
    left, middle, right = (values[rows, j + k] for k in (-1, 0, 1))
    a, b = x[j] - x[j - 1], x[j + 1] - x[j]
    below, above = (middle - left) / a, (right - middle) / b
    curve = (above - below) / (a + b)
    inside = (i == j) & (curve > 0.0)
    safe = np.where(inside, curve, 1.0)
    slope = (below * b + above * a) / (a + b)
    shift = np.where(inside, np.clip(-slope / (2.0 * safe), -a, b), 0.0)
    least = np.where(inside, middle + slope * shift + safe * shift**2, values[rows, i])
    return least, np.where(inside, x[j] + shift, x[i])
