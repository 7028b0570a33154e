"""Laws in a row: the response of one is an input of the next, as in size -> loss -> score.

A later stage is fitted to what the earlier one's runs were seen to give, so that given the data the stages'
posteriors are independent: the joint posterior is their product, and drawing from each carries all of its error.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale.errors import ConfigError
from jaxscale.forecast import COLUMNS, inputs_at, summarised
from jaxscale.law import Law
from jaxscale.result import Fit
from jaxscale.runtime import at_the_door, compiled


@dataclass(frozen=True)
class Chain:
    """Fits in order, each of which takes the response of the one before it."""

    fits: tuple[Fit, ...]

    @at_the_door
    def predict(self, at: Mapping[str, Any] | pd.DataFrame) -> pd.DataFrame:
        """The last response at inputs of the first law.

        Args:
            at: inputs of the first law, and what later ones need besides, as for `Fit.predict`.

        Returns:
            One row a point: mean, sd, q05, q50, q95 of the last law's curve at the curves before it; new_q05,
            new_q95 of a new run, whose every stage scatters.
        """
        known = self._known(at)
        points = len(next(iter(known[0].values())))
        table = pd.DataFrame(np.nan, index=range(points), columns=list(COLUMNS))
        if not all(fit.status.ok for fit in self.fits):
            return table
        mean, new = self._draws(known)
        if not all(fit.has_draws for fit in self.fits):
            return table.assign(mean=mean.mean(axis=0))
        # a bootstrap has no model of a new run
        return summarised(mean, new if all(fit.noise.bayesian for fit in self.fits) else None)

    def _known(self, at: Mapping[str, Any] | pd.DataFrame) -> list[dict[str, np.ndarray]]:
        """Inputs of each stage; the one that comes from the stage before is a placeholder."""
        known = []
        for i, fit in enumerate(self.fits):
            before = {self.fits[i - 1].law.response.column: 0.5} if i else {}
            given = at.assign(**before) if isinstance(at, pd.DataFrame) else {**at, **before}
            known.append(inputs_at(fit.law, given)[0])
        return known

    def _draws(self, known: list[dict[str, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        """Curve and new runs of the last stage, (draws, points) each."""
        count = max(len(next(iter(_draws_of(f).values()))) for f in self.fits)
        mean = new = np.zeros((count, 0))
        for i, fit in enumerate(self.fits):
            before = self.fits[i - 1].law.response.column if i else ""
            rng = np.random.default_rng([fit.about["seed"], i])
            # stages are independent given the data: their draws are paired at random
            own = _draws_of(fit)
            places = rng.permutation(np.resize(np.arange(len(next(iter(own.values())))), count))
            draws = {p: v[places] for p, v in own.items()}
            passed = {s: v for s, v in fit.law.inputs.items() if v.column == before}
            fixed = {s: v for s, v in known[i].items() if s not in passed}
            curve = _evaluate(fit, fixed, {s: mean / v.per for s, v in passed.items()}, draws)
            at_new = _evaluate(fit, fixed, {s: new / v.per for s, v in passed.items()}, draws) if passed else curve
            mean, new = curve, _scattered(fit, at_new, draws, i)
        return mean, new


def chain(*fits: Fit) -> Chain:
    """Fits in a row, such as `chain(js.fit(runs, "gadre"), js.fit(runs, "gadre_err"))`.

    Raises:
        ConfigError: no fit, or a law that does not take the response of the one before it.
    """
    if not fits:
        raise ConfigError("chain() takes fits in a row, such as one of loss and one of a score; it got none.")
    for first, second in itertools.pairwise(fits):
        column = first.law.response.column
        if column not in {v.column for v in second.law.inputs.values()}:
            takes = ", ".join(v.column for v in second.law.inputs.values())
            raise ConfigError(
                f"{second.law.name} takes {takes}, not the {column} that {first.law.name} predicts. Chain a law of "
                f"{column} behind it; `jaxscale laws` lists inputs and responses."
            )
    return Chain(fits)


def _draws_of(fit: Fit) -> dict[str, np.ndarray]:
    return fit.draws() if fit.has_draws else {p: np.array([v]) for p, v in fit.point.items()}


def _evaluate(
    fit: Fit, fixed: Mapping[str, np.ndarray], passed: Mapping[str, np.ndarray], draws: Mapping[str, np.ndarray]
) -> np.ndarray:
    """The law's mean, (draws, points): at inputs that are the same in every draw, and at those drawn before."""
    params = {p: np.asarray(draws[p]) for p in fit.law.params}
    return np.asarray(_mapped(fit.law, dict(fixed), dict(passed), params))


@compiled(static=(0,))
def _mapped(law: Law, fixed: dict[str, Any], passed: dict[str, Any], params: dict[str, Any]) -> jax.Array:
    points = len(next(iter(fixed.values()))) if fixed else next(iter(passed.values())).shape[1]

    def one(row: dict[str, Any], p: dict[str, Any]) -> jax.Array:
        return jnp.broadcast_to(law.mean(*((fixed | row)[s] for s in law.inputs), **p), (points,))

    return jax.vmap(one)(passed, params)


def _scattered(fit: Fit, mean: np.ndarray, draws: Mapping[str, np.ndarray], stage: int) -> np.ndarray:
    """New runs about a curve; of a point fit, the curve."""
    if not (fit.has_draws and fit.noise.bayesian):
        return mean
    params = {p: jnp.asarray(draws[p])[:, None] for p in fit.noise.priors}
    lane = {"trials": jnp.asarray(float(fit.about.get("trials") or 1.0))}
    key = jax.random.fold_in(jax.random.key(fit.about["seed"]), stage)
    return np.asarray(fit.noise.sample(key, jnp.asarray(mean), params, lane))
