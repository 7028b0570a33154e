"""The mode of a table's posterior under the usual noise, and what it leaves unexplained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane, keys_of, lane_of, rows_for
from jaxscale.infer import cascade
from jaxscale.infer.point import Point
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.trust.finding import Case
from jaxscale.trust.influence import Influence, answer, influence
from jaxscale.words import plain


@dataclass(frozen=True)
class Mode:
    """A table and the mode of the posterior that its law has under the usual noise."""

    case: Case
    model: Model
    lane: Lane
    point: Point

    @classmethod
    def of(cls, case: Case) -> Mode:
        """Search it."""
        model = Model(case.law, get_noise(None, case.law.response))
        lane = lane_of(case.table, model.noise, rows_for(len(case.table)))
        return cls(case, model, lane, cascade.points(model, [lane], keys_of(0, ["doctor"])))

    @cached_property
    def residual(self) -> np.ndarray:
        """(n,) observed less the law, on the scale of the noise."""
        mean = self.model.mean_at(jnp.asarray(self.point.u[0]), self.lane)
        return np.asarray(self.model.noise.residual(mean, self.lane))[: len(self.case.table)]

    @cached_property
    def scale(self) -> float:
        """Robust standard deviation of the residuals."""
        return 1.4826 * float(np.median(np.abs(self.residual - np.median(self.residual))))

    @property
    def relative(self) -> bool:
        """Whether residuals are shares of the response."""
        return self.model.noise.on == "log" and self.case.table.trials is None

    @cached_property
    def params(self) -> dict[str, float]:
        """Law's parameters at the mode."""
        found = dict(zip(self.model.params, self.point.values[0].tolist(), strict=True))
        return {p: found[p] for p in self.case.law.params}

    @cached_property
    def largest(self) -> int:
        """The row of the most compute, or else of the largest first input."""
        first = next(iter(self.case.table.x.values()))
        compared = self.case.compute if self.case.compute is not None else first.reshape(len(first), -1)[:, 0]
        return int(np.argmax(compared))

    def influence(self, compute: float) -> Influence:
        """Of each run, on N* under a budget or on the forecast of the largest run."""
        return influence(self.model, self.lane, self.point.u[0], self.point.hessian[0], compute, self.largest)

    def without(self, rows: np.ndarray, compute: float, target: str) -> np.ndarray:
        """(rows,) `Influence.at` of this target, at the mode of a fit without each of some runs."""
        used = np.arange(len(self.case.table))
        padded = len(self.lane["w"])
        lanes = [lane_of(self.case.table, self.model.noise, padded, 1.0 * (used != row)) for row in rows]
        found = cascade.points(self.model, lanes, keys_of(0, ["doctor"] * len(lanes)))
        each = zip(lanes, found.u, strict=True)
        return np.array([answer(self.model, lane, u, compute, self.largest, target) for lane, u in each])

    def amount(self, residual: float) -> str:
        """A residual for people, with its sign."""
        sign = "-" if residual < 0 else "+"
        if self.relative:
            return f"{sign}{plain(100 * abs(float(np.expm1(residual))), digits=2)} %"
        return f"{sign}{plain(abs(residual), digits=2)}"

    def spread(self, sd: float) -> str:
        """A difference or standard deviation of residuals for people."""
        return self.amount(abs(sd))[1:]
