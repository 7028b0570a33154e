"""Ways to spend a budget on runs of a pool: (units, cost, money, bought so far, seed) -> rows to buy.

random, cheapest, cost_weighted   know nothing of the law
d_optimal, v_optimal              the classic local designs, at the mode: volume, and variance in the test region
ours                              the search of jaxscale.decide over posterior draws, the law's own error included
ours_believing                    the same, as if the law held

The last four buy in rounds and fit again after each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from engine import Belief, Unit

from jaxscale.decide.design import Search, State
from jaxscale.decide.goals import Spread

ROUNDS = 3  # of each budget
MOST = 30  # runs of a round


def in_order(order: np.ndarray, cost: np.ndarray, money: float, bought: Sequence[int]) -> list[int]:
    """Rows in this order, as far as the money goes; those too dear for what is left are passed over."""
    made, have = [], set(bought)
    for i in order:
        if int(i) not in have and cost[i] <= money:
            made.append(int(i))
            money -= float(cost[i])
    return made


def random(cost: np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(len(cost))


def cheapest(cost: np.ndarray, seed: int) -> np.ndarray:
    return np.lexsort((np.random.default_rng(seed).random(len(cost)), cost))


def cost_weighted(cost: np.ndarray, seed: int) -> np.ndarray:
    """Without replacement, each with a chance by one over its cost."""
    return np.argsort(np.log(cost) - np.random.default_rng(seed).gumbel(size=len(cost)))


ORDERS = {"random": random, "cheapest": cheapest, "cost_weighted": cost_weighted}


class Local:
    """D- or V-optimal at the mode; information matrices of the flat vector, priors included."""

    def __init__(self, units: Sequence[Unit], beliefs: Sequence[Belief], volume: bool):
        self.volume, self.parts = volume, []
        for unit, belief in zip(units, beliefs, strict=True):
            root = np.sqrt(unit.noise_at(belief.u[None]))
            near = unit.slopes(belief.u, unit.at_pool) / root
            self.parts.append((unit, near, unit.slopes(belief.u, unit.at_test), np.linalg.inv(belief.curvature)))

    def gains(self, count: int) -> np.ndarray:
        """Of each row of the pool, added over the units that would see it."""
        total = np.zeros(count)
        for unit, near, far, spread in self.parts:
            moved = near @ spread
            told = 1.0 + np.einsum("cp,cp->c", moved, near)
            total[unit.rows] += np.log(told) if self.volume else np.mean((moved @ far.T) ** 2, axis=1) / told
        return total

    def buy(self, row: int) -> None:
        """Count it as seen."""
        for k, (unit, near, far, spread) in enumerate(self.parts):
            if row in unit.place:
                moved = spread @ near[unit.place[row]]
                spread = spread - np.outer(moved, moved) / (1.0 + near[unit.place[row]] @ moved)
                self.parts[k] = (unit, near, far, spread)

    def left(self) -> float:
        """What a batch is judged by: log volume, or variance in the test region."""
        if self.volume:
            return sum(np.linalg.slogdet(spread)[1] for *_, spread in self.parts)
        return sum(float(np.mean(np.einsum("tp,pq,tq->t", far, spread, far))) for _, _, far, spread in self.parts)


class Drawn:
    """The package's search over draws, one for each unit, their variances added."""

    def __init__(
        self, units: Sequence[Unit], beliefs: Sequence[Belief], bought: Sequence[int], beyond: bool, seed: int
    ):
        self.parts: list[tuple[Unit, Search, State]] = []
        for unit, belief in zip(units, beliefs, strict=True):
            link = unit.model.noise.link
            curves, far = (np.asarray(link(unit.curves(belief.draws, at))) for at in (unit.at_pool, unit.at_test))
            noise = np.full(len(unit.rows), unit.noise_at(belief.draws))
            if beyond:
                near, target, own = unit.errors(local(unit, bought), seed)
                curves, far, noise = curves + near, far + target, noise + own
            sane = np.isfinite(curves).all(axis=1) & np.isfinite(far).all(axis=1)  # before any run, priors can run away
            curves, goal = curves[sane], Spread(far[sane])
            search = Search(curves, noise, np.ones(len(unit.rows)), goal, np.inf, 10**6)
            self.parts.append((unit, search, search.start))

    def gains(self, count: int) -> np.ndarray:
        """As of Local."""
        total = np.zeros(count)
        for unit, search, state in self.parts:
            gain = search.value(state) - search.with_each(state)
            total[unit.rows] += np.where(np.isfinite(gain), gain, 0.0)
        return total

    def buy(self, row: int) -> None:
        """As of Local."""
        for k, (unit, search, state) in enumerate(self.parts):
            if row in unit.place:
                self.parts[k] = (unit, search, search.plus(state, unit.place[row]))

    def left(self) -> float:
        """Variance in the test region."""
        return sum(search.value(state) for _, search, state in self.parts)


def designed(
    name: str, units: Sequence[Unit], cost: np.ndarray, money: float, bought: list[int], seed: int
) -> list[int]:
    """One round: greedy by gain over cost to a power, the power by what the batch leaves."""
    beliefs = [unit.belief(local(unit, bought), seed, draws=name.startswith("ours")) for unit in units]
    best: tuple[float, list[int]] | None = None
    for power in (0.0, 0.5, 1.0):
        view = Local(units, beliefs, name == "d_optimal")
        if name.startswith("ours"):
            view = Drawn(units, beliefs, bought, name == "ours", seed)
        have, free, made = set(bought), money, []
        while len(made) < MOST:
            score = view.gains(len(cost)) / cost**power
            score[(cost > free) | np.isin(np.arange(len(cost)), list(have))] = -np.inf
            row = int(np.argmax(score))
            if not np.isfinite(score[row]):
                break
            view.buy(row)
            made.append(row)
            have.add(row)
            free -= cost[row]
        left = view.left()
        if best is None or left < best[0]:
            best = (left, made)
    assert best is not None
    return best[1]


def local(unit: Unit, bought: Sequence[int]) -> np.ndarray:
    """Places of bought rows within a unit."""
    return np.array([unit.place[r] for r in bought if r in unit.place], int)
