"""Several fits to one table as one forecast: the mixture of what they say, each by its weight."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from jaxscale.forecast import COLUMNS, drawn, inputs_at, share, summarised
from jaxscale.result import Fit
from jaxscale.runtime import at_the_door


class Part(NamedTuple):
    """One fit of an average.

    Attributes:
        fit: of a law, to the runs of at least so many tokens.
        least: tokens; 0 for all runs.
        weight: of this fit in the mixture, 0 to 1.
    """

    fit: Fit
    least: float
    weight: float


@dataclass(frozen=True, repr=False)
class Average:
    """Several laws fitted to one table, and to parts of it, weighed by their record.

    Attributes:
        parts: every fit, also those without a weight.
        comparison: of `compare`.
        seed: of every random draw.
    """

    parts: tuple[Part, ...]
    comparison: pd.DataFrame
    seed: int

    def __repr__(self) -> str:
        said = ", ".join(f"{law} {weight:.2f}" for law, weight in self.weights.items())
        return f"Average({said or 'no law passed'})"

    @property
    def fits(self) -> dict[str, Fit]:
        """Law -> its Fit to all runs."""
        return {part.fit.law.name: part.fit for part in self.parts if part.least == 0}

    @property
    def weights(self) -> dict[str, float]:
        """Law -> weight of all its fits, of those that have one."""
        return self._summed(lambda part: part.fit.law.name)

    @property
    def cuts(self) -> dict[float, float]:
        """Fewest tokens of the runs that were fitted (0: all runs) -> weight of all such fits, where there is one."""
        return dict(sorted(self._summed(lambda part: part.least).items()))

    def _summed(self, by: Any) -> dict[Any, float]:
        found: dict[Any, float] = {}
        for part in self.parts:
            if part.weight > 0:
                found[by(part)] = found.get(by(part), 0.0) + part.weight
        return found

    @at_the_door
    def predict(self, at: Mapping[str, Any] | pd.DataFrame, discrepancy: bool = True) -> pd.DataFrame:
        """As `Fit.predict`, of the mixture of the fits' distributions; NaN where none has a weight.

        The spread between fits is part of the intervals.

        Raises:
            DataError: an input is missing or not positive.
        """
        curves, runs = [], []
        for one, _, weight in self.parts:
            if weight == 0:
                continue
            inputs, _ = one.inputs_at(at)
            trials, beyond = float(one.about.get("trials") or 1.0), one.discrepancy if discrepancy else None
            curve, new = drawn(one.law, one.noise, inputs, one.draws(), trials, self.seed, beyond)
            assert new is not None
            kept = share(weight, len(curve), self.seed)
            curves.append(curve[kept])
            runs.append(new[kept])
        if not curves:
            inputs, _ = inputs_at(next(iter(self.fits.values())).law, at)
            return pd.DataFrame(np.nan, index=range(len(next(iter(inputs.values())))), columns=list(COLUMNS))
        return summarised(np.concatenate(curves), np.concatenate(runs))
