"""A curve with its uncertainty, and the one search that comparisons of two curves are made of.

A crossing is a root of A - B, the budget for a level q a root of g - q, and each is found for every draw of the two
posteriors. Where a draw has no root within the range searched the answer is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxscale.errors import ConfigError
from jaxscale.protocols.columns import search_range
from jaxscale.result import Fit
from jaxscale.summary import QUANTILES

POINTS = 257  # of the first look, evenly spaced in log x: two roots within one step of it are missed
HALVINGS = 46  # of a step: to the last digit but one


@dataclass(frozen=True, eq=False)
class Curve:
    """A curve of one positive input with its uncertainty.

    Attributes:
        mean: mean(x, **draws), which broadcasts as NumPy does: x is (1 or S, points), each parameter (S, 1).
        draws: parameter -> (S,) values; one value each where there is no uncertainty.
    """

    mean: Callable[..., Any]
    draws: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return max((np.size(v) for v in self.draws.values()), default=1)

    def at(self, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The curve of the draws `rows` at x, (points,) or (rows, points); (rows, points)."""
        params = {p: np.resize(np.asarray(v, np.float64), len(self))[rows][:, None] for p, v in self.draws.items()}
        values = np.asarray(self.mean(x if x.ndim == 2 else x[None, :], **params), np.float64)
        return np.broadcast_to(values, (len(rows), x.shape[-1]))


def curve_of(fit: Fit, along: str, at: Mapping[str, Any] | None = None) -> Curve:
    """A fit's law as a curve of one input.

    Args:
        fit: with draws; a point fit is a curve without uncertainty.
        along: symbol of the input that varies, in the law's unit.
        at: symbol -> value of each other input, or a function of the one that varies: {"D": lambda n: 20 * n}.

    Raises:
        ConfigError: the fit was refused, or inputs are missing or unknown.
    """
    if not fit.status.ok:
        raise ConfigError(f"curve_of: this fit has no curve to compare. {fit.status}")
    rest = dict(at or {})
    if along not in fit.law.inputs or set(rest) != set(fit.law.inputs) - {along}:
        raise ConfigError(
            f"curve_of: {fit.law.name} has the inputs {', '.join(fit.law.inputs)}; got along={along!r} and "
            f"at={sorted(rest)}. Fix: name one along which to go and give all others in `at`."
        )
    if any(v.length for v in fit.law.inputs.values()) or not all(
        callable(v) or isinstance(v, int | float | np.number) for v in rest.values()
    ):
        raise ConfigError(
            "curve_of: inputs are numbers or functions of the one that varies, and none is a vector. Fix: for such a "
            "law give Curve(mean, draws) a function of your own."
        )
    draws = fit.draws() if fit.has_draws else {p: np.array([v]) for p, v in fit.point.items()}

    def mean(x: np.ndarray, **params: np.ndarray) -> Any:
        given = {s: v(x) if callable(v) else np.full((1, 1), float(v)) for s, v in rest.items()} | {along: x}
        return fit.law(*(given[s] for s in fit.law.inputs), **params)

    return Curve(mean, {p: draws[p] for p in fit.law.params})


def log_grid(source: str, low: float, high: float) -> np.ndarray:
    """Where a search looks first.

    Raises:
        ConfigError: the range is empty.
    """
    return np.geomspace(*search_range(source, low, high), POINTS)


def pair_rows(source: str, a: Curve, b: Curve, seed: int, paired: bool) -> tuple[np.ndarray, np.ndarray]:
    """Which draw of A meets which draw of B.

    Raises:
        ConfigError: curves of unequal draws are to be paired.
    """
    if paired:
        if len(a) != len(b):
            raise ConfigError(
                f"{source}: paired draws need equal numbers; got {len(a)} and {len(b)}. Fix: thin one of them."
            )
        return np.arange(len(a)), np.arange(len(a))
    count = max(len(a), len(b))
    rng = np.random.default_rng(seed)
    return rng.permutation(np.resize(np.arange(len(a)), count)), rng.permutation(np.resize(np.arange(len(b)), count))


def first_root(
    function: Callable[[np.ndarray], np.ndarray], grid: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """First root of each row, (S,), NaN where none; and how many steps of the grid hold one."""
    left, right = values[:, :-1], values[:, 1:]
    inside = ((left < 0) & (right >= 0)) | ((left > 0) & (right <= 0))
    inside[:, 0] |= (left[:, 0] == 0) & (right[:, 0] != 0)
    count = inside.sum(axis=1)
    step, rows = np.argmax(inside, axis=1), np.arange(len(values))
    low, high = np.log(grid[step]), np.log(grid[step + 1])
    start = left[rows, step]
    high = np.where(start == 0, low, high)  # the root is the range's lower end itself
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        beyond = function(np.exp(middle)[:, None])[:, 0] * np.sign(start) <= 0
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(count > 0, np.exp(0.5 * (low + high)), np.nan), count


def known_quantiles(values: np.ndarray) -> dict[str, float]:
    """q05, q50, q95 of the values that are finite; NaN where none is."""
    known = values[np.isfinite(values)]
    return {name: float(np.quantile(known, q)) if len(known) else float("nan") for name, q in QUANTILES.items()}
