"""What to choose under a budget and limits, per posterior draw; how flat the choice is, and what it risks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.decide import answer, mixture, reach, recommend, rule, timing
from jaxscale.decide.cost import Cost
from jaxscale.decide.members import Source, source_of
from jaxscale.decide.published import slack
from jaxscale.decide.question import Ask
from jaxscale.decide.regret import FLAT, LEVEL, Judge, check_choice
from jaxscale.errors import PlanError
from jaxscale.runtime import at_the_door
from jaxscale.summary import QUANTILES


@dataclass(frozen=True)
class Plan:
    """A choice with its uncertainty. Quantities are by the law's symbols, in canonical units.

    Attributes:
        budget: what may be spent, of training, or of training and serving where tokens are served; NaN without one.
        draws: quantity -> (S,): the best choice of each posterior draw.
        recommended: the one choice to make: the chosen quantities, the expected response, and regret_q95, the response
            against the best possible that it risks (95 % of draws lose less).
        profile: candidates along the first choice, the others at their best; the columns of `regret`.
        notes: sentences on what was assumed and how far it reaches.
        chosen: symbols of what was chosen.
        response: name of what is made best.
        asked: what the plan answers, as the beginning of a sentence.
        asked_in: unit of the budget; empty where only the asker knows.
        meanings: symbol -> what it is.
        judge: puts candidates to the draws; None where there is nothing to weigh.
        columns: symbol -> canonical column.
        complete: a candidate by column -> every column that the laws need.
    """

    budget: float
    draws: dict[str, np.ndarray]
    recommended: dict[str, float]
    profile: pd.DataFrame
    notes: tuple[str, ...]
    chosen: tuple[str, ...] = ("N", "D")
    response: str = "loss"
    asked: str = ""
    asked_in: str = "FLOP"
    meanings: Mapping[str, str] = field(default_factory=dict, repr=False)
    judge: Judge | None = field(default=None, repr=False, compare=False)
    columns: Mapping[str, str] = field(default_factory=dict, repr=False)
    complete: Callable[[Mapping[str, Any]], dict[str, Any]] | None = field(default=None, repr=False, compare=False)

    def summary(self) -> pd.DataFrame:
        """Indexed by quantity: q05, q50, q95. Draws without an answer count as infinite."""
        rows = {k: {name: _quantile(v, q) for name, q in QUANTILES.items()} for k, v in self.draws.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")

    def valley(self, tolerance: float = FLAT) -> dict[str, float]:
        """Ends of the candidates whose expected response is within `tolerance` (relative) of the best: N_low, N_high,
        D_low, D_high; empty where nothing was weighed."""
        if "excess_mean" not in self.profile:
            return {}
        best = self.profile[f"{self.response}_mean"].to_numpy()[int(np.argmin(self.profile["excess_mean"].to_numpy()))]
        flat = self.profile[self.profile["excess_mean"] <= tolerance * abs(best)]
        return {f"{s}_{end}": float(getattr(flat[s], f)()) for s in self.chosen for end, f in _ENDS if s in flat}

    @at_the_door
    def regret(self, candidates: Sequence[Any]) -> pd.DataFrame:
        """What candidates would lose against the best choice of each draw.

        Args:
            candidates: each a mapping from symbols to values, such as {"N": 7e10, "D": 1.4e12}; a number is the first
                choice alone. What the budget pays for follows where it is not given.

        Returns:
            One row a candidate: what it is, quantiles and mean of the response, regret_mean, regret_q90, regret_q95,
            regret_worst, cvar (mean response over the worst draws), p_target where there is a target.

        Raises:
            PlanError: a candidate does not say enough, or this plan weighs none.
        """
        if self.judge is None or self.complete is None:
            raise PlanError("This plan weighs no candidates: nothing in it is chosen against a budget.")
        points = [self.complete(c if isinstance(c, Mapping) else {self.chosen[0]: c}) for c in candidates]
        at = {c: np.array([float(p[c]) for p in points]) for c in points[0]}
        return self.judge.table(at, [self.columns[s] for s in self.chosen])


_ENDS = (("low", "min"), ("high", "max"))


def _quantile(values: np.ndarray, q: float) -> float:
    """A quantile of numbers of which some are infinite."""
    if np.isfinite(values).all():
        return float(np.quantile(values, q))
    return float(np.quantile(values, q, method="higher" if q > 0.5 else "lower"))


@at_the_door
def plan(
    fit: Any,
    budget: float | None = None,
    serve_tokens: float = 0.0,
    unique_tokens: float | None = None,
    cost: str | Cost | Callable[..., Any] = "6nd",
    *,
    at: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    ratio: tuple[float | None, float | None] | None = None,
    shapes: Sequence[Any] | None = None,
    multiple_of: Mapping[str, float] | None = None,
    target: float | None = None,
    choose: str = "loss",
    cvar_level: float = LEVEL,
    preset: str | Mapping[str, float] | None = None,
    schedule: Mapping[str, Any] | None = None,
    weights: Sequence[float] | None = None,
    discrepancy: bool = True,
) -> Plan:
    """What to choose, as the law sees it: sizes and tokens under a budget, samples for a target, a mixture, a rate.

    Args:
        fit: a fit with a posterior (a point fit gives a single optimum); an average of laws; for a mixture, a list of
            fits, one a validation domain; or a law, whose published coefficients are then used.
        budget: FLOP, or whatever `cost` counts; of training, or of training and serving if tokens are served.
        serve_tokens: tokens that the model will process after training.
        unique_tokens: training data at hand. A law of repeated data (data_constrained) plans the repetition; any other
            stays below it.
        cost: "6nd" (6 N D to train and 2 N a token to serve, N the parameters that compute); a Cost; or a function of
            the law's inputs by symbol, in canonical units, such as lambda N, D: 6 * N * D + 1e20.
        at: symbol or column -> what is given and not chosen, in canonical units; or another symbol, whose value it
            takes ({"Pa": "Pw"}).
        limits: symbol or column -> (least, most) or the most, such as {"N": 8e9} for a memory that holds 8B.
        ratio: least and most training tokens per parameter, either None.
        shapes: the sizes to choose among: numbers, or mappings such as {"N": 6.9e9}.
        multiple_of: symbol -> the recommended value is a multiple of this.
        target: a response to reach. With a budget, how likely that is and what compute it takes; for a law of one
            input, the input that reaches it.
        choose: the recommendation has the best expected response ("loss"), the least 95 % quantile of regret
            ("regret"), or the best mean over the worst draws ("cvar").
        cvar_level: those draws are the worst 1 - level.
        preset: which published coefficients, or a mapping of them, where `fit` is a law.
        schedule: for laws of the learning-rate schedule: steps, peak and whatever else `jaxscale.schedules.wsd` takes;
            the length of the decay is chosen.
        weights: of the fits of a mixture; equal unless given.
        discrepancy: beyond the data, allow for the law's own error in every response that is told, in p_target and in
            what a target takes, as `predict` does. Choices under one budget it moves alike: they, and regrets, are as
            the law has them.

    Returns:
        A Plan.

    Raises:
        PlanError: the fit was refused, something needed is missing, or the question has no answer; with the reason.
    """
    check_choice(choose, cvar_level)
    _are_mappings(at=at, limits=limits, multiple_of=multiple_of, schedule=schedule)
    if target is not None and not np.isfinite(target):
        raise PlanError(f"The target must be a finite number; got {target!r}.")
    ask = Ask(
        budget=_positive(budget, "budget"), serve_tokens=_at_least_zero(serve_tokens),
        unique_tokens=_positive(unique_tokens, "number of unique tokens"), cost=cost, at=at, limits=limits,
        ratio=ratio,
    )  # fmt: skip
    if isinstance(fit, list | tuple):
        sources = [source_of(f, discrepancy=False) for f in fit]
        return _made(sources[0], mixture.best_mixture(sources, weights, limits, choose, cvar_level))
    source = source_of(fit, preset, discrepancy)
    law = source.law
    notes = slack(source, lambda s: answer.answer(s, ask).draws) if law.choices and budget else []
    if schedule is not None or law.decides == "the schedule":
        made = timing.best_decay(source, schedule, choose, cvar_level)
    elif law.decides == "the mixture":
        made = mixture.best_mixture([source], None, limits, choose, cvar_level, at)
    elif not law.choices:
        made = rule.follow(source, ask)
    elif budget is None and target is not None and len(law.choices) == 1:
        made = reach.inverse(source, ask, float(target))
    elif budget is None and target is not None:
        made = recommend.cheapest(source, ask, float(target), choose, cvar_level)
    else:
        made = recommend.decide(source, ask, target, choose, cvar_level, shapes, multiple_of)
    return _made(source, made | {"notes": (*made["notes"], *notes)})


def _made(source: Source, fields: Mapping[str, Any]) -> Plan:
    law = source.law
    meanings = {s: v.meaning for s, v in law.inputs.items()} | {law.response.column: law.response.meaning}
    return Plan(**fields, meanings=meanings)


@at_the_door
def frontier(fit: Any, budgets: Sequence[float], cost: str | Cost | Callable[..., Any] = "6nd") -> pd.DataFrame:
    """The optimum at each of several training budgets.

    Returns:
        One row a budget: budget, and q05, q50, q95 of what is chosen and of the response (N_q05, ...).

    Raises:
        PlanError: as `plan`.
    """
    source, rows = source_of(fit), []
    for budget in budgets:
        found = answer.answer(source, Ask(budget=_positive(float(budget), "budget"), cost=cost))
        row = {"budget": float(budget)}
        for name in (*found.chosen, found.response):
            row |= {f"{name}_{q}": float(np.quantile(found.draws[name], p)) for q, p in QUANTILES.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _are_mappings(**given: Any) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, Mapping):
            raise PlanError(f"{name} is a mapping from symbols to values, such as {{'N': 7e9}}; got {value!r}.")


def _positive(value: float | None, name: str) -> float | None:
    if value is not None and not (np.isfinite(value) and value > 0):
        raise PlanError(f"The {name} must be a positive number; got {value!r}.")
    return None if value is None else float(value)


def _at_least_zero(value: float) -> float:
    if not (np.isfinite(value) and value >= 0):
        raise PlanError(f"serve_tokens must be zero or more; got {value!r}.")
    return float(value)
