"""Do a fit again from its record, and say of every number whether it is the same.

With the versions and the processor of then, the same means to the last bit. With others the draws differ, and numbers
may differ by what is left to chance: the Monte Carlo error of both fits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from jaxscale.api import fit
from jaxscale.errors import ConfigError
from jaxscale.held import runs_of
from jaxscale.priors import given_prior
from jaxscale.result import Fit, user_source
from jaxscale.summary import MOMENTS, QUANTILES, SUMMARY
from jaxscale.words import plain

FALSE_ALARM = 1e-3  # chance that any number of a fit that was repeated well differs by more than is allowed
OPTIMUM = 1e-3  # relative: a minimum that is found to 1e-6 of its objective fixes its place to the root of that
ABOUT = {"table_hash": "hash of the data", "content_hash": "hash of the table", "rows": "runs", "seed": "seed"}


BESIDE = ("health", "basins", "discrepancy")  # what a fit's record holds beside its summary


@dataclass(frozen=True)
class Again:
    """A fit and its repetition.

    Attributes:
        ok: reproduced: to the bit, or, where versions or devices differ, within Monte Carlo error.
        exact: to the bit.
        sentence: the verdict.
        versions: what has changed since, name -> (then, now).
        numbers: a row a quantity: quantity, kept, now, difference, in_sd (of the posterior), allowed, same.
    """

    ok: bool
    exact: bool
    sentence: str
    versions: Mapping[str, tuple[Any, Any]]
    numbers: pd.DataFrame


def refit(kept: Fit, progress: bool | None = None) -> Fit:
    """Fit again what a fit was fitted to, from what it carries: data, law, noise, priors, method, seed and draws.

    Raises:
        ConfigError: a prior was an object that a file does not hold.
    """
    about = kept.about
    priors = about.get("prior_values", dict.fromkeys(about["priors"]))
    if lost := [p for p, v in priors.items() if v is None]:
        raise ConfigError(
            f"the prior of {', '.join(lost)} was a Python object that the fit's file does not hold; got "
            f"{about['priors'][lost[0]]}; expected a number or a plain NumPyro distribution. Fit again in Python."
        )
    given = {p: given_prior(v) for p, v in priors.items()} or None
    units = {v.column: v.unit for v in kept.law.inputs.values() if not v.length}
    # Declared, since they were looked at when they were read: sizes of a few thousand may have been meant.
    runs = replace(runs_of(kept), units=units | {kept.law.response.column: kept.law.response.unit})
    return fit(
        runs, law=kept.law, noise=kept.noise, method=about["method"], seed=about["seed"],
        draws=about["draws"], priors=given, progress=progress,
    )  # fmt: skip


def compare_again(kept: Mapping[str, Any], now: Mapping[str, Any], made: Fit) -> Again:
    """Hold a fit's record beside that of its repetition.

    Args:
        kept, now: documents of `jaxscale fit --json`: status, law_hash, summary, health, about.
        made: the repetition, for the Monte Carlo error of its numbers.
    """
    own = bool(user_source(made.law))
    then, since = _environment(kept, own), _environment(now, own)
    versions = {k: (v, since[k]) for k, v in then.items() if since.get(k) is not None and v != since[k]}
    rows = _facts(kept, now, own) + _numbers(kept, now, _allowed(kept, made) if versions else None)
    rows += _beside(kept, now, bool(versions))
    exact = all(row["kept"] == row["now"] for row in rows)
    ok = all(row["same"] for row in rows)
    frame = pd.DataFrame(rows, columns=["quantity", "kept", "now", "difference", "in_sd", "allowed", "same"])
    return Again(ok, exact, _sentence(rows, exact, ok, versions), versions, frame)


def _environment(document: Mapping[str, Any], own: bool) -> dict[str, Any]:
    """Versions and processor; the text of the package's law goes with the package's version."""
    about = document["about"]
    found = {**about["versions"], "device": about["device"], "the law's file": document.get("law_hash")}
    return {k: v for k, v in found.items() if v is not None and not (own and k == "the law's file")}


def _sentence(rows: list[dict[str, Any]], exact: bool, ok: bool, versions: Mapping[str, tuple[Any, Any]]) -> str:
    changed = "; ".join(f"{name} {then} then, {now} now" for name, (then, now) in versions.items())
    since = f"; versions differ: {changed}" if versions else ""
    if exact:
        return f"Every number is the same to the last bit{since}."
    if ok:
        most = max((row.get("in_sd", 0.0) for row in rows), default=0.0)
        by = f"Same to {plain(most, digits=2)} posterior sd, within Monte Carlo error"
        return f"{by if most > 0 else 'Same but for what is not judged'}{since}."
    unlike = [row for row in rows if not row["same"]]
    first = [f"{r['quantity']} was {_full(r['kept'])} and is {_full(r['now'])}" for r in unlike[:3]]
    more = f", and {len(unlike) - 3} more" if len(unlike) > 3 else ""
    return f"DIFFERS: {'; '.join(first)}{more}{since or '; versions and device are the same'}."


def _full(value: Any) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _facts(kept: Mapping[str, Any], now: Mapping[str, Any], own: bool) -> list[dict[str, Any]]:
    """What must be the same whatever the version: the verdict, the data, the rows taken out and the user's own law."""
    pairs = {"status": (kept["status"]["code"], now["status"]["code"])}
    pairs |= {key: (kept[key], now[key]) for key in ("law", "noise")}
    if own:
        pairs["hash of the law's file"] = (kept.get("law_hash"), now.get("law_hash"))
    then, since = kept["about"], now["about"]
    pairs |= {said: (then[k], since[k]) for k, said in ABOUT.items() if then.get(k) is not None}
    if "excluded" in then:
        dropped = [", ".join(str(e["row"]) for e in about["excluded"]) or "none" for about in (then, since)]
        pairs["rows taken out"] = (dropped[0], dropped[1])
    return [{"quantity": q, "kept": a, "now": b, "same": a == b} for q, (a, b) in pairs.items()]


