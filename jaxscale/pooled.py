"""Partial pooling: the verb `fit_pooled`, its result, and `many.pool` over fits that stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale.batch import Lane, Table, keys_of, lane_of, rows_for
from jaxscale.engine.tables import read_tables
from jaxscale.errors import ConfigError
from jaxscale.forecast import COLUMNS, drawn, inputs_at, summarised
from jaxscale.infer import pool
from jaxscale.infer.population import Member
from jaxscale.law import Law, get_law
from jaxscale.model import Model
from jaxscale.noise import Noise, get_noise
from jaxscale.progress import telling
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.status import Health, Status
from jaxscale.summary import QUANTILES, SUMMARY, moments

NEW = "new group"
CONVERGENCE = ("r_hat", "ess_bulk", "ess_tail")
SCALES = {"exp": "log", "sigmoid": "logit", "real": "itself"}


@dataclass(frozen=True, repr=False)
class Pooled:
    """A law fitted to groups whose parameters are drawn from a population.

    Attributes:
        law, noise: the model.
        params: the pooled parameters.
        ids: of the groups, in the order of the tables.
        frame: `centre` and `scale` that the groups share, by which contributions are stated.
        v: (draws, 2 pooled) mu and tau of the pooled coordinates, on the real line.
        values: (draws, groups, params); NaN for a group that has none to show.
        population_status: the gate of mu and tau.
        statuses, healths: by group.
        diagnostics: R-hat, bulk and tail effective size: (3, 2 pooled + groups params); NaN of weighted draws.
        trials: of a new run, for counts.
        seed: of every random draw.
    """

    law: Law
    noise: Noise
    params: tuple[str, ...]
    ids: tuple[str, ...]
    frame: Lane
    v: np.ndarray
    values: np.ndarray
    population_status: Status
    statuses: Mapping[str, Status]
    healths: Mapping[str, Health]
    diagnostics: np.ndarray
    trials: float
    seed: int

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        good = sum(s.ok for s in self.statuses.values())
        return f"Pooled({self.law.name}, {len(self)} groups, {good} of them ok; {', '.join(self.params)} pooled)"

    @property
    def _model(self) -> Model:
        return Model(self.law, self.noise)

    def status(self) -> pd.DataFrame:
        """The health table, indexed by group: ok, status (a sentence), method, r_hat, ess, pareto_k.

        A group is ok only if its own draws and those of the population have passed.
        """
        rows = {}
        for name in self.ids:
            status, h = self.statuses[name], self.healths[name]
            ess = h.ess_weights if h.weighted else min(h.ess_bulk, h.ess_tail)
            rows[name] = {"ok": status.ok, "status": str(status), "method": h.method, "r_hat": h.r_hat, "ess": ess,
                          "pareto_k": h.pareto_k}  # fmt: skip
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("group")

    def summary(self) -> pd.DataFrame:
        """Long: group, parameter, mean, sd, q05, q50, q95, r_hat, ess_bulk, ess_tail; NaN where a gate failed."""
        params, first = self._model.params, 2 * len(self.params)
        tables = []
        for g, name in enumerate(self.ids):
            table = pd.DataFrame(np.nan, index=range(len(params)), columns=list(SUMMARY))
            if self.statuses[name].ok:
                for stat, values in moments(self.values[:, g]).items():
                    table[stat] = values
                at = first + g * len(params) + np.arange(len(params))
                for stat, values in zip(CONVERGENCE, self.diagnostics[:, at], strict=True):
                    table[stat] = values
            tables.append(table.assign(group=name, parameter=list(params)))
        return pd.DataFrame(pd.concat(tables, ignore_index=True)[["group", "parameter", *SUMMARY]])

    def population(self) -> pd.DataFrame:
        """Indexed by pooled parameter: quantiles of the population's middle and of its spread.

        `middle_*` is of the coordinate: an exponent as it is, a floor or a contribution at the shared centre in the
        response's unit, a location relative to that centre. `spread_*` is the standard deviation over groups on the
        scale that `on` names: 0.1 on "log" means that groups differ by about 10 %. Then r_hat, ess_bulk and ess_tail,
        the worse of the two. NaN where the gate failed.
        """
        sites, count = self._sites(), len(self.params)
        rows = {}
        for k, site in enumerate(sites):
            row: dict[str, Any] = {"on": SCALES[site.prior.bijector]}
            unit = float(self.frame["scale"]) if site.prior.scaled else 1.0
            middle = np.asarray(site.bijector.to(self.v[:, k])) * site.prior.sign * unit
            for stat, q in QUANTILES.items():
                row[f"middle_{stat}"] = np.quantile(middle, q)
            for stat, q in QUANTILES.items():
                row[f"spread_{stat}"] = np.quantile(self.v[:, count + k], q)
            both = self.diagnostics[:, [k, count + k]]
            row |= {"r_hat": both[0].max(), "ess_bulk": both[1].min(), "ess_tail": both[2].min()}
            rows[site.param] = row
        table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("parameter")
        if not self.population_status.ok:
            table[table.columns[1:]] = np.nan
        return table

    def draws(self, group: str | None = None) -> dict[str, np.ndarray]:
        """Draws of one group, parameter -> (draws,); without a name, of a new group drawn from the population.

        Raises:
            ConfigError: no group has that name.
            ValueError: there are none to show; the text is the status.
        """
        params = self._model.params
        if group is None:
            if not self.population_status.ok:
                raise ValueError(f"The population has no draws to show. {self.population_status}")
            return dict(zip(params, self._new.T, strict=True))
        if group not in self.ids:
            raise ConfigError(f"no group is called {group!r}; there are {', '.join(self.ids[:10])}")
        if not self.statuses[group].ok:
            raise ValueError(f"{group}: no draws to show. {self.statuses[group]}")
        return dict(zip(params, self.values[:, self.ids.index(group)].T, strict=True))

    @at_the_door
    def predict(self, at: Mapping[str, Any] | pd.DataFrame, new_group: bool = False) -> pd.DataFrame:
        """The curve and a new run of every group at given inputs.

        Args:
            at: as in `Fit.predict`.
            new_group: add a group that was not seen, drawn from the population, as "new group".

        Returns:
            One row a group and point: group, mean, sd, q05, q50, q95 of the curve, new_q05, new_q95 of a new run. NaN
            where a gate failed.

        Raises:
            DataError: an input is missing or not positive.
        """
        inputs, _ = inputs_at(self.law, at)
        blank = pd.DataFrame(np.nan, index=range(len(next(iter(inputs.values())))), columns=list(COLUMNS))
        wanted: list[str | None] = [*self.ids, *([None] if new_group else [])]
        tables = []
        for name in wanted:
            status = self.population_status if name is None else self.statuses[name]
            table = blank
            if status.ok:
                curve, new = drawn(self.law, self.noise, inputs, self.draws(name), self.trials, self.seed)
                table = summarised(curve, new)
            tables.append(table.assign(group=NEW if name is None else name))
        return pd.DataFrame(pd.concat(tables, ignore_index=True)[["group", *COLUMNS]])

    def _sites(self) -> list[Any]:
        return [s for s in self._model.sites if s.param in self.params]

    @property
    def _new(self) -> np.ndarray:
        """(draws, params) of groups drawn from the population, the rest from the prior."""
        return np.asarray(_new_groups(self._model, self.params, self.frame, self.v, self.seed))


@at_the_door
def _new_groups(model: Model, params: tuple[str, ...], frame: Lane, v: np.ndarray, seed: int) -> jax.Array:
    pooled = np.array([i for i, s in enumerate(model.sites) if s.param in params])
    first, second = jax.random.split(jax.random.fold_in(jax.random.key(seed), 1))
    theta = jax.vmap(model.apart)(jax.vmap(model.draw_prior)(jax.random.split(first, len(v))))
    mu, tau = jnp.split(jnp.asarray(v), 2, axis=1)
    theta = theta.at[:, pooled].set(mu + tau * jax.random.normal(second, mu.shape))

    def values(theta):
        coordinates = {s.name: s.bijector.to(theta[i]) for i, s in enumerate(model.sites)}
        found = model.parameters(coordinates, frame)
        return jnp.stack([found[p] for p in model.params])

    return jax.jit(jax.vmap(values))(theta)


@at_the_door
def fit_pooled(
    tables: Mapping[str, Any] | Runs,
    law: str | Law = "chinchilla",
    noise: str | Noise | None = None,
    params: Sequence[str] | None = None,
    seed: int = 0,
    draws: int = 4000,
    priors: Mapping[str, Any] | None = None,
    progress: bool | None = None,
) -> Pooled:
    """Fit a law to groups of runs whose parameters are drawn from a population.

    Each pooled parameter's coordinate is drawn, on the logarithmic or logistic scale, from a normal distribution over
    groups. Its middle has the parameter's own prior, its spread a log-normal one: 90 % between .05 and .75 of that
    prior's standard deviation. Contributions are those at the geometric centre of all runs together. Groups may have
    fewer runs than the law has parameters.

    Args:
        tables: group -> Runs, path or DataFrame; or one Runs with a group column.
        law, noise, seed, draws, priors, progress: as in `fit_many`.
        params: of law and noise, those that are pooled; by default all that are free. The others have their own prior
            in each group.

    Returns:
        A Pooled. A table that cannot be read, or a posterior that has not converged, has a status that says so.

    Raises:
        ConfigError, LawError: an option, a noise, a law or a parameter that does not exist, or a single group.
        DataError: nothing can be read.
    """
    law = get_law(law)
    law = law.with_priors(priors) if priors else law
    member = member_of(law, get_noise(noise, law.response), params)
    read = read_tables(tables, law, member.noise)
    good = {name: table for name, table in read.items() if isinstance(table, Table)}
    if len(good) < 2:
        raise ConfigError(f"a population needs at least two groups that can be read; got {len(good)}")
    lanes = shared_lanes(member, good)
    with telling(progress) as say:
        found = pool.sample(member, lanes, keys_of(seed, list(good)), draws=draws, say=say)
    statuses = {name: table for name, table in read.items() if isinstance(table, Status)}
    healths = dict.fromkeys(statuses, Health("none"))
    return assembled(
        member, tuple(read), list(good), found, lanes[0], trials_of(good.values()), seed, statuses, healths
    )


def member_of(law: Law, noise: Noise, params: Sequence[str] | None) -> Member:
    """The model with the places of what is pooled.

    Raises:
        ConfigError: a parameter that is not free, or a noise without a posterior.
    """
    if not noise.bayesian:
        raise ConfigError(f"noise {noise.name!r} has no posterior, so nothing can be pooled; take another noise")
    free = [s.param for s in Model(law, noise).sites]
    wanted = free if params is None else [params] if isinstance(params, str) else list(params)
    if not wanted or (stray := [p for p in wanted if p not in free]):
        said = f"cannot pool {', '.join(map(repr, stray))}" if wanted else "nothing is left to pool"
        raise ConfigError(f"{said}; the free parameters of {law.name} under {noise.name} are {', '.join(free)}")
    return Member(law, noise, tuple(i for i, p in enumerate(free) if p in wanted))


def shared_lanes(member: Member, tables: Mapping[str, Table]) -> list[Lane]:
    """Lanes of one shape, with the geometric centre of all rows together and one scale."""
    rows = rows_for(max(map(len, tables.values())))
    lanes = [lane_of(table, member.noise, rows) for table in tables.values()]
    counts = np.array([len(table) for table in tables.values()], float)
    centre = jax.tree.map(lambda *each: np.average(np.stack(each), weights=counts), *(lane["centre"] for lane in lanes))
    fixed = member.law.response.scale
    everything = np.concatenate([np.abs(table.y) for table in tables.values()])
    scale = np.asarray(fixed if fixed is not None else float(np.median(everything)) or 1.0, dtype=np.float64)
    return [lane | {"centre": jax.tree.map(np.asarray, centre), "scale": scale} for lane in lanes]


def trials_of(tables: Any) -> float:
    """Median number of trials, for new runs; 1 where there are none."""
    trials = [table.trials for table in tables if table.trials is not None]
    return float(np.median(np.concatenate(trials))) if trials else 1.0


def assembled(
    member: Member,
    ids: tuple[str, ...],
    fitted: Sequence[str],
    found: pool.Posterior,
    lane: Lane,
    trials: float,
    seed: int,
    statuses: Mapping[str, Status],
    healths: Mapping[str, Health],
) -> Pooled:
    """A Pooled of all ids, of which some were fitted and the others have a status."""
    count, params = 2 * len(member.pooled), len(member.params)
    place = {name: g for g, name in enumerate(fitted)}
    values = np.full((len(found.v), len(ids), params), np.nan)
    diagnostics = np.full((3, count + len(ids) * params), np.nan)
    flat = np.stack(found.convergence)
    diagnostics[:, :count] = flat[:, :count]
    for i, name in enumerate(ids):
        if name in place:
            g = place[name]
            values[:, i] = found.values[:, g]
            diagnostics[:, count + i * params :][:, :params] = flat[:, count + g * params :][:, :params]
    return Pooled(
        member.law, member.noise, tuple(member.sites[i].param for i in member.pooled), ids,
        {"centre": lane["centre"], "scale": lane["scale"]}, found.v, values, found.population,
        {**statuses, **dict(zip(fitted, found.status, strict=True))},
        {**healths, **dict(zip(fitted, found.health, strict=True))}, diagnostics, trials, seed,
    )  # fmt: skip
