"""Draws of two fits side by side: independent, or joined in a parameter that both share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.stats import gaussian_kde

from jaxscale.errors import PlanError
from jaxscale.priors import Prior
from jaxscale.result import Fit
from jaxscale.words import plain

DRAWS = 2000  # of each posterior
ENOUGH = 100.0  # effective draws of two floors taken for one
NEIGHBOURS = 5  # on either side, among which the partner of a draw is drawn

Draws = dict[str, np.ndarray]


def paired(fit_a: Fit, fit_b: Fit, shared: str | None, seed: int) -> tuple[tuple[Draws, Draws], list[str]]:
    """Parameter -> (draws,) of each law, and what is to be said of it.

    Args:
        fit_a, fit_b: passed their gates.
        shared: a parameter that is the same in both, or None for posteriors as independent as the two tables.
        seed: of the pairing.

    Raises:
        PlanError: what is shared has no posterior in one of them, or the two do not agree on it.
    """
    a, b = _draws(fit_a), _draws(fit_b)
    rng = np.random.default_rng(seed)
    if shared is not None:
        return _sharing(fit_a, fit_b, a, b, shared, rng)
    if fit_a is fit_b:
        return (_taken(a, np.arange(_count(a))[:DRAWS]), _taken(b, np.arange(_count(b))[:DRAWS])), []
    count = min(DRAWS, max(_count(a), _count(b)))
    rows = (rng.permutation(np.resize(np.arange(_count(p)), max(count, _count(p))))[:count] for p in (a, b))
    return (_taken(a, next(rows)), _taken(b, next(rows))), []


def _sharing(
    fit_a: Fit, fit_b: Fit, a: Draws, b: Draws, name: str, rng: np.random.Generator
) -> tuple[tuple[Draws, Draws], list[str]]:
    """Draws of the joint posterior in which one parameter is the same, its prior counted once.

    a's draws are weighed by b's density of that parameter over its prior, and each is paired with the draw of b that
    is nearest in it. Both laws' parameter is then a's.
    """
    for which, fit in {"a": fit_a, "b": fit_b}.items():
        prior = fit.law.priors.get(name)
        if name not in fit.law.params or not isinstance(prior, Prior) or not fit.has_draws:
            raise PlanError(
                f"{name!r} cannot be shared: fit {which} of {fit.law.name} has no posterior of it. Its parameters are "
                f"{', '.join(fit.law.params)}."
            )
    prior = fit_b.law.priors[name]
    assert isinstance(prior, Prior)
    if prior.powers or prior.root or prior.above:
        raise PlanError(f"{name!r} cannot be shared: its prior depends on the table. Share a floor, such as E.")
    scale = float(fit_b.law.response.scale or 1.0) if prior.scaled else 1.0
    log_prior = np.asarray(prior.dist.log_prob(a[name] / (prior.sign * scale)), float)
    density = gaussian_kde(b[name])(a[name])
    weight = density * np.exp(-(log_prior - log_prior.max()))
    effective = weight.sum() ** 2 / max(np.sum(weight**2), 1e-300)
    if effective < ENOUGH:
        middle = " and ".join(plain(float(np.median(p[name])), float(np.std(p[name]))) for p in (a, b))
        raise PlanError(
            f"The two fits do not agree on {name} (medians {middle}), so they cannot share it: {effective:.0f} draws "
            f"are left, {ENOUGH:.0f} needed. Compare without `shared`, or fit both tables anew with {name} fixed."
        )
    rows = rng.choice(len(weight), DRAWS, p=weight / weight.sum())
    order = np.argsort(b[name], kind="stable")
    place = np.clip(np.searchsorted(b[name][order], a[name][rows]), 0, len(order) - 1)
    jitter = np.clip(
        place + rng.integers(-NEIGHBOURS, NEIGHBOURS + 1, len(place)), 0, len(order) - 1
    )  # neighbours, not one draw for many
    first, second = _taken(a, rows), _taken(b, order[jitter])
    second[name] = first[name]
    return (first, second), [f"Both recipes share {name}: {effective:.0f} effective draws agree on it."]


def _draws(fit: Fit) -> Draws:
    if fit.has_draws:
        return {p: v for p, v in fit.draws().items() if p in fit.law.params}
    return {p: np.array([fit.point[p]]) for p in fit.law.params}


def _count(draws: Draws) -> int:
    return len(next(iter(draws.values())))


def _taken(draws: Mapping[str, np.ndarray], rows: np.ndarray) -> Draws:
    return {p: np.asarray(v)[rows] for p, v in draws.items()}