def _beside(kept: Mapping[str, Any], now: Mapping[str, Any], elsewhere: bool) -> list[dict[str, Any]]:
    """Health, basins and the law's own error: the same to the bit, or not judged where versions differ."""
    rows = []
    for name in BESIDE:
        then, since = ({**d, **d["about"]}.get(name) or {} for d in (kept, now))
        pairs = {f"{name} {k}": (then.get(k), since.get(k)) for k in {**then, **since}}
        rows += [{"quantity": q, "kept": a, "now": b, "same": elsewhere or a == b} for q, (a, b) in pairs.items()]
    return rows


def _numbers(
    kept: Mapping[str, Any], now: Mapping[str, Any], allowed: Mapping[tuple[str, str], float] | None
) -> list[dict[str, Any]]:
    """Every number of the summary; within the error allowed, or to the bit where there is none."""
    before, after = ({r["parameter"]: r for r in d["summary"]} for d in (kept, now))
    rows = []
    for p in {**before, **after}:
        for column in SUMMARY:
            a, b = before.get(p, {}).get(column), after.get(p, {}).get(column)
            row = {"quantity": f"{p} {column}", "kept": a, "now": b, "same": a == b}
            if isinstance(a, int | float) and isinstance(b, int | float):
                row["difference"] = b - a
                sd = before[p]["sd"]
                if sd and column in MOMENTS:
                    row["in_sd"] = abs(b - a) / sd
                if allowed is not None:
                    row["allowed"] = allowed.get((p, column), np.inf)
                    row["same"] = abs(b - a) <= row["allowed"]
            elif allowed is not None and column not in MOMENTS:
                row["same"] = True  # another stage answered, whose draws have other diagnostics
            rows.append(row)
    return rows


def _allowed(kept: Mapping[str, Any], made: Fit) -> dict[tuple[str, str], float]:
    """(parameter, column) -> by how much two fits may differ by chance; diagnostics are not judged."""
    if not made.has_draws:
        return {(p, "mean"): OPTIMUM * abs(v) for p, v in made.point.items()}
    draws, before = made.draws(), {r["parameter"]: r for r in kept["summary"]}
    now = made.summary()
    widest = -ndtri(FALSE_ALARM / (2 * len(draws) * len(MOMENTS)))
    found = {}
    for p, values in draws.items():
        reported = [row.get(k) for row in (before.get(p, {}), now.loc[p]) for k in ("ess_bulk", "ess_tail")]
        weighted = [kept["health"].get("ess_weights"), made.health.ess_weights]
        known = [v for v in (*reported, *weighted) if v is not None and np.isfinite(v)]
        # weighted draws are drawn anew by their weights, which adds the error of so many draws
        ess = 1.0 / (1.0 / min(known, default=np.inf) + 1.0 / len(values))
        for column, error in _errors(values, ess).items():
            found[p, column] = widest * np.sqrt(2.0) * error
    return found


def _errors(values: np.ndarray, ess: float) -> dict[str, float]:
    """Monte Carlo standard errors of mean, sd and quantiles of draws worth `ess` independent ones."""
    centred = values - values.mean()
    variance = float(np.mean(centred**2))
    if variance == 0.0:
        return dict.fromkeys(MOMENTS, 0.0)
    excess = max(float(np.mean(centred**4)) / variance**2 - 1.0, 0.0)
    errors = {"mean": np.sqrt(variance / ess), "sd": np.sqrt(variance * excess / (4.0 * ess))}
    for name, level in QUANTILES.items():
        reach = np.sqrt(level * (1.0 - level) / ess)
        low, high = np.quantile(values, np.clip([level - reach, level + reach], 0.0, 1.0))
        errors[name] = (high - low) / 2.0
    return {k: float(v) for k, v in errors.items()}
