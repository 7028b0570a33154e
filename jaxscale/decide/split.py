"""A law's draws as curves of compute: the least loss that any split between parameters and tokens reaches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxscale.errors import PlanError
from jaxscale.law import Law
from jaxscale.variables import DERIVED, FLOPS_PER_PARAM_TOKEN

RATIOS = (1e-8, 1e11)  # tokens per parameter that are searched
GRID = 97
ZOOMS, ZOOM = 3, 8
HALVINGS = 44  # of a range of tokens, until nothing of it is left
SPLIT = ("params", "tokens")


class Best(NamedTuple):
    """Of each draw: log of the best size (NaN of laws of compute alone), the loss there, whether it lies at an edge."""

    log_n: np.ndarray
    loss: np.ndarray
    edge: np.ndarray


@dataclass(frozen=True)
class Frontier:
    """Curves of one law.

    Attributes:
        law: of compute, or of parameters and tokens, and what else is held.
        params: parameter -> (S,).
        held: column -> the value of an input that is no part of compute.

    Losses are the response, or its negative where higher is better: lower is always better.
    """

    law: Law
    params: Mapping[str, np.ndarray]
    held: Mapping[str, float]

    def __post_init__(self):
        known = self._known(1e9, 1e9) if self.splits else {"flops": 1e18, **self.held}
        lacking = [v.column for v in self.law.inputs.values() if not set(v.columns) <= set(known)]
        if lacking:
            raise PlanError(
                f"Compute alone does not say what {self.law.name} gives: it is a law of "
                f"{', '.join(v.column for v in self.law.inputs.values())}. Say at which {', '.join(lacking)}, or use "
                "a law of compute or of parameters and tokens."
            )
        if not self.splits and "flops" not in {v.column for v in self.law.inputs.values()}:
            raise PlanError(f"{self.law.name} does not depend on compute, so compute cannot be compared by it.")

    @property
    def splits(self) -> bool:
        """Whether compute is split between parameters and tokens."""
        columns = {v.column for v in self.law.inputs.values()} - set(self.held)
        return bool(columns & {*SPLIT, "tokens_per_param"})

    def best(self, log_c: np.ndarray) -> Best:
        """At log compute (S,), one for each draw."""
        if not self.splits:
            loss = self._loss({"flops": np.exp(log_c)[:, None], **self.held})[:, 0]
            return Best(np.full(len(log_c), np.nan), loss, np.zeros(len(log_c), bool))
        middle = 0.5 * (log_c - np.log(FLOPS_PER_PARAM_TOKEN))  # log N where D = N
        reach = -0.5 * np.log(RATIOS)  # of log N about it
        grid = middle[:, None] + np.linspace(reach[1], reach[0], GRID)[None]
        everyone = np.arange(len(log_c))
        loss = self.along(grid, log_c)
        at = np.argmin(loss, axis=1)
        edge = (at == 0) | (at == GRID - 1)
        centre, step = grid[everyone, at], (reach[0] - reach[1]) / (GRID - 1)
        for _ in range(ZOOMS):
            around = centre[:, None] + step * np.linspace(-1.0, 1.0, 2 * ZOOM + 1)[None]
            loss = self.along(around, log_c)
            at = np.argmin(loss, axis=1)
            centre, step = around[everyone, at], step / ZOOM
        return Best(centre, loss[everyone, at], edge)

    def along(self, log_n: np.ndarray, log_c: np.ndarray) -> np.ndarray:
        """Losses of sizes (S, sizes) whose tokens compute (S,) pays for; (S, sizes)."""
        n = np.exp(log_n)
        return self._loss(self._known(n, np.exp(log_c)[:, None] / (FLOPS_PER_PARAM_TOKEN * n)))

    def at(self, n: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Losses at parameters and tokens (S,) or (S, points), each draw at its own."""
        flat = np.ndim(n) == 1
        n, d = (v[:, None] if flat else v for v in (n, d))
        loss = self._loss(self._known(n, d))
        return loss[:, 0] if flat else loss

    def tokens_for(self, log_n: np.ndarray, loss: np.ndarray) -> np.ndarray:
        """Tokens on which sizes (S, sizes) reach losses (S,), infinite where none do; of laws whose loss falls with
        tokens."""
        n, goal = np.exp(log_n), loss[:, None]
        low, high = (log_n + np.log(ratio) for ratio in RATIOS)
        never = ~(self.at(n, np.exp(high)) <= goal)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            short = ~(self.at(n, np.exp(middle)) <= goal)
            low, high = np.where(short, middle, low), np.where(short, high, middle)
        return np.where(never, np.inf, np.exp(0.5 * (low + high)))

    def _known(self, n: Any, d: Any) -> dict[str, Any]:
        known: dict[str, Any] = {"params": n, "tokens": d}
        for column, rules in DERIVED.items():
            for needs, rule, _ in rules:
                if column not in known and set(needs) <= set(SPLIT):
                    known[column] = rule(*(known[c] for c in needs))
        return known | dict(self.held)

    def _loss(self, known: Mapping[str, Any]) -> np.ndarray:
        law, inputs = self.law, self.law.from_columns(known)
        params = {p: np.asarray(self.params[p])[:, None] for p in law.params}
        value = np.asarray(law(*inputs.values(), **params))
        inside = np.asarray(True)
        for symbol, (low, high) in law.box.items():
            inside = inside & (inputs[symbol] >= low) & (inputs[symbol] <= high)
        value = np.where(np.isfinite(value), value, np.inf)
        return np.where(inside, -value if law.response.better == "higher" else value, np.inf)
