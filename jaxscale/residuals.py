"""What a fit leaves unexplained, row by row, and patterns in it that the noise does not allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy import stats

from jaxscale.forecast import curves
from jaxscale.runtime import at_the_door
from jaxscale.variables import training_compute
from jaxscale.words import plain

if TYPE_CHECKING:
    from jaxscale.result import Fit

DRAWS = 400
FEW = 12  # rows, below which no pattern is looked for
SURE = 0.01  # chance of so strong a pattern by luck, over all that are looked for
LIKELY = 0.5  # probability of being strange, from which a row is named
MOST_NAMED = 6
# Huber's delta over the scatter: below the first it clips nearly every row, above the second hardly one
MEDIAN, SQUARES = 0.1, 3.0


@at_the_door
def residuals(fit: Fit) -> pd.DataFrame:
    """One row a run: label, row, observed, fitted, residual, suspicion.

    `fitted` is the median of the curve, `residual` observed less fitted on the scale of the noise (relative on the
    log scale), `suspicion` the probability of being an outlier or under-tuned; NaN where the noise knows none.
    """
    constant, observed = fit.data["constant_data"].to_dataset(), fit.data["observed_data"].to_dataset()
    y = observed[fit.law.response.column].to_numpy()
    lane: dict[str, Any] = {str(k).removeprefix("row_"): jnp.asarray(v.to_numpy()) for k, v in constant.items()
                            if str(k).startswith("row_")}  # fmt: skip
    if "trials" in constant:
        lane["trials"] = jnp.asarray(constant["trials"].to_numpy())
    on_log = fit.noise.on == "log" and "trials" not in constant
    if on_log and "sd" in lane:
        lane["sd"] = lane["sd"] / y
    lane["y"] = jnp.asarray(np.log(y) if on_log else y)
    inputs = {s: constant[s].to_numpy() for s in fit.law.inputs}
    draws = {p: v[:: max(1, len(v) // DRAWS)] for p, v in _draws(fit).items()}
    drawn = jnp.asarray(curves(fit.law, inputs, draws))
    fitted = jnp.median(drawn, axis=0)
    noise = {p: jnp.asarray(draws[p]) for p in fit.noise.priors}
    strange = jax.vmap(lambda m, p: fit.noise.suspicion(m, p, lane))(drawn, noise)
    share = y / constant["trials"].to_numpy() if "trials" in constant else y
    return pd.DataFrame(
        {
            "label": constant["label"].to_numpy(), "row": constant["row"].to_numpy(), "observed": share,
            "fitted": np.asarray(fitted), "residual": np.asarray(fit.noise.residual(fitted, lane)),
            "suspicion": np.nan if strange is None else np.asarray(strange.mean(axis=0)),
        }
    )  # fmt: skip


def _draws(fit: Fit) -> dict[str, np.ndarray]:
    return fit.draws() if fit.has_draws else {p: np.array([v]) for p, v in fit.point.items()}


def suspects(table: pd.DataFrame, what: str) -> str | None:
    """A sentence on the rows that are probably strange, the surest first; None where there is none."""
    chance, labels = table["suspicion"].to_numpy(), table["label"].to_numpy()
    found = [i for i in np.argsort(-chance, kind="stable") if chance[i] > LIKELY]
    if not found:
        return None
    named = ", ".join(f"{labels[i]} ({chance[i]:.2f})" for i in found[:MOST_NAMED])
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return f"{len(found)} of {len(table)} runs are probably {what}: {named}{more}."


def patterns(fit: Fit, table: pd.DataFrame) -> list[str]:
    """Sentences on what the residuals follow: a trend or a bend along inputs and compute, a spread that changes with
    them, a dependence between neighbours in the table. Ranks decide, so that outliers do not.

    Each is looked for at a chance of SURE over the number of looks; nothing is said of short tables.
    """
    r = table["residual"].to_numpy()
    if len(r) < FEW or not fit.noise.apart:  # of correlated rows the noise itself takes care
        return []
    looks = [(f"along {name}", x) for name, x in _axes(fit).items()]
    level = SURE / (3 * len(looks) + 1)
    said = []
    for name, x in looks:
        bend = (x - np.median(x)) ** 2
        size = np.abs(r - np.median(r))
        for values, against, words in (
            (r, x, "{rise} {name}: the law is too {low} at the large end"),
            (r, bend, "bend {name}: the law is too {low} at both ends, against the middle"),
            (size, x, "spread more at the {large} end {name}: noise 'heteroscedastic' allows for that"),
        ):
            strength, chance = _rank(values, against)
            if chance < level:
                up = strength > 0
                text = words.format(
                    name=name,
                    rise="rise" if up else "fall",
                    low="low" if up else "high",
                    large="large" if up else "small",
                )
                said.append(f"Residuals {text} (rank correlation {strength:+.2f}).")
    strength, chance = _rank(r[1:], r[:-1])
    if chance < level:
        said.append(
            f"Residuals of neighbouring rows are alike (rank correlation {strength:+.2f}): rows may be checkpoints of "
            "one run, or sorted by something that the law does not know."
        )
    return said


def clipping(fit: Fit) -> list[str]:
    """A sentence on Huber's delta beside the scatter that it is of a size with; none for other noises."""
    delta = getattr(fit.noise, "delta", None)
    if delta is None or not fit.status.ok:
        return []
    r = residuals(fit)["residual"].to_numpy()
    scatter = 1.4826 * float(np.median(np.abs(r - np.median(r))))
    times = delta / max(scatter, 1e-300)
    said = f"Huber's delta is {plain(times, digits=2)} robust standard deviations of the residuals"
    if times > SQUARES:
        return [f"{said}: hardly a row is clipped, so this is least squares, which bad rows move."]
    if times < MEDIAN:
        return [f"{said}: nearly every row is clipped, so this is a fit of medians, which wastes good rows."]
    return [f"{said}."]


def _axes(fit: Fit) -> dict[str, np.ndarray]:
    """What residuals are held against: the log inputs that vary, and compute where it is none of them."""
    constant = fit.data["constant_data"].to_dataset()
    inputs = {s: constant[s].to_numpy() for s, v in fit.law.inputs.items() if v.axis == "log"}
    compute = training_compute(fit.law.by_column(inputs)) if len(inputs) == len(fit.law.inputs) else None
    if compute is not None and "C" not in inputs:
        inputs["C"] = compute
    return {s: np.log(v) for s, v in inputs.items() if len(np.unique(v)) > 2}


def _rank(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    found: Any = stats.spearmanr(a, b)
    return float(found.statistic), float(found.pvalue) if np.isfinite(found.pvalue) else 1.0


def remarks(fit: Fit) -> list[str]:
    """Sentences on the rows of a fit that has passed: strange ones by name, and patterns in what is left."""
    table = residuals(fit)
    strange = suspects(table, "under-tuned" if fit.noise.name == "frontier" else "outliers")
    return ([strange] if strange else []) + patterns(fit, table)
