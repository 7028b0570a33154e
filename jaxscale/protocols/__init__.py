"""Estimation protocols: how runs, fits and benchmarks are scored, compared and read, apart from any one law.

Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxscale.protocols.allocation import Allocation as Allocation
    from jaxscale.protocols.allocation import allocate as allocate
    from jaxscale.protocols.budgets import Ratio as Ratio
    from jaxscale.protocols.budgets import equivalent_budget as equivalent_budget
    from jaxscale.protocols.budgets import savings as savings
    from jaxscale.protocols.calibration import calibration_error as calibration_error
    from jaxscale.protocols.calibration import interval_coverage as interval_coverage
    from jaxscale.protocols.checklist import study_checklist as study_checklist
    from jaxscale.protocols.counting import counting_slope as counting_slope
    from jaxscale.protocols.counting import nonembedding_params as nonembedding_params
    from jaxscale.protocols.counting import total_params as total_params
    from jaxscale.protocols.crossing import Crossing as Crossing
    from jaxscale.protocols.crossing import crossings as crossings
    from jaxscale.protocols.crossing import power_crossing as power_crossing
    from jaxscale.protocols.curves import Curve as Curve
    from jaxscale.protocols.curves import curve_of as curve_of
    from jaxscale.protocols.dimension import intrinsic_dimension as intrinsic_dimension
    from jaxscale.protocols.dimension import resolution_exponent as resolution_exponent
    from jaxscale.protocols.envelope import envelope_points as envelope_points
    from jaxscale.protocols.gsnr import descent_weights as descent_weights
    from jaxscale.protocols.gsnr import generalization_ratio as generalization_ratio
    from jaxscale.protocols.gsnr import gradient_snr as gradient_snr
    from jaxscale.protocols.gsnr import step_scales as step_scales
    from jaxscale.protocols.interpolate import NoisyOptima as NoisyOptima
    from jaxscale.protocols.interpolate import noisy_optima as noisy_optima
    from jaxscale.protocols.isoflop import parabolas as parabolas
    from jaxscale.protocols.isoflop import vertex_bias as vertex_bias
    from jaxscale.protocols.passes import best_of_n as best_of_n
    from jaxscale.protocols.passes import coverage as coverage
    from jaxscale.protocols.passes import gaussian_maximum as gaussian_maximum
    from jaxscale.protocols.passes import pass_at_k as pass_at_k
    from jaxscale.protocols.scores import absolute_relative_error as absolute_relative_error
    from jaxscale.protocols.scores import log_rmse as log_rmse
    from jaxscale.protocols.scores import r_squared as r_squared
    from jaxscale.protocols.scores import rank_correlation as rank_correlation
    from jaxscale.protocols.signal import decision_accuracy as decision_accuracy
    from jaxscale.protocols.signal import relative_dispersion as relative_dispersion
    from jaxscale.protocols.signal import relative_sd as relative_sd
    from jaxscale.protocols.signal import signal_to_noise as signal_to_noise
    from jaxscale.protocols.twoway import TwoWay as TwoWay
    from jaxscale.protocols.twoway import two_way as two_way
    from jaxscale.protocols.variations import PassRate as PassRate
    from jaxscale.protocols.variations import pass_rate as pass_rate

_HOME = {
    "allocation": ("Allocation", "allocate"),
    "budgets": ("Ratio", "equivalent_budget", "savings"),
    "calibration": ("calibration_error", "interval_coverage"),
    "checklist": ("study_checklist",),
    "counting": ("counting_slope", "nonembedding_params", "total_params"),
    "crossing": ("Crossing", "crossings", "power_crossing"),
    "curves": ("Curve", "curve_of"),
    "dimension": ("intrinsic_dimension", "resolution_exponent"),
    "envelope": ("envelope_points",),
    "gsnr": ("descent_weights", "generalization_ratio", "gradient_snr", "step_scales"),
    "interpolate": ("NoisyOptima", "noisy_optima"),
    "isoflop": ("parabolas", "vertex_bias"),
    "passes": ("best_of_n", "coverage", "gaussian_maximum", "pass_at_k"),
    "scores": ("absolute_relative_error", "log_rmse", "r_squared", "rank_correlation"),
    "signal": ("decision_accuracy", "relative_dispersion", "relative_sd", "signal_to_noise"),
    "twoway": ("TwoWay", "two_way"),
    "variations": ("PassRate", "pass_rate"),
}
_MODULE = {name: module for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'jaxscale.protocols' has no attribute {name!r}")
    return getattr(importlib.import_module(f"jaxscale.protocols.{_MODULE[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_MODULE)
