"""What a law may be wrong by beyond the data: an error that grows with the distance and keeps its sign in a ladder.

Noise inside the data says nothing of it. Its size is learned from the past: the law is fitted to the smaller runs of
the table, at several origins, and its errors on the larger ones are compared with what parameters and noise explain.
A few overlapping origins say little, so they only update what public ladders say (population.py).

    error of a run at distance d  =  tau (d + EDGE) (sqrt(SHARED) a + sqrt(1 - SHARED) b)

with one standard normal a for all runs beyond an origin and one b a run, on the scale of the noise. a drifts slowly
from origin to origin, so that the last errors also move the forecast. d is how many decades the run lies outside the
table: in compute, or in the input that lies farthest out. Inside the table there is no such error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxscale.batch import Lane, Table, key_of, keys_of, lane_of, rows_for
from jaxscale.beside import sizes
from jaxscale.identify import refusal
from jaxscale.infer import cascade
from jaxscale.law import Law
from jaxscale.model import Model
from jaxscale.population import prior_of
from jaxscale.runtime import compiled
from jaxscale.variables import training_compute

ORIGINS = (0.4, 0.6, 0.8)  # shares of the table, by size, that are fitted; the rest is forecast
FEWEST = 3  # runs that are forecast
MOST = 200  # of them, evenly over sizes
SCALES = np.geomspace(5e-4, 0.4, 40)  # tau, per decade
SHARED = 0.8  # of the error's variance, between the runs beyond one origin
PERSISTS = 0.5  # correlation of a between one origin and the next, the last of which is the whole table
EDGE = 0.05  # decades: the first run beyond the data is not inside it
TEMPER = 0.3  # of the origins' log likelihoods, which share runs
TAILS = 5.0  # degrees of freedom of an origin's errors together
FAR_OFF = 5.0  # robust sds from the origin's median error: runs that went wrong are drawn in to there
USUAL_SPREAD = 0.25  # sd of log responses of public ladders; other responses are measured by theirs
LEAST_CURVATURE = 1.0  # of the posterior, as wide as priors are


@dataclass(frozen=True)
class Discrepancy:
    """The error beyond one table.

    Attributes:
        span: input or "compute" -> log10 of the least and of the largest value in the table.
        weights: of SCALES.
        middle, spread: mean and sd of a beyond the table, for each of SCALES.
        unit: of tau on the scale of the noise; 1 for logarithms.
        origins: how many could be judged.
        record: of each origin, how many runs it was fitted to, how many it forecast, and the root mean square of its
            errors, on the scale of the noise.
    """

    span: Mapping[str, tuple[float, float]]
    weights: tuple[float, ...]
    middle: tuple[float, ...]
    spread: tuple[float, ...]
    unit: float
    origins: int
    record: tuple[tuple[int, int, float], ...] = ()

    @property
    def scale(self) -> float:
        """Median of tau, in units of the noise's scale per decade."""
        at = np.searchsorted(np.cumsum(self.weights), 0.5)
        return float(SCALES[min(at, len(SCALES) - 1)] * self.unit)

    def decades(self, law: Law, x: Mapping[str, np.ndarray]) -> np.ndarray:
        """How far points lie outside the table; x symbol -> (points,), gives (points,)."""
        return _outside(law, x, self.span)

    def towards(self, law: Law, target: Mapping[str, np.ndarray], x: Mapping[str, np.ndarray]) -> np.ndarray:
        """How far points x lie outside the table on the target's side, the least over all respects in which every
        target does; (points,). A run that is large in one input alone, or small, says nothing of the error there."""
        far, near = _logs(law, target), _logs(law, x)
        ways = [near[s] - high for s, (_, high) in self.span.items() if (far[s] > high).all()]
        ways += [low - near[s] for s, (low, _) in self.span.items() if (far[s] < low).all()]
        return np.maximum(np.min(ways, axis=0), 0.0) if ways else np.zeros(len(next(iter(near.values()))))

    def told(
        self, law: Law, target: Mapping[str, np.ndarray], x: Mapping[str, np.ndarray], count: int, seed: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Errors of the curve at the target and of points x as far as they share it, (count, ...) each; and the
        variance that a run at x has besides, (points,)."""
        shared, whole = self.towards(law, target, x), self.decades(law, x)
        at = self.decades(law, target)
        curve, run = self.draws(np.concatenate([at, shared, whole]), count, seed)
        n, m = len(at), len(at) + len(shared)
        own = np.maximum(run[:, m:].var(axis=0) - curve[:, n:m].var(axis=0), 0.0)
        return curve[:, :n], curve[:, n:m], own

    def draws(self, decades: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Errors of the curve and of a new run, (count, points) each, on the scale of the noise.

        A draw's error of the curve has one sign at all points, and is the same whatever else is asked.
        """
        scale, shared = self._shared(count, seed)
        own = np.asarray(jax.random.normal(key_of(seed, "discrepancy of a run"), (count, len(decades))))
        size = scale[:, None] * growth(decades)[None]
        curve = size * np.sqrt(SHARED) * shared[:, None]
        return curve, curve + size * np.sqrt(1.0 - SHARED) * own

    def own_draws(self, decades: np.ndarray, seed: int) -> np.ndarray:
        """The same errors of the curve where each draw looks at its own point; (count,), as are the decades."""
        scale, shared = self._shared(len(decades), seed)
        return scale * growth(decades) * np.sqrt(SHARED) * shared

    def _shared(self, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each draw: tau on the scale of the noise, and a."""
        one, other = jax.random.split(key_of(seed, "discrepancy"))
        level, shared = np.asarray(jax.random.uniform(one, (count,))), np.asarray(jax.random.normal(other, (count,)))
        at = np.minimum(np.searchsorted(np.cumsum(self.weights), level), len(SCALES) - 1)
        return self.unit * SCALES[at], np.take(self.middle, at) + np.take(self.spread, at) * shared

    def kept(self) -> dict[str, Any]:
        """As JSON can hold it."""
        lists = {name: list(getattr(self, name)) for name in ("weights", "middle", "spread")}
        record = [list(origin) for origin in self.record]
        return asdict(self) | {"span": {k: list(v) for k, v in self.span.items()}, **lists, "record": record}


def kept_discrepancy(kept: Mapping[str, Any] | None) -> Discrepancy | None:
    """What `Discrepancy.kept` gave; None of None."""
    if not kept:
        return None
    span = {name: (float(low), float(high)) for name, (low, high) in kept["span"].items()}
    lists = {name: tuple(kept[name]) for name in ("weights", "middle", "spread")}
    record = tuple((int(fitted), int(forecast), float(error)) for fitted, forecast, error in kept.get("record", ()))
    return Discrepancy(span, **lists, unit=float(kept["unit"]), origins=int(kept["origins"]), record=record)


def growth(decades: np.ndarray) -> np.ndarray:
    """The error's sd at a distance, in units of tau."""
    return np.where(decades > 0, decades + EDGE, 0.0)


def sized(
    model: Model, table: Table, seed: int = 0, say: Callable[[str], None] = lambda _: None, of: int = 0
) -> Discrepancy | None:
    """The discrepancy of a law beyond a table, from its own record; None where no origin can be judged.

    Args:
        model: law and noise, which has a posterior.
        table: all that is known.
        seed: of the searches.
        say: hears what is being done.
        of: rows of a larger table that this is a part of, whose programs serve.
    """
    if not _logs(model.law, table.x) or model.law.response.support == "ordinal":
        return None
    say("forecasting the larger runs from the smaller ones")
    ranked = np.argsort(sizes(model.law, table.x), kind="stable")
    folds = [(ranked[: round(share * len(ranked))], ranked[round(share * len(ranked)) :]) for share in ORIGINS]
    folds = [(train, _thinned(test)) for train, test in folds if _can_be_judged(model, table, train, test)]
    if not folds:
        return None
    rows, unit = rows_for(max(len(table), of)), _unit(model, table)
    lanes = [lane_of(table.take(train), model.noise, rows) for train, _ in folds]
    modes = cascade.points(model, lanes, keys_of(seed, [f"origin {i}" for i in range(len(folds))]))
    log_p, middle, variance = _log_population(model.law), np.zeros(len(SCALES)), np.ones(len(SCALES))
    record: list[tuple[int, int, float]] = []
    for (train, test), lane, u in zip(folds, lanes, modes.u, strict=True):
        held_out = table.take(test)
        far = lane_of(held_out, model.noise, rows) | {k: lane[k] for k in ("centre", "scale")}
        inside, outside, along = (np.asarray(a, np.float64) for a in _errors(model, u, lane, far))
        inside, outside, along = inside[: len(train)], outside[: len(test)], along[: len(test)]
        if np.isfinite(outside).all() and np.isfinite(along).all():
            beyond = _outside(model.law, held_out.x, _span(model.law, table.take(train).x))
            noise = _scatter(inside)
            found = _origin(outside, along, noise, unit * growth(beyond))
            precision = 1.0 / variance + found.precision
            middle, variance = (middle / variance + found.pull) / precision, 1.0 / precision
            log_p = log_p + TEMPER * found.log_p
            record.append((len(train), len(test), float(np.sqrt(np.mean(outside**2)))))
        middle, variance = PERSISTS * middle, PERSISTS**2 * variance + 1.0 - PERSISTS**2
    if not record:
        return None
    weights = np.exp(log_p - np.logaddexp.reduce(log_p))
    learned = (tuple(v.tolist()) for v in (weights, middle, np.sqrt(variance)))
    return Discrepancy(_span(model.law, table.x), *learned, unit=unit, origins=len(record), record=tuple(record))


def _logs(law: Law, x: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """log10 of compute, where inputs say it, and of every input that is carried by its logarithm."""
    found = {s: np.log10(v) for s, v in x.items() if law.inputs[s].axis == "log" and np.ndim(v) == 1}
    compute = training_compute(law.by_column(x))
    return found if compute is None else {**found, "compute": np.log10(compute)}


def _span(law: Law, x: Mapping[str, np.ndarray]) -> dict[str, tuple[float, float]]:
    return {name: (float(v.min()), float(v.max())) for name, v in _logs(law, x).items()}


def _outside(law: Law, x: Mapping[str, np.ndarray], span: Mapping[str, tuple[float, float]]) -> np.ndarray:
    found = [np.maximum(v - span[s][1], span[s][0] - v) for s, v in _logs(law, x).items()]
    return np.maximum(np.max(found, axis=0), 0.0)


def _can_be_judged(model: Model, table: Table, train: np.ndarray, test: np.ndarray) -> bool:
    enough = len(train) > model.size and len(test) >= FEWEST
    return enough and refusal(table.take(train), model.law) is None


def _thinned(test: np.ndarray) -> np.ndarray:
    return test[np.unique(np.linspace(0, len(test) - 1, MOST).round().astype(int))]


def _unit(model: Model, table: Table) -> float:
    """1 on a logarithmic scale; else the response's spread, over what that of a log response is."""
    if model.noise.on == "log" and table.trials is None:
        return 1.0
    return float(np.std(table.y if table.trials is None else table.y / table.trials)) / USUAL_SPREAD


@compiled(static=(0,))
def _errors(model: Model, u: jax.Array, lane: Lane, far: Lane) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Residuals of the rows that were fitted (rows,), errors of the others, and how these move with each standard
    deviation of the parameters (rows, size), by the curvature of the posterior."""
    curvature, axes = jnp.linalg.eigh(-jax.hessian(model.log_density)(u, lane))
    error = lambda u: model.noise.residual(model.mean_at(u, far), far)  # noqa: E731
    along = (jax.jacfwd(error)(u) @ axes) / jnp.sqrt(jnp.maximum(curvature, LEAST_CURVATURE))[None, :]
    return model.noise.residual(model.mean_at(u, lane), lane), error(u), along


def _scatter(values: np.ndarray) -> float:
    """A robust standard deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _log_population(law: Law) -> np.ndarray:
    median, spread = prior_of(law.name)
    return -0.5 * (np.log(SCALES / median) / spread) ** 2


class _Origin(NamedTuple):
    """What the errors of one origin say, for each of SCALES: the log density of all together, up to a constant; and of
    a, given that scale, a normal likelihood with this precision and precision times mean."""

    log_p: np.ndarray
    precision: np.ndarray
    pull: np.ndarray


def _origin(error: np.ndarray, along: np.ndarray, noise: float, size: np.ndarray) -> _Origin:
    """Errors (n,), which parameters explain `along` (n, parameters) and noise has its sd of; `size` (n,) grows."""
    middle, n = np.median(error), len(error)
    near = FAR_OFF * max(_scatter(error), noise)
    error = np.clip(error, middle - near, middle + near)
    known = along @ along.T + (noise**2 + 1e-12) * np.eye(n)
    square = SCALES[:, None, None] ** 2
    root = np.linalg.cholesky(known[None] + square * (1.0 - SHARED) * np.diag(size**2)[None])
    both = np.broadcast_to(np.stack([error, size], axis=1), (len(SCALES), n, 2))
    error_w, size_w = np.moveaxis(np.linalg.solve(root, both), -1, 0)
    size_w = size_w * np.sqrt(SHARED) * SCALES[:, None]  # times a
    precision, pull = np.sum(size_w**2, axis=1), np.sum(size_w * error_w, axis=1)
    # with a integrated out, by the matrix determinant lemma and Sherman and Morrison
    distance = np.sum(error_w**2, axis=1) - pull**2 / (1.0 + precision)
    slope = np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1) + 0.5 * np.log1p(precision)
    return _Origin(-slope - 0.5 * (TAILS + n) * np.log1p(distance / TAILS), precision, pull)
