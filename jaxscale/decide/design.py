"""The search for the runs to buy: what a batch leaves of a goal, by linear-Gaussian update of posterior draws.

Draws give the joint covariance of the curve at the candidates, on the noise's scale, and of a goal's quantities t. A
run at candidate c with noise variance v moves and narrows them as of a joint normal,

    Cov(a, b | c) = Cov(a, b) - Cov(a, c) Cov(b, c) / (Var(c) + v),

whatever it will show; among rules that are linear in the results that is exact for any posterior. A batch is a
sequence of such steps, each of rank one, so that no matrix of candidates by candidates is ever needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

POWERS = (0.0, 0.5, 1.0)  # of the cost that a gain is divided by, each of which starts a search
SWEEPS = 20
SAME = 1e-9  # relative: a goal that changes by less has not changed


class Goal(Protocol):
    """What the runs are for: a value that falls as more is known.

    Steps are how one standard deviation of each bought run's surprise moves t; (bought, T).
    """

    @property
    def draws(self) -> np.ndarray:
        """t by draw, (S, T)."""
        ...

    def value(self, chosen: Sequence[int], steps: np.ndarray) -> float:
        """What a batch leaves."""
        ...

    def with_each(self, chosen: Sequence[int], steps: np.ndarray, each: np.ndarray) -> np.ndarray:
        """What it leaves with one more run, for the steps (T, C) of every candidate; (C,)."""
        ...


@dataclass(frozen=True)
class State:
    """What is known after a batch.

    Attributes:
        chosen: the batch.
        steps: (bought, T), see Goal.
        moves: (bought, C), the same of the curve at candidates.
        own: (C,) variance of the curve at candidates.
        shared: (T, C) covariance of t with it.
    """

    chosen: tuple[int, ...]
    steps: np.ndarray
    moves: np.ndarray
    own: np.ndarray
    shared: np.ndarray


@dataclass(frozen=True)
class Search:
    """Batches of at most `runs` candidates that cost at most `spend`, none more often than `repeats`.

    Attributes:
        curves: (S, C) of draws at candidates, on the noise's scale.
        noise: (C,) variance of a normal observation that tells as much as a new run.
        cost: (C,).
        goal: over the same draws.
    """

    curves: np.ndarray
    noise: np.ndarray
    cost: np.ndarray
    goal: Goal
    spend: float
    runs: int
    repeats: int = 1

    @cached_property
    def _x(self) -> np.ndarray:
        return _deviations(self.curves)

    @cached_property
    def _columns(self) -> dict[int, np.ndarray]:
        return {}

    @cached_property
    def start(self) -> State:
        """Nothing bought."""
        t = _deviations(self.goal.draws)
        own, shared = np.einsum("sc,sc->c", self._x, self._x), t.T @ self._x
        return State((), np.zeros((0, t.shape[1])), np.zeros((0, self._x.shape[1])), own, shared)

    def plus(self, state: State, c: int) -> State:
        """After one more run, at candidate c."""
        if c not in self._columns:
            self._columns[c] = self._x.T @ self._x[:, c]
        column = self._columns[c] - state.moves[:, c] @ state.moves
        sd = np.sqrt(state.own[c] + self.noise[c])
        move, step = column / sd, state.shared[:, c] / sd
        return State(
            (*state.chosen, c),
            np.concatenate([state.steps, step[None]]),
            np.concatenate([state.moves, move[None]]),
            np.maximum(state.own - move**2, 0.0),
            state.shared - step[:, None] * move[None],
        )

    def after(self, chosen: Sequence[int]) -> State:
        """After these runs, in this order."""
        state = self.start
        for c in chosen:
            state = self.plus(state, c)
        return state

    def value(self, state: State) -> float:
        """What is left of the goal."""
        return self.goal.value(state.chosen, state.steps)

    def with_each(self, state: State) -> np.ndarray:
        """What would be left with one more run; (C,), inf where it may not be bought."""
        each = state.shared / np.sqrt(state.own + self.noise)[None]
        left = self.goal.with_each(state.chosen, state.steps, each)
        allowed = self.cost <= (self.spend - self.cost[list(state.chosen)].sum()) * (1.0 + 1e-12)
        times = np.bincount(state.chosen, minlength=len(self.cost)) if state.chosen else np.zeros(len(self.cost))
        return np.where(allowed & (times < self.repeats), left, np.inf)

    def greedy(self, state: State, power: float) -> State:
        """More runs, one by one, each of the largest gain over its cost to this power, while there is any."""
        while len(state.chosen) < self.runs:
            now = self.value(state)
            gain = now - self.with_each(state)
            score = np.where(gain > SAME * abs(now), gain / self.cost**power, -np.inf)
            best = int(np.argmax(score))
            if not np.isfinite(score[best]):
                break
            state = self.plus(state, best)
        return state

    def exchange(self, state: State) -> State:
        """Give one run back and spend its money better, until no single exchange helps."""
        for _ in range(SWEEPS):
            before = self.value(state)
            for i in range(len(state.chosen)):
                rest = self.after(state.chosen[:i] + state.chosen[i + 1 :])
                best = min((self.greedy(rest, power) for power in (0.0, 1.0)), key=self.value)
                if self.value(best) < self.value(state) * (1.0 - SAME):
                    state = best
                    break
            if self.value(state) >= before * (1.0 - SAME):
                break
        return state

    def best(self) -> State:
        """The best batch found, in the order in which to buy: the run that helps most first."""
        found = [self.greedy(self.start, power) for power in POWERS]
        ends = {tuple(sorted(s.chosen)): s for s in (self.exchange(s) for s in found)}
        return self.ordered(min(ends.values(), key=self.value))

    def ordered(self, state: State) -> State:
        """The same runs, each next one that which then leaves least."""
        left, made = list(state.chosen), self.start
        while left:
            after = {c: self.plus(made, c) for c in set(left)}
            c = min(sorted(after), key=lambda c: self.value(after[c]))
            left.remove(c)
            made = after[c]
        return made


def _deviations(draws: np.ndarray) -> np.ndarray:
    """(S, n) so that products over draws are covariances."""
    return (draws - draws.mean(axis=0)) / np.sqrt(max(len(draws) - 1, 1))
