"""What a posterior is summed up by, and whether two engines agree on it.

A parameter whose prior is log-normal is judged by the logarithm of its size, where its posterior is near normal: the sd
of a coefficient such as B of B / D^beta is ruled by a few draws, and no two samplers would agree on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpyro.distributions as dist
from arviz_stats.base.array import BaseArray

from jaxscale.model import Model

LEAST_ESS, MOST_R_HAT = 4000.0, 1.01  # of a reference that may be used
DIGITS = 8
ARVIZ = BaseArray()
Summary = Mapping[str, Mapping[str, float]]  # parameter -> mean, sd, q05, q95, mcse_mean, ...


def judged(model: Model, values: np.ndarray) -> dict[str, np.ndarray]:
    """Values (..., params) of everything reported -> (...) of each free parameter, "log A" for those in logarithms."""
    logs = {s.param for s in model.sites if isinstance(s.prior.dist, dist.LogNormal)}
    named = {model.params[i]: values[..., i] for i in model.free}
    return {f"log {p}" if p in logs else p: np.log(np.abs(v)) if p in logs else v for p, v in named.items()}


def moments(x: np.ndarray) -> dict[str, float]:
    """Mean, sd and the ends of the 90 % interval, of draws in any shape."""
    low, high = np.quantile(x, (0.05, 0.95))
    return {"mean": float(x.mean()), "sd": float(x.std(ddof=1)), "q05": float(low), "q95": float(high)}


def of_chains(x: np.ndarray) -> dict[str, float]:
    """Moments and checks of draws (chains, draws), by ArviZ."""
    checks: dict[str, Any] = {
        "mcse_mean": ARVIZ.mcse(x, method="mean"),
        "r_hat": ARVIZ.rhat(x),
        "ess_bulk": ARVIZ.ess(x, method="bulk"),
        "ess_tail": ARVIZ.ess(x, method="tail", prob=(0.05, 0.95)),
    }
    return _rounded(moments(x) | {k: float(v) for k, v in checks.items()})


def of_fits(x: np.ndarray) -> dict[str, float]:
    """Moments of draws (fits, draws) of like fits with keys of their own; the error of the mean is their scatter."""
    each = x.mean(axis=1)
    return _rounded(moments(x) | {"mcse_mean": float(each.std(ddof=1) / np.sqrt(len(each)))})


def _rounded(numbers: Mapping[str, float]) -> dict[str, float]:
    return {k: float(f"{v:.{DIGITS}g}") for k, v in numbers.items()}


def faults(summary: Summary, divergences: int) -> list[str]:
    """Why a reference may not be used; empty where it may."""
    r_hat = max(s["r_hat"] for s in summary.values())
    ess = min(min(s["ess_bulk"], s["ess_tail"]) for s in summary.values())
    found = [] if r_hat < MOST_R_HAT else [f"R-hat {r_hat:.3f}"]
    found += [] if ess > LEAST_ESS else [f"{ess:.0f} effective draws"]
    return found + ([f"{divergences} divergences"] if divergences else [])


@dataclass(frozen=True)
class Bar:
    """How far ours may be from the reference: in sd of the reference, means also in combined Monte Carlo errors."""

    mean: float
    mcse: float
    ratio: float
    quantile: float


FULL = Bar(mean=0.05, mcse=4.0, ratio=0.05, quantile=0.1)
QUICK = Bar(mean=0.15, mcse=np.inf, ratio=0.15, quantile=np.inf)  # of one fit at default settings


@dataclass(frozen=True)
class Difference:
    """Ours less the reference, of one parameter.

    Attributes:
        mean: of the means, in sd of the reference.
        mcse: the same in combined Monte Carlo errors; NaN where ours has none.
        ratio: of the sds, ours over the reference's.
        quantile: of the 5 % or the 95 % quantile, whichever is further off, in sd.
    """

    mean: float
    mcse: float
    ratio: float
    quantile: float

    def misses(self, bar: Bar) -> list[str]:
        """What is beyond the bar, in words. A number that is not finite is beyond it."""
        found = []
        if not abs(self.mean) <= bar.mean:
            found.append(f"mean off by {self.mean:+.3f} sd ({self.mcse:+.1f} Monte Carlo errors)")
        elif np.isfinite(bar.mcse) and not abs(self.mcse) <= bar.mcse:
            found.append(f"mean off by {self.mcse:+.1f} Monte Carlo errors ({self.mean:+.3f} sd)")
        found += [] if abs(self.ratio - 1.0) <= bar.ratio else [f"sd {self.ratio:.3f} times the reference's"]
        found += [] if abs(self.quantile) <= bar.quantile or np.isinf(bar.quantile) else [
            f"quantile off by {self.quantile:+.3f} sd"]  # fmt: skip
        return found


def differences(ours: Summary, reference: Summary) -> dict[str, Difference]:
    """Of each parameter.

    Raises:
        KeyError: the two have not the same parameters.
    """
    if set(ours) != set(reference):
        raise KeyError(f"ours has {', '.join(ours)}; the reference has {', '.join(reference)}")
    return {p: _difference(ours[p], reference[p]) for p in reference}


def _difference(a: Mapping[str, Any], b: Mapping[str, Any]) -> Difference:
    error = np.hypot(a.get("mcse_mean", np.nan), b["mcse_mean"])
    away = max(((a[q] - b[q]) / b["sd"] for q in ("q05", "q95")), key=abs)
    shift = a["mean"] - b["mean"]
    return Difference(shift / b["sd"], float(shift / error), a["sd"] / b["sd"], away)


def misses(found: Mapping[str, Difference], bar: Bar) -> list[str]:
    """A phrase for every parameter that is beyond the bar."""
    return [f"{p}: {', '.join(words)}" for p, d in found.items() if (words := d.misses(bar))]


def worst(found: Mapping[str, Difference], our: dict, reference: dict) -> str:
    """Cells of a table: the worst of each kind, and the worst mean of a single fit."""
    ratios = [d.ratio for d in found.values()]
    mean, mcse, quantile = (max((getattr(d, k) for d in found.values()), key=abs) for k in ("mean", "mcse", "quantile"))
    known = reference["parameters"]
    each = max(abs(fit[p] - known[p]["mean"]) / known[p]["sd"] for fit in our["each"] for p in known)
    return f"{mean:+.3f} | {mcse:+.1f} | {min(ratios):.3f} to {max(ratios):.3f} | {quantile:+.3f} | {each:.3f}"


def checked(name: str, reference: dict) -> str:
    """A row of a table: how long a reference is, and its checks."""
    each = reference["parameters"].values()
    r_hat, *ess = max(s["r_hat"] for s in each), *(min(s[k] for s in each) for k in ("ess_bulk", "ess_tail"))
    return (
        f"| {name} | {reference['rows']} | {reference['draws']} | {r_hat:.4f} | {ess[0]:.0f} | {ess[1]:.0f} | "
        f"{reference['divergences']} | {reference['target']} | {reference['seconds']:.0f} | "
        f"{', '.join(reference['faults'])} |"
    )
