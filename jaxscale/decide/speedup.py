"""How much compute one recipe saves over another, by posterior draw, and where the two curves cross."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.decide.paired import paired
from jaxscale.decide.split import SPLIT, Frontier
from jaxscale.errors import PlanError
from jaxscale.identify import FAR
from jaxscale.result import Fit
from jaxscale.runtime import at_the_door
from jaxscale.summary import QUANTILES
from jaxscale.variables import FLOPS_PER_PARAM_TOKEN, SYMBOLS, training_compute
from jaxscale.words import plain

DECADES = 12  # a multiplier is searched within this many, either way
BISECTIONS = 32
AT_EDGE = 0.05
SCALES = (1.0, 10.0, 100.0)  # times the largest run that both recipes have come to
CROSSING, STEPS = 1e3, 25  # how far beyond the scales asked curves are searched for a crossing, and at how many
PATHS = ("frontier", "ratio")


@at_the_door
def speedup(
    fit_a: Fit, fit_b: Fit, at: Any = None, path: str | None = None, shared: str | None = None, seed: int = 0
) -> pd.DataFrame:
    """The compute multiplier of recipe b over recipe a: how much more compute a needs to reach what b reaches.

    A law of parameters and tokens is compared along its frontier, the least loss that any split of the compute gives;
    a law of compute directly. Per draw, b spends C and reaches a loss; a reaches that loss with multiplier times C.
    Where a is one term, E + A / C^alpha, that is ((L_a - E) / (L_b - E))^(1 / alpha).

    Args:
        fit_a, fit_b: of the same response, which must mean the same in both (same test set, same tokens).
        at: compute of b: a number or several, or {"C": ...}; or points, {"N": ..., "D": ...}. Inputs that are no part
            of compute are given beside, one value each: {"C": 1e22, "P": 4}. Without it 1, 10 and 100 times the
            largest compute that both tables have come to.
            {"C": ..., "M": ...}, M tokens per parameter, are points too.
        path: how a spends its compute. "frontier": at its own best split, the default for compute; b is at its own
            best too, or at the points given. "ratio": at the points' own tokens per parameter, the default for points.
        shared: name of a parameter that is the same in both recipes, such as "E" where two recipes share the data's
            irreducible loss: the two posteriors are joined under that.
        seed: of the pairing of draws.

    Returns:
        One row a scale: scale (FLOP of b), q05, q50, q95 of the multiplier (infinite where a never reaches b's loss,
        0 where any compute does), never (share of draws in which a never does), p_b_better (share in which b's loss is
        the lower at the same compute), and the medians loss_a and loss_b there; for points N and D too.
        `attrs["crossing"]` says where the curves cross: share of draws, q05, q50, q95 of the compute among them,
        p_b_better_beyond, searched_from and searched_to; `attrs["notes"]` what was assumed.

    Raises:
        PlanError: a fit was refused, the laws cannot be compared by compute, or a split is not determined.
    """
    points, scales, held = _asked(at, fit_a, fit_b)
    path = path or ("ratio" if points else "frontier")
    if path not in PATHS or (path == "ratio" and not points):
        got = f"{path!r}" + (" without points" if path in PATHS else "")
        raise PlanError(f"path is 'frontier', or 'ratio' where `at` gives points of N and D; got {got}.")
    draws, notes = paired(fit_a, fit_b, shared, seed)
    a, b = (Frontier(f.law, p, _held(f, held)) for f, p in zip((fit_a, fit_b), draws, strict=True))
    pair = _Pair(a, b, path)
    rows = [pair.row(scale, tuple(p[i] for p in points) if points else None) for i, scale in enumerate(scales)]
    table = pd.DataFrame(rows)
    if points:
        table.insert(1, "N", points[0])
        table.insert(2, "D", points[1])
    notes += _reach(fit_a, fit_b, scales)
    if (lost := max(row["never"] for row in rows)) > 0:
        notes.append(
            f"In up to {100 * lost:.0f} % of the posterior no compute brings a to b's loss (up to 1e{DECADES} times as "
            "much was tried): those count as infinite."
        )
    table.attrs |= {"notes": notes, "crossing": None if points else pair.crossing(_range(fit_a, fit_b, scales))}
    return table


@dataclass(frozen=True)
class _Pair:
    """Two recipes, draw by draw."""

    a: Frontier
    b: Frontier
    path: str

    def row(self, scale: float, point: tuple[float, float] | None) -> dict[str, Any]:
        count = len(next(iter(self.a.params.values())))
        log_c = np.full(count, np.log(scale))
        if point is None:
            loss_b = _determined(self.b, log_c)
            loss_a = _determined(self.a, log_c)
        else:
            n, d = (np.full(count, float(v)) for v in point)
            loss_b = self.b.at(n, d)
            loss_a = self.a.at(n, d) if self.path == "ratio" else _determined(self.a, log_c)
        times = self.multiplier(log_c, loss_a, loss_b, None if self.path == "frontier" else point)
        sign = -1.0 if self.a.law.response.better == "higher" else 1.0
        return {
            "scale": scale,
            **quantiles(times),
            "never": float(np.mean(np.isinf(times))),
            "p_b_better": float(np.mean(loss_b < loss_a)),
            "loss_a": sign * float(np.median(loss_a)),
            "loss_b": sign * float(np.median(loss_b)),
        }

    def multiplier(
        self, log_c: np.ndarray, loss_a: np.ndarray, loss_b: np.ndarray, point: tuple[float, float] | None
    ) -> np.ndarray:
        """(S,) by which a's compute is scaled until its loss is b's."""

        def loss(log_m: np.ndarray) -> np.ndarray:
            if point is None:
                return self.a.best(log_c + log_m).loss
            root = np.exp(0.5 * log_m)
            return self.a.at(point[0] * root, point[1] * root)

        return np.exp(_solved(loss, loss_a, loss_b))

    def crossing(self, between: tuple[float, float]) -> dict[str, float]:
        """Where, in what share of draws, the curves cross first, going up in compute."""
        count = len(next(iter(self.a.params.values())))
        grid = np.linspace(np.log(between[0]), np.log(between[1]), STEPS)
        gap = np.stack([self._gap(np.full(count, c)) for c in grid], axis=1)  # b's loss less a's
        turned = np.sign(gap[:, :-1]) * np.sign(gap[:, 1:]) < 0
        crosses, first = turned.any(axis=1), np.argmax(turned, axis=1)
        low, high = grid[first], grid[first + 1]
        sign = np.sign(gap[np.arange(count), first])
        for _ in range(BISECTIONS // 2 if crosses.any() else 0):
            middle = 0.5 * (low + high)
            same = np.sign(self._gap(middle)) == sign
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        where = np.exp(0.5 * (low + high))[crosses]
        found = quantiles(where) if len(where) else dict.fromkeys(QUANTILES, np.nan)
        return {
            "share": float(np.mean(crosses)),
            **found,
            "p_b_better_beyond": float(np.mean(gap[:, -1] < 0)),
            "searched_from": float(between[0]),
            "searched_to": float(between[1]),
        }

    def _gap(self, log_c: np.ndarray) -> np.ndarray:
        return self.b.best(log_c).loss - self.a.best(log_c).loss


def quantiles(values: np.ndarray) -> dict[str, float]:
    """q05, q50, q95 that are values among these, so that infinities are kept and not averaged."""
    return {name: float(np.quantile(values, q, method="inverted_cdf")) for name, q in QUANTILES.items()}


def _solved(loss: Callable[[np.ndarray], np.ndarray], now: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Log multiplier at which `loss` comes down to `goal`, the nearest to 1; inf or -inf where none does."""
    up = now > goal
    inner, outer = np.zeros(len(now)), np.zeros(len(now))
    found = now == goal
    for decade in range(1, DECADES + 1):
        if found.all():
            break
        step = np.where(up, 1.0, -1.0) * decade * np.log(10.0)
        there = loss(step)
        met = ~found & np.where(up, there <= goal, there >= goal)
        inner, outer = np.where(found, inner, np.where(met, outer, inner)), np.where(found, outer, step)
        found |= met
    low, high = np.minimum(inner, outer), np.maximum(inner, outer)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        short = loss(middle) > goal
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    return np.where(found, 0.5 * (low + high), np.where(up, np.inf, -np.inf))


