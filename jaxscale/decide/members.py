"""Who answers: the draws of one fitted law, of an average of laws, or one published set of coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from jaxscale.errors import PlanError
from jaxscale.forecast import share
from jaxscale.law import Law, get_law
from jaxscale.names import nearest
from jaxscale.result import Fit


@dataclass(frozen=True, eq=False)
class Member:
    """A law with draws of its parameters, and what it may itself be wrong by.

    Attributes:
        params: parameter -> (S,).
        beyond: the fit that knows of its law's own error beyond the data; None where the law is believed.
    """

    law: Law
    params: Mapping[str, np.ndarray]
    beyond: Fit | None = None

    @property
    def count(self) -> int:
        """Draws."""
        return len(next(iter(self.params.values())))

    def with_error(self, at: Mapping[str, Any], values: np.ndarray) -> np.ndarray:
        """The law's values with its own error added, in the response's unit.

        Args:
            at: canonical column -> (points,), for values (S, points); or (S,), each draw's own, for values (S,).
            values: of the law; what is not finite stays.
        """
        if self.beyond is None:
            return values
        points = np.shape(values)[-1]
        known = {c: np.broadcast_to(v, points) if np.ndim(v) == 0 else np.asarray(v) for c, v in at.items()}
        return self.beyond.with_error(self.law.from_columns(known), values)


@dataclass(frozen=True, eq=False)
class Source:
    """What a plan is made from.

    Attributes:
        members: laws with their draws; of an average in proportion to the weights.
        seen: canonical column -> (runs,), of the table; empty without one.
        drawn: whether the draws are a distribution, so that there are intervals.
        fit: the fit, where there is one.
    """

    members: tuple[Member, ...]
    seen: Mapping[str, np.ndarray]
    drawn: bool
    fit: Fit | None = None

    @property
    def law(self) -> Law:
        """The first law, whose inputs the question is about."""
        return self.members[0].law

    @property
    def believed(self) -> bool:
        """Whether no law's own error is allowed for."""
        return all(m.beyond is None for m in self.members)

    def with_error(self, at: Mapping[str, Any], values: np.ndarray) -> np.ndarray:
        """As of Member, over all of them: values (S,) where columns are (S,), else (S, points)."""
        if self.believed:
            return values
        found, first = [], 0
        for member in self.members:
            mine = slice(first, first + member.count)
            first += member.count
            here = {c: np.asarray(v)[mine] for c, v in at.items()} if np.ndim(values) == 1 else at
            found.append(member.with_error(here, values[mine]))
        return np.concatenate(found)


def how_far_believed(source: Source) -> str:
    """What of a forecast beyond the data leans on the law, as the end of a sentence."""
    if source.believed or not source.drawn:
        return "the law is believed that far"
    name = source.law.response.column
    return f"{name} allows for an error of the law itself out there, the choice believes it"


def without_interval(source: Source) -> list[str]:
    """A sentence where there are no draws."""
    if source.drawn:
        return []
    return ["A point fit: one optimum, no interval." if source.fit else "Published coefficients: no interval."]


def source_of(given: Any, preset: str | Mapping[str, float] | None = None, discrepancy: bool = True) -> Source:
    """A fit, an average (anything with `parts`), a law with published coefficients, or what that makes.

    Raises:
        PlanError: the fit was refused, no law of an average has a weight, or there is no such preset.
    """
    if isinstance(given, Source):
        return given
    if isinstance(given, Fit):
        return _of_fit(given, discrepancy)
    if hasattr(given, "parts"):
        return _of_average(given, discrepancy)
    if isinstance(given, Law | str):
        return _of_preset(get_law(given), preset)
    raise PlanError(
        "A plan is made from a fit, an average of laws or a law with published coefficients; got "
        f"{type(given).__name__}."
    )


def _of_fit(fit: Fit, discrepancy: bool) -> Source:
    if not fit.status.ok:
        raise PlanError(f"There is nothing to plan with. {fit.status}")
    data = fit.data["constant_data"].to_dataset()
    seen = fit.law.by_column({s: data[s].to_numpy() for s in fit.law.inputs})
    values = fit.draws() if fit.has_draws else {p: np.array([v]) for p, v in fit.point.items()}
    params = {p: np.asarray(values[p], dtype=np.float64) for p in fit.law.params}
    beyond = fit if discrepancy and fit.has_draws and fit.discrepancy is not None else None
    return Source((Member(fit.law, params, beyond),), seen, fit.has_draws, fit)


def _of_average(average: Any, discrepancy: bool) -> Source:
    members, seen = [], {}
    for part in average.parts:
        if part.weight == 0:
            continue
        one = _of_fit(part.fit, discrepancy)
        if not one.drawn:
            raise PlanError(
                f"{part.fit.law.name} was fitted without draws, so it cannot be averaged; fit it with method='auto'."
            )
        kept = share(part.weight, one.members[0].count, average.seed)
        members += [replace(one.members[0], params={p: v[kept] for p, v in one.members[0].params.items()})]
        if len(next(iter(one.seen.values()))) > len(next(iter(seen.values()), ())):
            seen = one.seen
    if not members:
        raise PlanError("No law of this average has a weight: none of its fits may be believed.")
    if len(responses := {m.law.response.column for m in members}) > 1:
        raise PlanError(f"An average plans laws of one response; these are of {', '.join(sorted(responses))}.")
    return Source(tuple(members), seen, True)


def _of_preset(law: Law, preset: str | Mapping[str, float] | None) -> Source:
    if isinstance(preset, Mapping):
        return _of_values(law, preset, "these coefficients")
    if not law.published:
        raise PlanError(f"{law.name} has no published coefficients to plan with; fit it to a table.")
    if preset is None and len(law.published) > 1:
        raise PlanError(f"{law.name} was published more than once; give preset=, one of {', '.join(law.published)}.")
    name = preset or next(iter(law.published))
    if name not in law.published:
        near = nearest(name, list(law.published))
        hint = f"did you mean {near!r}? " if near else ""
        raise PlanError(f"{law.name} has no preset {name!r}; {hint}There are {', '.join(law.published)}.")
    return _of_values(law, law.published[name], f"the preset {name}")


def _of_values(law: Law, given: Mapping[str, float], name: str) -> Source:
    if stray := sorted(set(given) - set(law.params)):
        raise PlanError(f"{law.name} has no {', '.join(stray)}; its coefficients are {', '.join(law.params)}.")
    values = {p: given.get(p, law.priors[p]) for p in law.params}
    if missing := [p for p, v in values.items() if not isinstance(v, int | float)]:
        raise PlanError(
            f"{law.name} needs {', '.join(missing)} too, beside {name}; give preset= a mapping with all of "
            f"{', '.join(law.params)}."
        )
    return Source((Member(law, {p: np.array([float(str(v))]) for p, v in values.items()}),), {}, False)
