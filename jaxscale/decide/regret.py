"""What each candidate would cost: its losses over the draws, and its regrets against each draw's own best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxscale.decide.members import Source
from jaxscale.errors import PlanError
from jaxscale.forecast import curves
from jaxscale.summary import QUANTILES
from jaxscale.words import plain

CHOICES = ("loss", "regret", "cvar")
RISK = 0.95  # quantile of the regret that `choose="regret"` keeps low
FLAT = 0.005  # of the expected response: candidates within it of the best are in the valley
LEVEL = 0.9  # of cvar: the mean over the worst tenth of the draws


@dataclass(frozen=True, eq=False)
class Judge:
    """Puts candidates to every draw.

    What is said of a candidate's response allows for the law's own error, where it is known. Choices of one budget it
    moves alike, so that they are compared, and regretted, as the law has them.

    Attributes:
        source: laws with draws; None where several fits answer together, as `others`.
        best: (draws,), the response of each draw's own best choice.
        response: name of the response.
        sign: 1 where lower is better, else -1.
        symbols: canonical column -> symbol.
        target: a response to reach, or None.
        level: of cvar.
        others: candidates -> responses, where they are not those of the source.
    """

    source: Source | None
    best: np.ndarray
    response: str
    sign: float
    symbols: Mapping[str, str]
    target: float | None = None
    level: float = LEVEL
    others: Callable[[Mapping[str, np.ndarray]], np.ndarray] | None = None

    def responses(self, at: Mapping[str, np.ndarray]) -> np.ndarray:
        """(draws, candidates) of every law, in the response's unit."""
        if self.others is not None:
            return self.others(at)
        assert self.source is not None
        return np.concatenate([curves(m.law, m.law.from_columns(at), m.params) for m in self.source.members])

    def table(self, at: Mapping[str, np.ndarray], columns: Sequence[str]) -> pd.DataFrame:
        """One row a candidate.

        Args:
            at: every column that the laws need -> (candidates,).
            columns: those to show.

        Returns:
            The candidate by symbol; quantiles and mean of the response; excess_mean, the mean above the best
            candidate's; regret_mean, regret_q05, regret_q50, regret_q90, regret_q95, regret_worst; cvar, the mean
            response of the worst draws; p_target, the share of draws that reach the target, where there is one.
        """
        values = self.responses(at)
        regret = self.sign * (values - self.best[:, None])
        mean, name = values.mean(axis=0), self.response
        table = {self.symbols.get(c, c): np.asarray(at[c]) for c in columns}
        said = values if self.others is not None or self.source is None else self.source.with_error(at, values)
        table |= {f"{name}_{q}": np.quantile(said, p, axis=0) for q, p in QUANTILES.items()}
        table |= {f"{name}_mean": said.mean(axis=0), "excess_mean": self.sign * mean - (self.sign * mean).min()}
        levels = {"q05": QUANTILES["q05"], "q50": QUANTILES["q50"], "q90": 0.90, "q95": RISK}
        found = np.quantile(regret, list(levels.values()), axis=0)
        table |= {"regret_mean": regret.mean(axis=0)} | {f"regret_{q}": v for q, v in zip(levels, found, strict=True)}
        table |= {"regret_worst": regret.max(axis=0)}
        worst = np.sort(self.sign * values, axis=0)[int(np.floor(self.level * len(values))) :]
        table["cvar"] = self.sign * worst.mean(axis=0)
        if self.target is not None:
            table["p_target"] = np.mean(self.sign * said < self.sign * self.target, axis=0)
        return pd.DataFrame(table)

    def pick(self, table: pd.DataFrame, choose: str) -> int:
        """The row to choose: by the mean response, by the regret that 95 % of the draws stay below, or by cvar."""
        by = {"loss": table["excess_mean"], "regret": table["regret_q95"]}
        by["cvar"] = self.sign * table["cvar"]
        return int(np.argmin(by[choose].to_numpy()))


def check_choice(choose: str, level: float) -> None:
    """Raises PlanError for a rule of choice that there is none of."""
    if choose not in CHOICES:
        raise PlanError(f"choose is one of {', '.join(CHOICES)}; got {choose!r}.")
    if not 0.0 < level < 1.0:
        raise PlanError(f"cvar_level lies between 0 and 1, such as 0.9; got {plain(level)}.")
