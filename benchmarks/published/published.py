"""A published number, and how our law with the published coefficients gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import jaxscale as js


@dataclass(frozen=True)
class Check:
    """One line of the table.

    Attributes:
        law: its name.
        quantity: what is compared, for people.
        paper: the printed number.
        ours: computes ours.
        digits: decimals printed: ours must round to the paper's; or
        rel: the relative difference that the paper's wording allows.
        note: why a miss is one.
    """

    law: str
    quantity: str
    paper: float
    ours: Callable[[], float]
    digits: int | None = None
    rel: float | None = None
    note: str = ""

    @property
    def allowed(self) -> float:
        """Largest difference that is no miss."""
        if self.digits is not None:
            return 0.505 * 10.0**-self.digits
        return (self.rel or 0.0) * abs(self.paper)


def at(law: str, preset: str, *inputs: Any, **more: float) -> float:
    """The law at inputs in its own units, with a preset's coefficients."""
    found = js.get_law(law)
    return float(np.asarray(found(*inputs, **(dict(found.published[preset]) | more))))
