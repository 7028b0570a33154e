"""`many.pool`: a population from fits that stand, by weights, and refits of those whose draws are too few for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxscale import diagnose
from jaxscale.batch import Lane, Table, keys_of, lane_of
from jaxscale.engine.tables import read_tables
from jaxscale.errors import ConfigError
from jaxscale.infer import cascade, pool
from jaxscale.infer.population import SPREAD, Joint, Member, apart, prior_scales
from jaxscale.infer.reweigh import Weighted, carried, reweigh
from jaxscale.pooled import Pooled, assembled, member_of, shared_lanes, trials_of
from jaxscale.runtime import at_the_door
from jaxscale.status import ESS, PARETO_K, Health, Status

ROUNDS = 3  # of refits
WIDER = 1.5  # times the population's likely spread: the prior that groups are refitted under
REFIT_DRAWS = 4000
By = Mapping[str, str] | Callable[[str], str | None] | None


@dataclass
class _Group:
    """One fit's draws where the groups share a centre."""

    values: np.ndarray
    theta: np.ndarray
    drawn: np.ndarray


@at_the_door
def pool_fits(fits: Any, tables: Any, by: By, params: Any, seed: int) -> Pooled:
    """See `Fits.pool`."""
    recipe = fits.recipe
    member = member_of(recipe.law, recipe.noise, params)
    ids = _belonging(fits.ids, by)
    read = read_tables(tables, recipe.law, recipe.noise)
    if missing := [n for n in ids if n not in read]:
        raise ConfigError(f"no table for the fits {', '.join(missing[:5])}; give those that fit_many was given")
    good = {n: table for n in ids if isinstance(table := read[n], Table)}
    lanes = dict(zip(good, shared_lanes(member, good), strict=True))
    ok = fits.status().ok
    groups = {n: _carried(fits, n, member, good[n], lanes[n]) for n in good if ok[n]}
    statuses = {n: status for n in ids if isinstance(status := read[n], Status)}
    healths = dict.fromkeys(statuses, Health("none"))
    found = _Search(member, lanes, groups, keys_of(seed, list(good))).run()
    left = {n: found.left[n] for n in good if n not in found.groups}
    return assembled(
        member, tuple(ids), list(found.groups), found.posterior, next(iter(lanes.values())), trials_of(good.values()),
        seed, statuses | left, healths | dict.fromkeys(left, Health("none")),
    )  # fmt: skip


def _belonging(ids: tuple[str, ...], by: By) -> list[str]:
    """The fits of the one family that `by` names.

    Raises:
        ConfigError: there is none, or more than one.
    """
    family = {i: by.get(i) if isinstance(by, Mapping) else by(i) if by else "all" for i in ids}
    names = sorted({str(f) for f in family.values() if f is not None})
    if len(names) != 1:
        said = "no fit belongs to a family" if not names else f"the fits belong to {len(names)} families, {names[:5]}"
        raise ConfigError(f"{said}; give a `by` that names one family, and None for the fits to leave out")
    chosen = [i for i in ids if family[i] is not None]
    if len(chosen) < 2:
        raise ConfigError(f"a population needs at least two fits; {names[0]!r} has one")
    return chosen


def _carried(fits: Any, name: str, member: Member, table: Table, lane: Lane) -> _Group:
    drawn = fits.draws(name)
    values = np.stack([drawn[p] for p in member.params], axis=1)
    own = lane_of(table, member.noise, len(lane["w"]))
    theta, density = carried(member, values, *({k: each[k] for k in ("centre", "scale")} for each in (own, lane)))
    return _Group(values, np.asarray(theta)[:, list(member.pooled)], np.asarray(density))


