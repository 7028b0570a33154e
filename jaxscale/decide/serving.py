"""What a model that is cheaper to serve costs more to train, at the same loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.decide.cost import COSTS
from jaxscale.decide.members import Source, source_of
from jaxscale.decide.plan import Plan
from jaxscale.decide.problem import complete
from jaxscale.decide.split import ZOOM, ZOOMS, Frontier
from jaxscale.errors import PlanError
from jaxscale.law import Law
from jaxscale.runtime import at_the_door
from jaxscale.summary import QUANTILES

COST = COSTS["6nd"]
THIN = 400  # draws
SIZES = 49  # of the front
STEPS = 97  # sizes among which a draw's best is looked for first
DOWN, UP = 1e4, 1e2  # times smaller and larger than the size that is cheapest to train, where they lie
WIDER = 1.4  # how far the front goes beyond the sizes that are best for somebody
VOLUMES = (1.0, 10.0, 100.0)  # times the training tokens, rounded to a power of ten


@dataclass(frozen=True)
class Front:
    """Models of one loss: of each draw that of the plan's own best choice, so that curves differ by what serving
    changes, and not by how good a model the budget buys.

    Attributes:
        curve: a row a size, smallest first: N, serve (FLOP a served token), train_q05, train_q50, train_q95 (FLOP of
            training; infinite where so many draws never reach the loss).
        best: a row a number of served tokens, 0 first: served; and quantiles of the size, its tokens and what it takes
            where training and serving together cost the least: N_q05, ..., D_q05, ..., serve_q05, ..., train_q05, ...
        loss: (S,), of the draws behind it.
        response, unit: what the loss is.
        drawn: whether there is more than one draw.
    """

    curve: pd.DataFrame
    best: pd.DataFrame
    loss: np.ndarray
    response: str
    unit: str
    drawn: bool


@at_the_door
def front(
    fit: Any,
    made: Plan,
    served: Sequence[float] | None = None,
    serve_tokens: float = 0.0,
    preset: str | Mapping[str, float] | None = None,
) -> Front:
    """Training compute against the compute of a served token, 6 N D against 2 N, of models of the same loss.

    Args:
        fit: what the plan was made from, of a law of models and tokens alone.
        made: the plan whose loss is meant, draw by draw.
        served: tokens served over a model's life, for each of which the best size is found; 1, 10 and 100 times the
            training tokens, as powers of ten, or a tenth, once and ten times `serve_tokens`, unless given.
        serve_tokens: that the plan's budget covers too; at this number the best size is the plan's, unless that was
            limited.
        preset: as of `plan`.

    Raises:
        PlanError: the law is not of models and tokens alone, or the plan is another fit's.
    """
    source = source_of(fit, preset, discrepancy=False)
    if source.law.decides != "N, D":
        raise PlanError(f"{source.law.name} decides {source.law.decides}: a front needs a law of models and tokens.")
    count = sum(m.count for m in source.members)
    if made.judge is None or not {"N", "D"} <= set(made.draws) or len(made.draws["N"]) != count:
        raise PlanError(f"The plan was not made from this fit: it has {len(next(iter(made.draws.values())))} draws of "
                        f"{', '.join(made.chosen)}, expected {count} of N, D.")  # fmt: skip
    volumes = _volumes(served, serve_tokens, float(np.median(made.draws["D"])))
    sign = -1.0 if source.law.response.better == "higher" else 1.0
    value, n = made.judge.best, made.draws["N"]
    lanes, goals = [], []
    for curves, rows in _thinned(source):
        lanes.append((curves, sign * value[rows], np.log(n[rows])))
        goals.append(value[rows])
    found = [{"served": t} | _row(lanes, t) for t in volumes]
    best = pd.DataFrame(found)
    sizes = np.geomspace(best["N_q05"].min() / WIDER, best["N_q95"].max() * WIDER, SIZES)
    train = np.concatenate([_train(c, np.tile(np.log(sizes), (len(g), 1)), g)[0] for c, g, _ in lanes])
    serve = _serve(source.law, sizes)
    quantiles = {f"train_{q}": _quantile(train, p) for q, p in QUANTILES.items()}
    curve = pd.DataFrame({"N": sizes, "serve": serve, **quantiles})
    response = source.law.response
    return Front(curve, best, np.concatenate(goals), response.meaning, response.unit, len(train) > 1)


def _volumes(served: Sequence[float] | None, serve_tokens: float, tokens: float) -> list[float]:
    """Served tokens, 0 first, rising."""
    if served is None:
        around = (0.1, 1.0, 10.0)
        served = [serve_tokens * t for t in around] if serve_tokens else [t * _power_of_ten(tokens) for t in VOLUMES]
    given = np.asarray(served, dtype=np.float64)
    if given.ndim != 1 or not np.all(np.isfinite(given) & (given >= 0)):
        raise PlanError(f"served is a list of numbers of tokens, zero or more; got {served!r}.")
    return sorted({0.0, *given.tolist()})


def _power_of_ten(value: float) -> float:
    return float(10.0 ** np.round(np.log10(value)))


def _thinned(source: Source) -> list[tuple[Frontier, np.ndarray]]:
    """Of each law its curves at some draws, and the places of those among all draws."""
    total, found, first = sum(m.count for m in source.members), [], 0
    for member in source.members:
        rows = np.arange(0, member.count, max(1, total // THIN))
        found.append(
            (Frontier(member.law, {p: np.asarray(v)[rows] for p, v in member.params.items()}, {}), first + rows)
        )
        first += member.count
    return found


def _row(lanes: Sequence[tuple[Frontier, np.ndarray, np.ndarray]], served: float) -> dict[str, float]:
    """Quantiles of the size that costs the least with so many tokens served, and of what goes with it."""
    parts = [_least(curves, goal, centre, served) for curves, goal, centre in lanes]
    row = {}
    for name in parts[0]:
        values = np.concatenate([p[name] for p in parts])
        row |= {f"{name}_{q}": float(np.quantile(values, p)) for q, p in QUANTILES.items()}
    return row


def _least(curves: Frontier, goal: np.ndarray, centre: np.ndarray, served: float) -> dict[str, np.ndarray]:
    """Each draw's size of the least cost; the search is that of `Frontier.best`."""
    everyone = np.arange(len(goal))
    log_n = centre[:, None] + np.linspace(-np.log(DOWN), np.log(UP), STEPS)[None]
    step = float(log_n[0, 1] - log_n[0, 0])
    for zoom in range(ZOOMS + 1):
        train, tokens = _train(curves, log_n, goal)
        at = np.argmin(train + served * _serve(curves.law, np.exp(log_n)), axis=1)
        best, d, paid = (v[everyone, at] for v in (log_n, tokens, train))
        if zoom < ZOOMS:
            log_n = best[:, None] + step * np.linspace(-1.0, 1.0, 2 * ZOOM + 1)[None]
            step /= ZOOM
    return {"N": np.exp(best), "D": d, "serve": _serve(curves.law, np.exp(best)), "train": paid}


def _train(curves: Frontier, log_n: np.ndarray, goal: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FLOP with which sizes (S, sizes) reach losses (S,), and the tokens."""
    tokens = curves.tokens_for(log_n, goal)
    return np.asarray(COST.train(complete({"params": np.exp(log_n), "tokens": tokens}, curves.law))), tokens


def _serve(law: Law, n: np.ndarray) -> np.ndarray:
    """FLOP a served token."""
    return np.asarray(COST.serve(complete({"params": n}, law)))


def _quantile(values: np.ndarray, q: float) -> np.ndarray:
    """Down the draws, some of them infinite."""
    return np.quantile(values, q, axis=0, method="higher" if q > 0.5 else "lower")
