"""What a choice costs: to train, and to serve afterwards.

A cost is two functions of what is chosen, by canonical column and in canonical units: `at["params"]`, `at["tokens"]`
and whatever else the law or the question names. Beside `params` there is always `active_params`, the parameters that
compute for one token: those of a mixture of experts that are awake, those of a model at 8 bits counted half.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jaxscale.errors import ConfigError
from jaxscale.variables import FLOPS_PER_PARAM_TOKEN

At = Mapping[str, Any]
ACTIVE = "active_params"
FLOPS_PER_PARAM_SERVED = 2.0  # a forward pass: a multiplication and an addition a parameter


def free(at: At) -> float:
    """Serving costs nothing."""
    return 0.0


@dataclass(frozen=True)
class Cost:
    """What a choice costs. Both functions are of JAX operations, elementwise, and rise with parameters and tokens.

    Attributes:
        name: for people.
        train: canonical column -> array, to what training costs: FLOP, or any one unit in which budgets are given.
        serve: the same, to what each served token costs.
    """

    name: str
    train: Callable[[At], Any]
    serve: Callable[[At], Any] = free

    def of(self, at: At, serve_tokens: Any = 0.0) -> Any:
        """Training, and serving this many tokens."""
        return self.train(at) + self.serve(at) * serve_tokens


def _six_n_d(at: At) -> Any:
    return FLOPS_PER_PARAM_TOKEN * at[ACTIVE] * at["tokens"] if "tokens" in at else at["flops"]


def _two_n(at: At) -> Any:
    return FLOPS_PER_PARAM_SERVED * at[ACTIVE]


COSTS: Mapping[str, Cost] = {"6nd": Cost("6nd", _six_n_d, _two_n)}


def get_cost(spec: str | Cost | Callable[..., Any], symbols: Mapping[str, str] | None = None) -> Cost:
    """A cost model by name, as it is, or made of a function.

    Args:
        spec: "6nd"; a Cost; or a function whose arguments are named after a law's inputs (N, D) or canonical columns
            (params, tokens), in canonical units, which returns what training costs.
        symbols: symbol of the law -> canonical column, for such a function.

    Raises:
        ConfigError: no such cost, or a function that asks for what the law does not have.
    """
    if isinstance(spec, Cost):
        return spec
    if isinstance(spec, str) and spec in COSTS:
        return COSTS[spec]
    if not callable(spec):
        raise ConfigError(
            f"no cost model is called {spec!r}; there are {', '.join(COSTS)}, a jaxscale.decide.cost.Cost, or a "
            "function such as lambda N, D: 6 * N * D"
        )
    return _of_function(spec, dict(symbols or {}))


def _of_function(function: Callable[..., Any], symbols: Mapping[str, str]) -> Cost:
    name = getattr(function, "__name__", "cost")
    try:
        wanted = list(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        raise ConfigError(f"the arguments of the cost function {name} cannot be read; write it in Python") from None
    columns = {w: symbols.get(w, w) for w in wanted}
    known = {*symbols.values(), ACTIVE, "params", "tokens", "flops", "tokens_per_param"}
    if stray := [w for w, column in columns.items() if column not in known]:
        raise ConfigError(
            f"the cost function {name} asks for {', '.join(stray)}; this law has "
            f"{', '.join(f'{s} ({c})' for s, c in symbols.items())}"
        )
    said = "your own cost" if name == "<lambda>" else name
    return Cost(said, lambda at: function(**{w: at[column] for w, column in columns.items()}))