def _determined(curve: Frontier, log_c: np.ndarray) -> np.ndarray:
    """Losses on the frontier.

    Raises:
        PlanError: for too many draws there is no best split.
    """
    best = curve.best(log_c)
    if (share := float(best.edge.mean())) > AT_EDGE or not np.isfinite(best.loss).all():
        why = f"for {100 * share:.0f} % of the posterior no split of the compute is the best one"
        why = why if np.isfinite(best.loss).all() else "the law means nothing there"
        raise PlanError(
            f"At {plain(np.exp(log_c[0]))} FLOP {curve.law.name} has no frontier: {why}. Compare at points instead, "
            'such as at={"N": 1e9, "D": 2e10}.'
        )
    return best.loss


# ---- what was asked --------------------------------------------------------------------------


def _asked(
    at: Any, fit_a: Fit, fit_b: Fit
) -> tuple[tuple[np.ndarray, np.ndarray] | None, np.ndarray, dict[str, float]]:
    """Points (N, D) or None, compute of each row, and the values of inputs that are no part of compute."""
    for name, fit in {"a": fit_a, "b": fit_b}.items():
        if not fit.status.ok:
            raise PlanError(f"Fit {name} was refused, so there is nothing to compare. {fit.status}")
    one, other = fit_a.law.response, fit_b.law.response
    if (one.column, one.unit) != (other.column, other.unit):
        raise PlanError(
            f"The two fits are of different things: {one.column} in {one.unit} and {other.column} in {other.unit}."
        )
    if at is None:
        largest = [c.max() for c in (_compute(fit_a), _compute(fit_b)) if c is not None]
        if not largest:
            raise PlanError("The tables do not say what compute was spent. Give at=, such as at=1e22.")
        return None, min(largest) * np.array(SCALES), {}
    given: dict[str, Any] = {"flops": at}
    if isinstance(at, Mapping):
        given = {SYMBOLS.get(str(k), str(k)): v for k, v in at.items()}
    if {"flops", "tokens_per_param"} <= set(given):
        compute, ratio = (_numbers(k, given.pop(k)) for k in ("flops", "tokens_per_param"))
        given["params"] = np.sqrt(compute / (FLOPS_PER_PARAM_TOKEN * ratio))
        given["tokens"] = ratio * given["params"]
    known = {name for f in (fit_a, fit_b) for s, v in f.law.inputs.items() for name in (s, v.column)}
    if unknown := [k for k in given if k not in ("flops", *SPLIT) and k not in known]:
        raise PlanError(f"at names {', '.join(map(str, unknown))}, which is an input of neither law.")
    held = {k: _numbers(k, v) for k, v in given.items() if k not in ("flops", *SPLIT)}
    if wrong := [k for k, v in held.items() if len(v) != 1]:
        raise PlanError(f"{', '.join(wrong)}: expected one value; several scales are for compute or for N and D.")
    fixed = {k: float(v[0]) for k, v in held.items()}
    if "flops" in given and not set(SPLIT) & set(given):
        return None, _numbers("C", given["flops"]), fixed
    if set(SPLIT) <= set(given) and "flops" not in given:
        n, d = (_numbers(k, given[k]) for k in SPLIT)
        if 1 not in (len(n), len(d)) and len(n) != len(d):
            raise PlanError(f"N and D must be equally many, or one of them a single number; got {len(n)} and {len(d)}.")
        n, d = np.broadcast_arrays(n, d)
        return (n, d), FLOPS_PER_PARAM_TOKEN * n * d, fixed
    raise PlanError(f"at is compute (C), or parameters and tokens (N, D) together; got {', '.join(map(str, at))}.")


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        found = np.atleast_1d(np.asarray(value, dtype=float))
    except (TypeError, ValueError):
        found = np.array([np.nan])
    if found.ndim != 1 or not found.size or not np.all(np.isfinite(found) & (found > 0)):
        raise PlanError(f"{name} must be a number above 0, or several; got {value!r}.")
    return found


