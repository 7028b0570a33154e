"""How far the best size leans on what was assumed: how parameters are counted, the floor's prior, the shortest runs.

Other counts and fewer runs are refitted at the mode; another prior weighs the draws anew, which takes no fit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpyro.distributions as dist
import pandas as pd

from jaxscale.batch import keys_of, lane_of, rows_for, table_of
from jaxscale.diagnose import importance_ess
from jaxscale.identify import refusal
from jaxscale.infer import cascade
from jaxscale.model import Model
from jaxscale.priors import Prior
from jaxscale.protocols.counting import nonembedding_params
from jaxscale.result import Fit
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.status import ESS
from jaxscale.trust.finding import Case
from jaxscale.trust.findings_columns import counts
from jaxscale.trust.influence import best_size, splits
from jaxscale.trust.mode import Mode

SHORTEST = (0.1, 0.25)  # shares of the runs, those of the fewest tokens, that are left out
WIDER = {"half as wide": 0.5, "twice as wide": 2.0}  # the prior of the floor
MOST_APART = np.log(100.0)  # of two counts of one model
COLUMNS = ("assumption", "params", "times", "sds")


@at_the_door
def sensitivity(fit: Fit, runs: Runs, budget: float, sizes: np.ndarray | None = None) -> pd.DataFrame:
    """The best size under a budget if something had been assumed otherwise.

    Args:
        fit: of a law that splits a budget into parameters and tokens.
        runs: its table.
        budget: training FLOP, by 6 N D with N as it is counted.
        sizes: (S,) best size of each posterior draw; without it the floor's prior is not tried.

    Returns:
        A row an assumption: assumption, params (the best size, counted as the row says), times (that over the best
        size as fitted; of a prior, of medians), sds (its logarithm in posterior standard deviations of log size).
        NaN where draws are too few to say, where the rows that are left cannot answer, and sds of least squares and
        Huber without draws, which know no scatter. No row where the law splits no budget or the fit was refused.
    """
    if not fit.status.ok or not splits(fit.law):
        return pd.DataFrame(columns=list(COLUMNS))
    mode = _mode(fit, runs)
    at = _best(mode, budget)
    if not np.isfinite(at):
        return pd.DataFrame(columns=list(COLUMNS))
    if sizes is not None:
        spread = float(np.std(np.log(sizes)))
    else:
        spread = mode.influence(budget).sd if fit.noise.bayesian else np.nan
    rows = [("as fitted", at, at)]
    rows += [(said, _best(other, budget), at) for said, other in _otherwise(mode, fit)]
    if sizes is not None and fit.noise.bayesian:
        rows += list(_priors(fit, mode, np.log(sizes)))
    return pd.DataFrame(
        [(said, np.exp(at), np.exp(at - base), abs(at - base) / spread) for said, at, base in rows],
        columns=list(COLUMNS),
    )


def _mode(fit: Fit, runs: Runs, rows: int = 0) -> Mode:
    """The mode of a table under the fit's own noise, padded to so many rows, whose program stands already."""
    model = Model(fit.law, fit.noise)
    case = Case(runs, fit.law, table_of(runs, fit.law, fit.noise))
    lane = lane_of(case.table, fit.noise, max(rows, rows_for(len(case.table))))
    return Mode(case, model, lane, cascade.points(model, [lane], keys_of(fit.about["seed"], ["sensitivity"])))


def _best(mode: Mode, budget: float) -> float:
    """log N* at the mode; NaN where the table cannot answer, or where no size is best."""
    if refusal(mode.case.table, mode.case.law) is not None:
        return np.nan
    return best_size(mode.model, mode.lane, mode.point.u[0], budget)


def _otherwise(mode: Mode, fit: Fit) -> Iterator[tuple[str, Mode]]:
    """Modes of other counts of the parameters, and of fewer runs."""
    runs, column = mode.case.runs, mode.case.column_of("params")
    if column is not None and "params" in mode.case.known:
        given = {name: mode.case.numeric(name) for name in counts(mode.case)}
        usable = {name: v for name, v in given.items() if v is not None and _likely(v, mode.case.known["params"])}
        for name, values in usable.items():
            yield f"parameters by the column {name}", _mode(fit, _counted(runs, column, values))
        if not usable:
            without = nonembedding_params(mode.case.known["params"])
            yield "parameters without embeddings (estimated)", _mode(fit, _counted(runs, column, without))
    if (tokens := mode.case.known.get("tokens")) is not None:
        for share in SHORTEST:
            left = runs.take(np.flatnonzero(tokens > np.quantile(tokens, share)))
            said = f"without the {100 * share:.0f} % of runs that saw the fewest tokens"
            yield said, _mode(fit, left, len(mode.lane["w"]))


def _likely(count: np.ndarray, params: np.ndarray) -> bool:
    """Whether these can be counts of the same models: whole, above zero, and in ones as the others are."""
    return bool((count > 0).all() and (np.abs(np.log(count / params)) < MOST_APART).all())


def _counted(runs: Runs, column: str, values: np.ndarray) -> Runs:
    """The same runs with another number of parameters each, in ones."""
    return replace(
        runs, table=runs.table.assign(**{column: values}), units={k: v for k, v in runs.units.items() if k != column}
    )


def _priors(fit: Fit, mode: Mode, sizes: np.ndarray) -> Iterator[tuple[str, float, float]]:
    """Median log N* if the prior of a floor were of another width, by weights on the draws."""
    middle = float(np.median(sizes))
    for name, prior in fit.law.priors.items():
        if not (isinstance(prior, Prior) and isinstance(prior.dist, dist.HalfNormal) and prior.scaled):
            continue
        floor = fit.draws()[name] / mode.case.table.scale
        for said, times in WIDER.items():
            logs = np.asarray(dist.HalfNormal(times * prior.dist.scale).log_prob(floor) - prior.dist.log_prob(floor))
            moved = np.quantile(sizes, 0.5, weights=np.exp(logs - logs.max()), method="inverted_cdf")
            yield f"prior of {name} {said}", float(moved) if importance_ess(logs) > ESS else np.nan, middle
