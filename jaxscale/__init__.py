"""jaxscale: Bayesian fits of neural scaling laws, and decisions that carry their uncertainty.

Names are imported when they are first used, so that `jaxscale --help` needs no JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from jaxscale import datasets as datasets
    from jaxscale.api import fit as fit
    from jaxscale.api import fit_many as fit_many
    from jaxscale.api import load as load
    from jaxscale.chained import Chain as Chain
    from jaxscale.chained import chain as chain
    from jaxscale.check import check_law as check_law
    from jaxscale.decide.architecture import Architecture as Architecture
    from jaxscale.decide.hardware import Hardware as Hardware
    from jaxscale.decide.plan import Plan as Plan
    from jaxscale.decide.plan import plan as plan
    from jaxscale.decide.speedup import speedup as speedup
    from jaxscale.decide.suggest import suggest as suggest
    from jaxscale.errors import ConfigError as ConfigError
    from jaxscale.errors import DataError as DataError
    from jaxscale.errors import JaxscaleError as JaxscaleError
    from jaxscale.errors import LawError as LawError
    from jaxscale.errors import PlanError as PlanError
    from jaxscale.fits import Fits as Fits
    from jaxscale.law import Law as Law
    from jaxscale.law import get_law as get_law
    from jaxscale.law import list_laws as list_laws
    from jaxscale.pooled import Pooled as Pooled
    from jaxscale.pooled import fit_pooled as fit_pooled
    from jaxscale.readers import read_runs as read_runs
    from jaxscale.result import Fit as Fit
    from jaxscale.runs import Runs as Runs
    from jaxscale.simulator import simulate as simulate
    from jaxscale.status import Status as Status
    from jaxscale.trust.average import Average as Average
    from jaxscale.trust.backtest import backtest as backtest
    from jaxscale.trust.compare import average as average
    from jaxscale.trust.compare import compare as compare
    from jaxscale.trust.doctor import Finding as Finding
    from jaxscale.trust.doctor import doctor as doctor
    from jaxscale.trust.early import without_early as without_early
    from jaxscale.trust.intervals import intervals as intervals

_HOME = {
    "read_runs": "readers", "Runs": "runs",
    "Law": "law", "get_law": "law", "list_laws": "law", "check_law": "check", "simulate": "simulator",
    "chain": "chained", "Chain": "chained",
    "fit": "api", "fit_many": "api", "load": "api", "Fit": "result", "Fits": "fits", "Status": "status",
    "fit_pooled": "pooled", "Pooled": "pooled",
    "doctor": "trust.doctor", "Finding": "trust.doctor", "backtest": "trust.backtest",
    "compare": "trust.compare", "average": "trust.compare", "Average": "trust.average",
    "intervals": "trust.intervals", "without_early": "trust.early",
    "plan": "decide.plan", "Plan": "decide.plan",
    "Architecture": "decide.architecture", "Hardware": "decide.hardware",
    "suggest": "decide.suggest", "speedup": "decide.speedup",
    "JaxscaleError": "errors", "DataError": "errors", "LawError": "errors", "PlanError": "errors",
    "ConfigError": "errors",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "datasets":
        return importlib.import_module("jaxscale.datasets")
    if name not in _HOME:
        raise AttributeError(f"module 'jaxscale' has no attribute {name!r}")
    return getattr(importlib.import_module(f"jaxscale.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*_HOME, "datasets", "__version__"])
