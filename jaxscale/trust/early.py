"""Runs of few tokens, taken out where the largest runs are forecast the better without them.

Losses of the first tokens follow the warm-up and the initialisation, and a law of a few powers bends towards them. How
many tokens are few differs by a factor of a hundred between recipes, so the record decides: the largest fifth of the
runs is forecast from the rest, and from the rest above each of several cuts. A cut is made where it takes a fifth off
the error; of cuts that are alike the lowest. The rule was chosen on the ladders of benchmarks/forecast, by point fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxscale.api import as_runs
from jaxscale.batch import Table, keys_of, lane_of, rows_for, table_of
from jaxscale.errors import ConfigError
from jaxscale.identify import refusal
from jaxscale.infer import cascade
from jaxscale.law import Law, get_law
from jaxscale.model import Model
from jaxscale.noise import Noise, get_noise
from jaxscale.progress import telling
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door
from jaxscale.variables import INPUTS, training_compute
from jaxscale.words import human, plain

LAWS = ("chinchilla", "coupled")
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # of the runs, those of the fewest tokens, that a cut takes out
HELD_OUT = 0.2  # of the runs, the largest
WORTH = 0.8  # of the error without a cut: what is left with one that is made
ALIKE = 1.1  # times the least error
SPARE = 2  # rows more than parameters that a fit needs here


@at_the_door
def without_early(
    runs: Runs | Any,
    laws: str | Law | Sequence[str | Law] = LAWS,
    noise: str | Noise | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Runs:
    """Take out runs of few tokens, if that takes a fifth off the error with which the largest runs are forecast.

    Args:
        runs: a Runs, a path or a DataFrame.
        laws: that forecast, at their posterior modes; errors are averaged as logarithms.
        noise: as in `fit`, but not "auto".
        seed: of the searches.
        progress: show a line while working.

    Returns:
        The runs, less those below the cut, which are among `excluded` with the errors as the reason; with a note where
        nothing was gained, or nothing could be tried.

    Raises:
        ConfigError: no law, or one without an input of tokens.
        DataError: a column is missing or holds what it cannot.
    """
    runs = as_runs(runs)
    chosen = [get_law(law) for law in ([laws] if isinstance(laws, str | Law) else laws)]
    for law in chosen:
        if not _sees_tokens(law):
            raise ConfigError(f"law {law.name} has no tokens by which runs could be early. Fix: leave out min_tokens.")
    if not chosen:
        raise ConfigError("min_tokens='auto' wants a law that forecasts; got none.")
    with telling(progress) as say:
        say("looking for runs that saw too few tokens")
        models = [Model(law, get_noise(noise, law.response)) for law in chosen]
        found = [_tried(model, table_of(runs, model.law, model.noise), seed) for model in models]
    errors = np.exp(np.mean(np.log([one.errors for one in found]), axis=0))
    at = _chosen(errors)
    if at == 0:
        tried = "no cut was worth it" if np.isfinite(errors[1:]).any() else "there are too few of them to try one"
        return replace(runs, notes=(*runs.notes, f"No run was taken out for few tokens: {tried}."))
    names = " and ".join(law.name for law in chosen)
    amount = (lambda e: f"{plain(100 * e)} %") if found[0].relative else plain
    return below(
        runs,
        float(found[0].cuts[at - 1]),
        f": without these, {names} forecast the largest fifth of the runs with an error of {amount(errors[at])} and "
        f"not of {amount(errors[0])}",
    )


def below(runs: Runs, cut: float, why: str) -> Runs:
    """Take out the runs that saw fewer tokens.

    Raises:
        ConfigError: that would be all of them.
        DataError: no column says how many tokens a run saw.
    """
    early = _read(runs) < cut
    if not early.any():
        return replace(runs, notes=(*runs.notes, f"No run saw fewer than {human(cut, digits=2)} tokens."))
    return runs.exclude(early, f"fewer than {human(cut, digits=2)} tokens{why}")


def tokens_of(runs: Runs, law: Law) -> np.ndarray | None:
    """Tokens that each run saw, (runs,); None for a law without an input of tokens."""
    return _read(runs) if _sees_tokens(law) else None


def _sees_tokens(law: Law) -> bool:
    return "tokens" in {v.column for v in law.inputs.values()}


def _read(runs: Runs) -> np.ndarray:
    return runs.numbers({"D": INPUTS["tokens"]})[0]["D"]


class _Found(NamedTuple):
    """Root mean squared errors of the largest runs by fits without a cut and with each, (cuts + 1,), infinite where
    there is none; the cuts, (cuts,) tokens; and whether errors are shares of the response."""

    errors: np.ndarray
    cuts: np.ndarray
    relative: bool


def _tried(model: Model, table: Table, seed: int) -> _Found:
    symbol, meant = next((s, v) for s, v in model.law.inputs.items() if v.column == "tokens")
    tokens, compute = table.x[symbol] * meant.per, training_compute(model.law.by_column(table.x))
    ranked = np.argsort(tokens if compute is None else compute, kind="stable")
    held = ranked[len(ranked) - max(1, round(HELD_OUT * len(ranked))) :]
    rest = ranked[: len(ranked) - len(held)]
    cuts = np.quantile(tokens, SHARES)
    kept = [rest, *(rest[tokens[rest] >= cut] for cut in cuts)]
    usable = [i for i, rows in enumerate(kept) if _answers(model, table, rows)]
    found = _Found(np.full(len(kept), np.inf), cuts, model.noise.on == "log" and table.trials is None)
    if not usable:
        return found
    rows = rows_for(len(table))
    lanes = [lane_of(table.take(kept[i]), model.noise, rows) for i in usable]
    modes = cascade.points(model, lanes, keys_of(seed, [f"cut {i}" for i in usable]))
    far = lane_of(table.take(held), model.noise, rows)
    for i, lane, u in zip(usable, lanes, modes.u, strict=True):
        own = far | {name: lane[name] for name in ("centre", "scale")}
        missed = np.asarray(model.noise.residual(model.mean_at(jnp.asarray(u), own), own))[: len(held)]
        found.errors[i] = np.sqrt(np.mean(missed**2)) if np.isfinite(missed).all() else np.inf
    return found


def _answers(model: Model, table: Table, rows: np.ndarray) -> bool:
    return len(rows) >= model.size + SPARE and refusal(table.take(rows), model.law) is None


def _chosen(errors: np.ndarray) -> int:
    """The lowest cut that is nearly the best one; 0, that is none, where it does not gain enough."""
    if not np.isfinite(errors[0]):
        return 0
    first = int(np.argmax(errors <= ALIKE * errors.min()))
    return first if errors[first] < WORTH * errors[0] else 0
