"""What a model costs to train and to serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from jaxscale.errors import ConfigError


@dataclass(frozen=True)
class Cost:
    """FLOP = train * N * D + serve * N * (tokens served), N parameters, D training tokens."""

    name: str
    train: float
    serve: float

    def of(self, n: np.ndarray, d: np.ndarray, serve_tokens: float) -> np.ndarray:
        """Total FLOP."""
        return self.train * n * d + self.serve * n * serve_tokens

    def tokens(self, n: np.ndarray, budget: float, serve_tokens: float) -> np.ndarray:
        """Training tokens that the budget leaves for a model of n parameters; negative where it leaves none."""
        return (budget - self.serve * n * serve_tokens) / (self.train * n)


COSTS: Mapping[str, Cost] = {"6nd": Cost("6nd", train=6.0, serve=2.0)}


def get_cost(spec: str | Cost) -> Cost:
    """A cost model by name, or as it is."""
    if isinstance(spec, Cost):
        return spec
    if spec not in COSTS:
        raise ConfigError(
            f"no cost model is called {spec!r}; there are {', '.join(COSTS)}, or a jaxscale.decide.cost.Cost"
        )
    return COSTS[spec]