def _held(fit: Fit, given: Mapping[str, float]) -> dict[str, float]:
    """Inputs of this law that are given beside compute, by column, in canonical units."""
    found = {}
    for key, value in given.items():
        column = fit.law.inputs[key].column if key in fit.law.inputs else key
        if column in {v.column for v in fit.law.inputs.values()}:
            found[column] = value
    return found


def _compute(fit: Fit) -> np.ndarray | None:
    data = fit.data["constant_data"].to_dataset()
    return training_compute(fit.law.by_column({s: data[s].to_numpy() for s in fit.law.inputs}))


def _range(fit_a: Fit, fit_b: Fit, scales: np.ndarray) -> tuple[float, float]:
    """Where a crossing is searched: from the smallest run of either table to far beyond the scales asked."""
    least = [c.min() for c in (_compute(fit_a), _compute(fit_b)) if c is not None]
    return float(min([*least, scales.min()])), float(scales.max() * CROSSING)


def _reach(fit_a: Fit, fit_b: Fit, scales: np.ndarray) -> list[str]:
    said = []
    for name, fit in {"a": fit_a, "b": fit_b}.items():
        compute = _compute(fit)
        if compute is not None and (times := scales.max() / compute.max()) > FAR:
            said.append(
                f"The largest scale is {plain(times, digits=2)} times the compute of the largest run of {name}; the "
                "intervals believe the laws that far."
            )
    if not (fit_a.has_draws and fit_b.has_draws):
        said.append("A point fit has no interval: its own uncertainty is missing here.")
    return said
