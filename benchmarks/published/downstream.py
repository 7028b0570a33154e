"""Published numbers of the laws of distillation, downstream scores and inference."""

from published import Check, at

import jaxscale as js
from jaxscale.laws.capacity_gap_linear import student_of
from jaxscale.laws.densing_trend import doubling_days


def _slope(preset: str) -> float:
    return js.get_law("densing_trend").published[preset]["A"]


def _mmlu(*shape: float) -> float:
    return at("performance_law_mmlu", "wu2024", *shape, 1.0)


TEXT, FIGURE = _slope("xiao2024"), _slope("xiao2024_figure_1")

CHECKS = [
    Check(
        law="capacity_gap_linear",
        quantity="student for a 7B teacher, in billions",
        paper=2.8,
        ours=lambda: student_of(7e9, **js.get_law("capacity_gap_linear").published["zhang2023"]) / 1e9,
        digits=1,
    ),
    Check(law="densing_trend", quantity="doubling time, days", paper=95, ours=lambda: doubling_days(TEXT), digits=0),
    Check(
        law="densing_trend",
        quantity="doubling time, months",
        paper=3.3,
        ours=lambda: doubling_days(TEXT) / (365.25 / 12),
        digits=1,
        note="95 days are 3.1 months; 3.3 follow from the slope 0.007 of figure 1",
    ),
    Check(
        law="densing_trend",
        quantity="doubling time, months, slope of figure 1",
        paper=3.3,
        ours=lambda: doubling_days(FIGURE) / (365.25 / 12),
        digits=1,
    ),
    Check(
        law="densing_trend",
        quantity="with chips that double in 2.1 years, days",
        paper=88,
        ours=lambda: doubling_days(FIGURE, 2.1 * 365.25),
        digits=0,
        note="slope of figure 1",
    ),
    Check(
        law="coupled",
        quantity="L(1e9, 2e10)",
        paper=2.3747,
        ours=lambda: at("coupled", "busbridge2025", 1e9, 2e10),
        digits=4,
    ),
    Check(
        law="distillation_busbridge",
        quantity="L_S(1e9, 2e10, 1.8)",
        paper=2.2551,
        ours=lambda: at("distillation_busbridge", "busbridge2025", 1e9, 2e10, 1.8),
        digits=4,
    ),
    Check(
        law="distillation_busbridge",
        quantity="L_S(1e9, 2e10, 2.4)",
        paper=2.4207,
        ours=lambda: at("distillation_busbridge", "busbridge2025", 1e9, 2e10, 2.4),
        digits=4,
    ),
    Check(
        law="performance_law_mmlu",
        quantity="Llama-3-8B, %",
        paper=65.45,
        ours=lambda: _mmlu(32, 4096, 14336, 15, 8.03),
        digits=2,
    ),
    Check(
        law="performance_law_mmlu",
        quantity="Llama-3-70B, %",
        paper=81.09,
        ours=lambda: _mmlu(80, 8192, 28672, 15, 70.6),
        digits=2,
    ),
    Check(
        law="performance_law_mmlu",
        quantity="Llama-2-70B, %",
        paper=70.2,
        ours=lambda: _mmlu(80, 8192, 28672, 2, 69.0),
        digits=1,
    ),
    Check(
        law="performance_law_mmlu",
        quantity="Llama-2-7B, %",
        paper=58.0,
        ours=lambda: _mmlu(32, 4096, 11008, 2, 6.74),
        digits=1,
    ),
]
