"""Which runs to buy next: those that narrow a forecast, or make a decision safer, the most for what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale.beside import sizes
from jaxscale.decide.design import Search, State
from jaxscale.decide.goals import REPORTED, Regret, Spread
from jaxscale.decide.offers import Candidates, candidates_of
from jaxscale.decide.split import Frontier
from jaxscale.errors import JaxscaleError, PlanError
from jaxscale.forecast import moved
from jaxscale.result import Fit
from jaxscale.runtime import at_the_door
from jaxscale.words import plain

DRAWS, FEWEST = 2000, 400  # of the posterior that a search works with
CELLS = 4e7  # draws times candidates that are held at once
SIMULATED = 64  # draws by which a new run's information is judged
CHOICES = 33  # sizes along a budget
AT_EDGE = 0.05
TRUTHS, ENOUGH = 200, 50.0  # simulated futures of a check, and effective draws that each must leave


@at_the_door
def suggest(
    fit: Fit,
    candidates: Any = None,
    *,
    target: Mapping[str, Any],
    spend: float,
    runs: int = 6,
    repeats: int = 1,
    least: float = 0.01,
    discrepancy: bool = True,
    check: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """The runs to buy next, within a budget.

    Args:
        fit: with a posterior.
        candidates: a DataFrame, a mapping of columns or the path of a table, one row a run that could be bought: the
            law's inputs and `cost`; without a cost, training compute. None for a grid about the data.
        target: what the runs are for. A point, such as {"N": 7e10, "D": 1.4e12}, or several (arrays): the standard
            deviation of the curve there is made small. {"budget": 1e24}: the loss that is risked by choosing the size
            of a model of that compute.
        spend: the most that the runs may cost together, in the unit of `cost`.
        runs: the most runs.
        repeats: how often the same candidate may be bought.
        least: a run at the end that takes less than this share off what the posterior leaves open now (the variance at
            the target, or the expected regret) is not bought.
        discrepancy: beyond the data, count the law's own error, as `predict` does. A run out there tells of it, and so
            shrinks it at the target. Not of a budget, whose choices it moves alike. Without it `expected_sd_after` is
            of the curve if the law holds.
        check: simulate what the runs may show, weigh the draws by it, and give the standard deviation that is then
            left on average in `checked_sd_after`; NaN where the draws are too few for that.
        seed: of the simulated futures.

    Returns:
        The runs in the order to buy: the law's inputs, cost, expected_sd_after (of the target, in the response's unit,
        over this row and those before; of a budget, of the logarithm of the best size), gain (what this row takes off
        it; of a budget, off the expected regret), of a budget expected_regret_after, and candidate (row label in the
        table given). `attrs` holds sd_now, regret_now of a budget, spent, response and its unit, unit_of_cost (empty
        where only the asker knows), and notes. No row where no run is worth buying.

    Raises:
        PlanError: the fit was refused or has no posterior, there is nothing to spend, no candidate can be used or
            paid, or the target lacks an input.
    """
    _check(fit, spend, runs, repeats)
    offer = candidates_of(fit, candidates, spend)
    draws = _thinned(fit.draws(), min(DRAWS, max(FEWEST, int(CELLS // len(offer)))))
    link = fit.noise.link
    curves = np.asarray(link(jnp.asarray(fit.curves(offer.inputs, draws))))
    offer, curves = _finite(offer, curves)
    variance = new_run_variance(fit, offer.inputs, draws)
    limits = (float(spend), int(runs), int(repeats))
    budget = "budget" in target
    opened = 0.0
    if budget:
        goal, spread, notes = _for_budget(fit, target, draws, runs)
    else:
        goal, errors, own, opened, notes = _for_points(fit, target, draws, offer, discrepancy)
        spread, curves, variance = goal, curves + errors, variance + own
    about = (curves, variance, offer.cost)
    search = Search(*about, goal, *limits)
    found = search.best()
    if isinstance(goal, Regret):
        goal = Regret(goal.draws, goal.perfect, goal.most, REPORTED)
        search = Search(*about, goal, *limits)
    found = _worth_it(search, search.after(found.chosen), least * (search.value(search.start) if budget else opened))
    table = _table(fit, offer, search, Search(*about, spread, *limits), found)
    if check and len(table):
        table["checked_sd_after"] = _checked(fit, offer, found.chosen, draws, spread.draws, seed)
    table.attrs["notes"] = [*offer.notes, *notes]
    return table


def new_run_variance(fit: Fit, inputs: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray]) -> np.ndarray:
    """Variance of a normal observation that tells as much as a new run, on the noise's scale; (runs,).

    One over Fisher's information at each of some draws, on average. Of Student-t noise with few degrees of freedom it
    is finite where the variance is not.
    """
    few = _thinned(draws, SIMULATED)
    params = {p: jnp.asarray(few[p])[:, None] for p in fit.noise.priors}
    lane = {"trials": jnp.asarray(float(fit.about.get("trials") or 1.0)), "size": jnp.asarray(sizes(fit.law, inputs))}
    curve = jnp.asarray(fit.curves(inputs, few))
    information = np.asarray(jax.jit(lambda c, p, lane: fit.noise.information(c, p, lane))(curve, params, lane))
    with np.errstate(divide="ignore"):
        return np.mean(1.0 / information, axis=0)


def _check(fit: Fit, spend: float, runs: int, repeats: int) -> None:
    if not fit.status.ok:
        raise PlanError(f"There is nothing to go by. {fit.status}")
    if not fit.has_draws or not fit.noise.bayesian:
        raise PlanError(
            f"What a run would tell depends on what is not known, and a {fit.about['method']} fit under noise "
            f"{fit.noise.name!r} has no posterior. Fit with method 'auto' and a noise such as student_t."
        )
    if not (np.isfinite(spend) and spend > 0):
        raise PlanError(f"spend must be a number above 0, in the unit of the candidates' cost; got {spend!r}.")
    for name, value in {"runs": runs, "repeats": repeats}.items():
        if int(value) != value or value < 1:
            raise PlanError(f"{name} must be a whole number of 1 or more; got {value!r}.")


def _thinned(draws: Mapping[str, np.ndarray], most: int) -> dict[str, np.ndarray]:
    count = len(next(iter(draws.values())))
    keep = np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))
    return {p: np.asarray(v)[keep] for p, v in draws.items()}


def _finite(offer: Candidates, curves: np.ndarray) -> tuple[Candidates, np.ndarray]:
    good = np.isfinite(curves).all(axis=0)
    if not good.any():
        raise PlanError("The law gives no finite number at any candidate: they lie too far from the data.")
    return (offer, curves) if good.all() else (offer.take(np.flatnonzero(good)), curves[:, good])


# ---- what the runs are for -------------------------------------------------------------------


def _for_points(
    fit: Fit, target: Mapping[str, Any], draws: Mapping[str, np.ndarray], offer: Candidates, discrepancy: bool
) -> tuple[Spread, np.ndarray, np.ndarray, float, list[str]]:
    """The goal, and what the law's own error adds: to the curve at candidates (draws, runs) and to a run's variance
    there (runs,); then the variance if the law holds. The error has one sign in a draw, so that a run beyond the data
    tells of it at the target."""
    try:
        inputs, said = fit.inputs_at(target)
    except JaxscaleError as error:
        raise PlanError(f"The target cannot be used. {error}") from None
    t = fit.curves(inputs, draws)
    if not np.isfinite(t).all():
        raise PlanError(f"{fit.law.name} gives no finite number at the target: it lies too far from the data.")
    notes = [f"Of the target {text}." for text in said]
    beyond = fit.discrepancy if discrepancy else None
    if beyond is None or not beyond.decades(fit.law, inputs).any():
        notes.append(f"expected_sd_after is of the curve if {fit.law.name} holds.")
        return (
            Spread(t),
            np.zeros((len(t), len(offer))),
            np.zeros(len(offer)),
            float(t.var(axis=0, ddof=1).mean()),
            notes,
        )
    curve, errors, own = beyond.told(fit.law, inputs, offer.inputs, len(t), int(fit.about["seed"]))
    at = moved(fit.law, fit.noise, t, curve)
    believed, all_told = (float(np.sqrt(np.mean(v.var(axis=0, ddof=1)))) for v in (t, at))
    notes.append(
        f"expected_sd_after allows for an error of {fit.law.name} itself beyond the data, of which only runs out there "
        f"tell: {plain(all_told, digits=2)} now, where {plain(believed, digits=2)} is of the curve if the law holds."
    )
    return Spread(at), errors, own, believed**2, notes


def _for_budget(
    fit: Fit, target: Mapping[str, Any], draws: Mapping[str, np.ndarray], runs: int
) -> tuple[Regret, Spread, list[str]]:
    budget = target["budget"]
    if not (isinstance(budget, int | float) and np.isfinite(budget) and budget > 0):
        raise PlanError(f"The budget must be a positive number of FLOP; got {budget!r}.")
    held = {
        fit.law.inputs[s].column if s in fit.law.inputs else s: float(v) for s, v in target.items() if s != "budget"
    }
    frontier = Frontier(fit.law, {p: draws[p] for p in fit.law.params}, held)
    if not frontier.splits:
        raise PlanError(f"{fit.law.name} is a law of compute alone: a budget leaves nothing to decide. Give a point.")
    log_c = np.full(len(next(iter(draws.values()))), np.log(budget))
    best = frontier.best(log_c)
    if (share := float(best.edge.mean())) > AT_EDGE:
        raise PlanError(
            f"For {100 * share:.0f} % of the posterior the best size under this budget has no limit: the runs do not "
            "determine the split, and a point is the better target."
        )
    low, high = np.quantile(best.log_n, [0.01, 0.99])
    sizes_along = np.linspace(low - np.log(2.0), high + np.log(2.0), CHOICES)
    losses = frontier.along(np.broadcast_to(sizes_along, (len(log_c), CHOICES)), log_c)
    if not np.isfinite(losses).all():
        raise PlanError(f"{fit.law.name} means nothing for some sizes of this budget; ask about one nearer the data.")
    perfect = float(np.minimum(best.loss, losses.min(axis=1)).mean())
    notes = ["expected_sd_after is of the logarithm of the best size, gain is of the expected regret."]
    return Regret(losses, perfect, runs), Spread(best.log_n[:, None]), notes


# ---- the answer ------------------------------------------------------------------------------


def _worth_it(search: Search, state: State, least: float) -> State:
    """Without the runs at the end that hardly help."""
    while state.chosen:
        before = search.after(state.chosen[:-1])
        if search.value(before) - search.value(state) >= least:
            break
        state = before
    return state


def _table(fit: Fit, offer: Candidates, search: Search, spread: Search, found: State) -> pd.DataFrame:
    """Rows in the order to buy."""
    chosen = list(found.chosen)
    sd = np.sqrt([spread.value(spread.after(chosen[:i])) for i in range(len(chosen) + 1)])
    shown = {name: values[chosen] for name, values in offer.shown(fit).items()}
    table = pd.DataFrame({**shown, "cost": offer.cost[chosen], "expected_sd_after": sd[1:]})
    spent = float(offer.cost[chosen].sum())
    if isinstance(search.goal, Regret):
        regret = np.array([search.value(search.after(chosen[:i])) for i in range(len(chosen) + 1)])
        table["gain"], table["expected_regret_after"] = -np.diff(regret), regret[1:]
        now = {"sd_now": float(sd[0]), "regret_now": float(regret[0])}
    else:
        table["gain"], now = -np.diff(sd), {"sd_now": float(sd[0])}
    table["candidate"] = offer.label[chosen]
    response = fit.law.response
    table.attrs |= {**now, "spent": spent, "response": response.meaning, "unit": response.unit}
    table.attrs["unit_of_cost"] = offer.unit
    return table


def _checked(
    fit: Fit, offer: Candidates, chosen: tuple[int, ...], draws: Mapping[str, np.ndarray], t: np.ndarray, seed: int
) -> np.ndarray:
    """sd of t that is left after each run, by weighing draws by simulated results; (runs,)."""
    inputs = {s: v[list(chosen)] for s, v in offer.inputs.items()}
    mean = jnp.asarray(fit.curves(inputs, draws))
    params = {p: jnp.asarray(draws[p])[:, None] for p in fit.noise.priors}
    trials = jnp.asarray(float(fit.about.get("trials") or 1.0))
    lane = {"trials": trials, "size": jnp.asarray(sizes(fit.law, inputs))}
    y = fit.noise.seen(fit.noise.sample(jax.random.key(seed), mean, params, lane), lane)
    truths = np.random.default_rng(seed).choice(len(mean), min(TRUTHS, len(mean)), replace=False)

    def left(y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """(runs,) variance of t and effective draws, for one future (runs,)."""
        log_w = jnp.cumsum(fit.noise.per_row(mean, params, {**lane, "y": y[None]}), axis=1)
        w = jax.nn.softmax(log_w, axis=0)
        middle = w.T @ t
        variance = jnp.mean(w.T @ t**2 - middle**2, axis=1)
        effective = 1.0 / jnp.sum(w * w, axis=0)
        return variance * effective / jnp.maximum(effective - 1.0, 1e-9), effective

    variance, effective = (np.asarray(v) for v in jax.lax.map(left, y[truths]))
    return np.where(np.median(effective, axis=0) > ENOUGH, np.sqrt(variance.mean(axis=0)), np.nan)
