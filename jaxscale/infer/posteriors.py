"""What inference says of many lanes, and the gate that each stage's draws must pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxscale import diagnose
from jaxscale.batch import Lane
from jaxscale.infer.importance import Proposal
from jaxscale.infer.point import CONVERGED, Point
from jaxscale.model import Model
from jaxscale.status import Health, Status


@dataclass
class Posteriors:
    """Results of several lanes, in NumPy, with a leading lane axis; stages overwrite the lanes they mend.

    Attributes:
        lanes: the tables, packed.
        point: the modes.
        proposal: importance sampling's draws and moments.
        u: (lanes, draws, size) draws of the flat vector, chain after chain.
        values: (lanes, draws, params) the same as parameters.
        energy, diverging: (lanes, draws) of HMC and NUTS.
        chains: (lanes,) number of chains; 1 for draws by importance sampling, 0 where there are none.
        convergence: R-hat, bulk and tail effective sample sizes, each (lanes, params).
        health: the numbers of the gate.
        status: the gate's answer.
        stages: each stage tried, with what it failed on.
    """

    model: Model
    lanes: Lane
    point: Point
    proposal: Proposal
    u: np.ndarray
    values: np.ndarray
    energy: np.ndarray
    diverging: np.ndarray
    chains: np.ndarray
    convergence: diagnose.Convergence
    health: list[Health]
    status: list[Status] = field(default_factory=list)
    stages: list[tuple[str, ...]] = field(default_factory=list)

    @staticmethod
    def empty(model: Model, packed: Lane, point: Point, proposal: Proposal, draws: int) -> Posteriors:
        """Before the first draw."""
        lanes, params = len(point.u), len(model.params)
        blank = np.full((lanes, params), np.nan)
        weak = Status(False, "not_converged", "Not converged: nothing was sampled.")
        return Posteriors(
            model, packed, point, proposal,
            u=np.full((lanes, draws, model.size), np.nan),
            values=np.full((lanes, draws, params), np.nan),
            energy=np.full((lanes, draws), np.nan),
            diverging=np.zeros((lanes, draws), dtype=bool),
            chains=np.zeros(lanes, dtype=int),
            convergence=diagnose.Convergence(blank, blank.copy(), blank.copy()),
            health=[Health("none")] * lanes, status=[weak] * lanes, stages=[()] * lanes,
        )  # fmt: skip

    @property
    def failed(self) -> np.ndarray:
        """Places of the lanes that have not passed."""
        return np.flatnonzero([not s.ok for s in self.status])

    def weigh(
        self, places: np.ndarray, method: str, proposal: Proposal, seeds: np.ndarray, rough: bool = False
    ) -> None:
        """Judge weighted draws of these lanes, and keep them resampled to plain ones.

        Args:
            places: lanes.
            method: what is said of them.
            proposal: of these lanes; its moments are not looked at.
            seeds: (lanes, words) for NumPy's generator, which resamples outside of any program.
            rough: keep draws that do not pass but could score a forecast.
        """
        log_weight, pareto_k = diagnose.psis(proposal.log_weight)
        ess = diagnose.importance_ess(proposal.log_weight)
        finite = np.isfinite(self.point.u[places]).all(axis=-1)
        draws = self.u.shape[1]
        for i, lane in enumerate(places):
            health = Health(method, pareto_k=float(pareto_k[i]), ess_weights=float(ess[i]), finite=bool(finite[i]))
            self._judge(lane, health)
            if not (self.status[lane].ok or (rough and health.rough)):
                continue  # what chains have drawn is a better start for the next stage
            weight = np.exp(log_weight[i])
            chosen = np.random.default_rng(seeds[i]).choice(len(weight), size=draws, p=weight / weight.sum())
            self.u[lane], self.values[lane], self.chains[lane] = proposal.u[i][chosen], proposal.values[i][chosen], 1
            for statistic in self.convergence:
                statistic[lane] = np.nan

    def walk(self, places: np.ndarray, method: str, u, values, energy, diverging) -> None:
        """Judge chains (lanes, chains, draws, ...) of these lanes, and keep them, thinned to as many as there is room.

        The gate sees every draw.
        """
        free = list(self.model.free)
        found = diagnose.convergence(np.moveaxis(values[..., free], -1, 1))
        ebfmi = np.min(diagnose.ebfmi(energy), axis=-1)
        finite = np.isfinite(u).all(axis=(1, 2, 3)) & np.isfinite(values).all(axis=(1, 2, 3))
        every = u.shape[1] * u.shape[2] // self.u.shape[1]
        for i, lane in enumerate(places):
            health = Health(
                method,
                r_hat=float(np.max(found.r_hat[i])),
                ess_bulk=float(np.min(found.ess_bulk[i])),
                ess_tail=float(np.min(found.ess_tail[i])),
                divergences=int(diverging[i].sum()),
                ebfmi=float(ebfmi[i]),
                pareto_k=self.health[lane].pareto_k,
                finite=bool(finite[i]),
            )
            self._judge(lane, health)
            self.chains[lane] = u.shape[1]
        for kept, drawn in ((self.u, u), (self.values, values), (self.energy, energy), (self.diverging, diverging)):
            kept[places] = drawn[:, :, ::every].reshape(len(places), *kept.shape[1:])
        for kept, statistic in zip(self.convergence, found, strict=True):
            kept[np.ix_(places, free)] = statistic

    def _judge(self, lane: int, health: Health) -> None:
        before = self.health[lane]
        if before.method not in ("none", health.method):
            said = f"{before.method}: {', '.join(before.failures) or 'passed'}"
            self.stages[lane] = (*self.stages[lane], said)
        self.health[lane], self.status[lane] = health, health.status()


def point_status(point: Any) -> Status:
    """The gate of one point fit: the optimum was reached, and it is said how many starts agree."""
    starts = f"{100 * point.in_best:.0f} % of the starts agree"
    if not (np.isfinite(point.u).all() and point.decrement < CONVERGED):
        return Status(
            False, "not_converged",
            f"The search did not reach an optimum (Newton decrement {point.decrement:.2g}; {starts}).",
            "Some parameter is probably not determined by these runs.",
        )  # fmt: skip
    return Status(True, "point", f"Point fit: the optimum was reached, {starts}. A point has no interval.")