@dataclass
class _Search:
    """From the fits' draws to a population, with refits where the draws are too few."""

    member: Member
    lanes: Mapping[str, Lane]
    groups: dict[str, _Group]
    keys: np.ndarray

    def run(self) -> _Search:
        self.left: dict[str, Status] = {}
        key = jax.random.wrap_key_data(jax.numpy.asarray(self.keys[0]))
        found = self._weighed(key, 0) if len(self.groups) > 1 else None
        for turn in range(ROUNDS):
            weak = [n for n in self.lanes if n not in self.groups or (found is not None and self._weak(found, n))]
            if found is not None and not weak:
                break
            self._refit(weak, found, turn)
            found = self._weighed(key, 1 + turn)
        assert found is not None
        if poor := [n for n in self.groups if self._weak(found, n)]:
            for name in poor:
                h = self._health(found, name)
                self.left[name] = Status(
                    False, "not_converged",
                    f"Not converged: its draws are too few where the population lies ({', '.join(h.failures)}), so it "
                    "was left out of the population.", "Fit the groups jointly with fit_pooled.",
                )  # fmt: skip
                del self.groups[name]
            found = self._weighed(key, 1 + ROUNDS)
        self.posterior = self._posterior(found)
        return self

    def _start(self) -> np.ndarray:
        """mu and log tau from the moments of the groups' draws."""
        means = np.stack([g.theta.mean(axis=0) for g in self.groups.values()])
        own = np.mean([g.theta.var(axis=0) for g in self.groups.values()], axis=0)
        usual = SPREAD * prior_scales(self.member)[1][list(self.member.pooled)]
        return np.concatenate([np.median(means, axis=0), 0.5 * np.log(np.maximum(means.var(axis=0) - own, usual**2))])

    def _weighed(self, key: jax.Array, turn: int) -> Weighted:
        if len(self.groups) < 2:
            raise ConfigError("fewer than two groups have draws; fit them jointly with fit_pooled")
        joint = Joint(self.member, len(self.groups))
        theta, drawn = ([getattr(g, a) for g in self.groups.values()] for a in ("theta", "drawn"))
        return reweigh(joint, theta, drawn, self._start(), jax.random.fold_in(key, turn))

    def _health(self, found: Weighted, name: str) -> Health:
        g = list(self.groups).index(name)
        return Health("importance", pareto_k=float(found.pareto_k[g]), ess_weights=float(found.ess[g]))

    def _weak(self, found: Weighted, name: str) -> bool:
        h = self._health(found, name)
        return not (h.ess_weights > ESS and h.pareto_k < PARETO_K)

    def _refit(self, names: list[str], found: Weighted | None, turn: int) -> None:
        """Groups once more, under a prior a little wider than the population is likely to be."""
        member, pooled = self.member, list(self.member.pooled)
        middle, spread = (a.copy() for a in prior_scales(member))
        count = len(pooled)
        if found is not None:
            v = found.v.reshape(-1, 2 * count)
            middle[pooled] = v[:, :count].mean(axis=0)
            spread[pooled] = WIDER * np.hypot(np.exp(np.quantile(v[:, count:], 0.9, axis=0)), v[:, :count].std(axis=0))
        lanes = [self.lanes[n] | {"mu": middle, "tau": spread} for n in names]
        at = [list(self.lanes).index(n) for n in names]
        posteriors = cascade.sample(member, lanes, self.keys[at] + np.uint32(turn), draws=REFIT_DRAWS)
        theta = np.asarray(apart(member, posteriors.u))[..., pooled]
        away = (theta - middle[pooled]) / spread[pooled]
        drawn = -0.5 * np.sum(away**2 + np.log(2.0 * np.pi * spread[pooled] ** 2), axis=-1)
        for i, name in enumerate(names):
            if posteriors.status[i].ok:
                self.groups[name] = _Group(posteriors.values[i], theta[i], drawn[i])
            elif name not in self.groups:
                self.left[name] = posteriors.status[i]
        self.groups = {n: self.groups[n] for n in self.lanes if n in self.groups}

    def _posterior(self, found: Weighted) -> pool.Posterior:
        values = np.stack([g.values[found.chosen[:, i]] for i, g in enumerate(self.groups.values())], axis=1)
        draws = np.moveaxis(found.v, -1, 0)
        statistics = diagnose.convergence(draws)
        blank = np.full(values.shape[1] * values.shape[2], np.nan)
        whole = Health(
            "HMC over weighted fits", float(statistics.r_hat.max()), float(statistics.ess_bulk.min()),
            float(statistics.ess_tail.min()), int(found.diverging.sum()), float(np.min(diagnose.ebfmi(found.energy))),
            finite=bool(np.isfinite(draws).all()),
        )  # fmt: skip
        each = [self._health(found, name) for name in self.groups]
        v = found.v.reshape(-1, draws.shape[0]).copy()
        v[:, v.shape[1] // 2 :] = np.exp(v[:, v.shape[1] // 2 :])
        filled = diagnose.Convergence(*(np.concatenate([s, blank]) for s in statistics))
        return pool.Posterior(v, values, filled, whole.status(), each, [pool.leaning(h, whole) for h in each])
