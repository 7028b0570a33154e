"""How large and how long: the compute-optimal model, per posterior draw, and how flat the choice is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from jaxscale.decide.cost import Cost, get_cost
from jaxscale.errors import PlanError
from jaxscale.identify import FAR
from jaxscale.result import Fit
from jaxscale.summary import QUANTILES
from jaxscale.variables import DERIVED, training_compute
from jaxscale.words import human, plain

DECIDED = {"params", "tokens"}
RATIOS = (1e-4, 1e7)  # tokens per parameter that are searched
GRID = 129
ZOOMS = 4
ZOOM = 9
AT_EDGE = 0.05  # share of draws whose optimum is on the edge of the search: no answer
FLAT = 0.005
NEXT = 1.02  # a step from the optimum that must still be inside a law's box


@dataclass(frozen=True)
class Plan:
    """The compute-optimal choice with its uncertainty.

    Attributes:
        budget: FLOP, of training, or of training and serving where tokens are served.
        draws: quantity -> (S,): the optimum of each posterior draw.
        recommended: the one choice with the least expected loss: N, D, loss, and regret_q95, the loss above
            the optimum that it risks (95 % of draws lose less).
        profile: along the budget: N, D, loss_q05, loss_q50, loss_q95, loss_mean, excess_mean.
        notes: sentences on what was assumed and how far it reaches.
    """

    budget: float
    draws: dict[str, np.ndarray]
    recommended: dict[str, float]
    profile: pd.DataFrame
    notes: tuple[str, ...]

    def summary(self) -> pd.DataFrame:
        """Indexed by quantity: q05, q50, q95."""
        rows = {k: {name: np.quantile(v, q) for name, q in QUANTILES.items()} for k, v in self.draws.items()}
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("quantity")

    def valley(self, tolerance: float = FLAT) -> dict[str, float]:
        """Sizes whose expected loss is within `tolerance` (relative) of the best: N_low, N_high, D_low, D_high."""
        expected = self.profile["loss_mean"].to_numpy()
        flat = expected <= (1.0 + tolerance) * expected.min()
        n, d = self.profile["N"].to_numpy()[flat], self.profile["D"].to_numpy()[flat]
        return {"N_low": n.min(), "N_high": n.max(), "D_low": d.min(), "D_high": d.max()}


def plan(
    fit: Fit, budget: float, serve_tokens: float = 0.0, unique_tokens: float | None = None, cost: str | Cost = "6nd"
) -> Plan:
    """The compute-optimal parameters and tokens under a budget.

    Args:
        fit: of a law of parameters and tokens, with a posterior (a point fit gives a single optimum).
        budget: FLOP; of training, or of training and serving if tokens are served.
        serve_tokens: tokens that the model will process after training.
        unique_tokens: training data at hand; this law has no say on repeating data, so D stays below it.
        cost: "6nd", or a Cost.

    Returns:
        A Plan.

    Raises:
        PlanError: the fit was refused, the law decides something else, or the budget cannot be met.
    """
    search = _Search(fit, _checked(budget, "budget"), get_cost(cost), serve_tokens, unique_tokens)
    n, loss = search.optimum()
    d = search.tokens(n)
    draws = {"N": n, "D": d, "tokens_per_param": d / n}
    draws |= {s: v for s, v in search.inputs(n).items() if s not in draws}
    draws |= {"loss": loss, "cost": search.cost.of(n, d, search.serve_tokens)}
    profile, curves = search.profile(n)
    best = int(np.argmin(profile["loss_mean"].to_numpy()))
    regret = curves[:, best] - loss
    recommended = {
        "N": profile["N"].to_numpy()[best],
        "D": profile["D"].to_numpy()[best],
        "loss": profile["loss_mean"].to_numpy()[best],
        "regret_q95": float(np.quantile(regret, 0.95)),
    }
    return Plan(search.budget, draws, recommended, profile, tuple(search.notes(n)))


def frontier(fit: Fit, budgets: Sequence[float], cost: str | Cost = "6nd") -> pd.DataFrame:
    """The optimum at each of several training budgets.

    Returns:
        One row a budget: budget, and q05, q50, q95 of N, D and loss (N_q05, ...).

    Raises:
        PlanError: as `plan`.
    """
    rows = []
    for budget in budgets:
        search = _Search(fit, _checked(float(budget), "budget"), get_cost(cost), 0.0, None)
        n, loss = search.optimum()
        row = {"budget": search.budget}
        for name, values in {"N": n, "D": search.tokens(n), "loss": loss}.items():
            row |= {f"{name}_{q}": float(np.quantile(values, p)) for q, p in QUANTILES.items()}
        rows.append(row)
    return pd.DataFrame(rows)


def _checked(value: float, name: str) -> float:
    if not (np.isfinite(value) and value > 0):
        raise PlanError(f"The {name} must be a positive number of FLOP; got {value!r}.")
    return float(value)


class _Search:
    """One-dimensional search over log N along a budget, for all draws at once."""

    def __init__(self, fit: Fit, budget: float, cost: Cost, serve_tokens: float, unique_tokens: float | None):
        if not fit.status.ok:
            raise PlanError(f"There is nothing to plan with. {fit.status}")
        columns = {v.column for v in fit.law.inputs.values()}
        if not all(c in DECIDED or any(set(rule[0]) <= DECIDED for rule in DERIVED.get(c, ())) for c in columns):
            decides = fit.law.decides or "nothing that can be chosen"
            raise PlanError(
                f"A budget is split between parameters and tokens; {fit.law.name} is a law of "
                f"{', '.join(sorted(columns))} and decides {decides}."
            )
        if serve_tokens < 0 or not np.isfinite(serve_tokens):
            raise PlanError(f"serve_tokens must be zero or more; got {serve_tokens!r}.")
        self.fit, self.budget, self.cost, self.serve_tokens = fit, budget, cost, serve_tokens
        self.unique_tokens = unique_tokens
        self.params = fit.draws() if fit.has_draws else {p: np.array([v]) for p, v in fit.point.items()}
        self.low, self.high = self._range(unique_tokens)

    def _range(self, unique_tokens: float | None) -> tuple[float, float]:
        """The sizes that the budget allows."""
        free = self.budget / self.cost.train
        low, high = np.sqrt(free / RATIOS[1]), np.sqrt(free / RATIOS[0])
        if self.serve_tokens:
            largest = self.budget / (self.cost.serve * self.serve_tokens)
            high = min(high, largest * (1.0 - 1e-6))
            low = min(low, high * 1e-6)
        if unique_tokens is not None:
            _checked(unique_tokens, "number of unique tokens")
            per_token = self.cost.train * unique_tokens + self.cost.serve * self.serve_tokens
            low = max(low, self.budget / per_token)
        if low >= high:
            raise PlanError(
                f"A budget of {plain(self.budget)} FLOP cannot be spent: with these limits models would need between "
                f"{human(low)} and {human(high)} parameters. Spend less, or find more data."
            )
        return float(low), float(high)

    def tokens(self, n: np.ndarray) -> np.ndarray:
        return self.cost.tokens(n, self.budget, self.serve_tokens)

    def inputs(self, n: np.ndarray) -> dict[str, np.ndarray]:
        """The law's inputs at sizes n of any shape."""
        known = {"params": n, "tokens": self.tokens(n)}
        for column, rules in DERIVED.items():
            for needs, rule, _ in rules:
                if column not in known and set(needs) <= DECIDED:
                    known[column] = rule(*(known[c] for c in needs))
        return self.fit.law.from_columns(known)

    def loss(self, n: np.ndarray) -> np.ndarray:
        """(draws, sizes) -> (draws, sizes): each draw at its own sizes."""
        law, inputs = self.fit.law, self.inputs(n)
        params = {p: self.params[p][:, None] for p in law.params}
        return np.where(self._inside(inputs), np.asarray(law(*inputs.values(), **params)), np.inf)

    def _inside(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Whether inputs lie where the law means anything."""
        inside = np.ones(np.broadcast_shapes(*(np.shape(v) for v in inputs.values())), dtype=bool)
        for symbol, (low, high) in self.fit.law.box.items():
            inside &= (inputs[symbol] >= low) & (inputs[symbol] <= high)
        return inside

    def optimum(self) -> tuple[np.ndarray, np.ndarray]:
        """Best size and its loss for each draw, (draws,) both.

        Raises:
            PlanError: for too many draws the best size is on the edge of what was searched.
        """
        count = len(next(iter(self.params.values())))
        grid = np.linspace(np.log(self.low), np.log(self.high), GRID)
        wide = self.loss(np.broadcast_to(np.exp(grid), (count, GRID)))
        best = np.argmin(np.where(np.isfinite(wide), wide, np.inf), axis=1)
        # a cap on the data makes the lower end a legitimate optimum
        edges = [GRID - 1] if self.unique_tokens is not None else [0, GRID - 1]
        at_edge = float(np.mean(np.isin(best, edges)))
        if at_edge > AT_EDGE:
            raise PlanError(
                f"For {100 * at_edge:.0f} % of the posterior the best size lies outside the range that was searched "
                f"({human(self.low, digits=2)} to {human(self.high, digits=2)} parameters): these runs do not "
                "determine the split. Runs at other ratios of tokens to parameters would."
            )
        centre, step = grid[best], grid[1] - grid[0]
        for _ in range(ZOOMS):
            around = centre[:, None] + step * np.linspace(-1.0, 1.0, 2 * ZOOM + 1)
            around = np.clip(around, grid[0], grid[-1])
            fine = self.loss(np.exp(around))
            best = np.argmin(fine, axis=1)
            centre, step = around[np.arange(count), best], step / ZOOM
        n = np.exp(centre)
        self._refuse_edge_of_box(n)
        return n, fine[np.arange(count), best]

    def _refuse_edge_of_box(self, n: np.ndarray) -> None:
        """A surface that runs away outside its box has no optimum there.

        Raises:
            PlanError: for too many draws the best size is where the law ends.
        """
        near = [self._inside(self.inputs(n * step)) for step in (1.0 / NEXT, NEXT)]
        at_edge = 1.0 - float(np.mean(near[0] & near[1]))
        if at_edge > AT_EDGE:
            law = self.fit.law
            ends = ", ".join(
                f"{law.inputs[s].column} from {human(low * law.inputs[s].per)} to {human(high * law.inputs[s].per)}"
                for s, (low, high) in law.box.items()
            )
            raise PlanError(
                f"{law.name} holds for {ends}, and for {100 * at_edge:.0f} % of the posterior the best size under this "
                "budget lies at the end of that or beyond it. Ask about a budget inside, or fit a law without such a "
                "limit, such as chinchilla."
            )

    def profile(self, optimum: np.ndarray) -> tuple[pd.DataFrame, np.ndarray]:
        """Loss along the budget, over the sizes that matter; and its draws (draws, sizes)."""
        low, high = np.quantile(optimum, [0.01, 0.99])
        n = np.geomspace(max(self.low, low / 10.0), min(self.high, high * 10.0), 241)
        n = n[self._inside(self.inputs(n))]
        curves = self.fit.curves(self.inputs(n), self.params)
        mean = curves.mean(axis=0)
        quantiles = {f"loss_{name}": np.quantile(curves, q, axis=0) for name, q in QUANTILES.items()}
        excess = mean - mean.min()
        table = {"N": n, "D": self.tokens(n), **quantiles, "loss_mean": mean, "excess_mean": excess}
        return pd.DataFrame(table), curves

    def notes(self, optimum: np.ndarray) -> list[str]:
        """What was assumed, and how far beyond the data the answer lies."""
        said = []
        data = self.fit.data["constant_data"].to_dataset()
        seen = {s: data[s].to_numpy() for s in self.fit.law.inputs}
        compute = training_compute(self.fit.law.by_column(seen))
        assert compute is not None  # laws of parameters and tokens have it
        times = self.budget / float(compute.max())
        if times > FAR:
            said.append(
                f"The budget is {plain(times, digits=2)} times the compute of the largest run; "
                "the interval believes the law that far."
            )
        if self.serve_tokens:
            said.append(f"The budget covers training and serving {human(self.serve_tokens)} tokens.")
        if self.unique_tokens is not None:
            capped = float(np.mean(optimum < self.low * 1.01))
            said.append(
                f"Tokens are capped at {human(self.unique_tokens)}; the cap binds in {100 * capped:.0f} % of the "
                "posterior."
            )
        if not self.fit.has_draws:
            said.append("A point fit: one optimum, no interval.")
        return said
