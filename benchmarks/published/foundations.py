"""Published numbers of the laws of model size, data, compute, batch and width."""

from __future__ import annotations

from published import Check, at

import jaxscale as js

KAPLAN = "kaplan2020"
ROUNDING = "recomputed from the printed coefficients, whose exponents have two digits"
FIVE_DIGITS = "A, B and alpha to five digits leave 0.003 %"
# RedPajama's loss law with more digits than its preset, and two runs it predicts: parameters, tokens, loss, error
REDPAJAMA = {"E": 1.8366, "A": 166.21, "alpha": 0.27285, "B": 287.17, "beta": 0.27285}
LONG = (1439795200.0, 921468928000.0, 2.50205356, 0.475215232)
LARGE = (6889410560.0, 137788211200.0, 2.4249931, 0.471637181)
MINICPM = {  # K^2, eta, and tokens per parameter at 1e21 FLOP
    "average": (0.01, -0.10, 191.87),
    "corpus_1": (0.01, -0.33, 833.95),
    "corpus_2": (0.01, -0.05, 194.93),
    "corpus_3": (0.02, -0.18, 166.04),
    "corpus_4": (0.01, 0.0, 95.60),
    "corpus_5": (0.01, -0.05, 112.79),
}


def _published(law: str, preset: str) -> dict[str, float]:
    return dict(js.get_law(law).published[preset])


def _compute_exponent() -> float:
    """Of C_min in Kaplan's laws: 1 / (1/aS + 1/aB + 1/aN)."""
    steps, batch, size = (
        _published("kaplan_ns", KAPLAN)["aS"],
        _published("kaplan_bcrit", KAPLAN)["aB"],
        _published("kaplan_n", KAPLAN)["aN"],
    )
    return 1.0 / (1.0 / steps + 1.0 / batch + 1.0 / size)


def _stop_above() -> float:
    p = _published("kaplan_ns", KAPLAN)
    return p["aN"] / p["aS"]


def _miss_of_loss(run: tuple[float, ...]) -> float:
    """Percent between the loss that five small runs predict and the measured one."""
    return 100.0 * abs(float(js.get_law("chinchilla")(*run[:2], **REDPAJAMA)) / run[2] - 1.0)


def _miss_of_error(run: tuple[float, ...]) -> float:
    loss = float(js.get_law("chinchilla")(*run[:2], **REDPAJAMA))
    return 100.0 * abs(at("gadre_err", "redpajama", loss) / run[3] - 1.0)


def _frontier(preset: str) -> float:
    """Exponent of the best loss at C = N t."""
    p = _published("bordelon", preset)
    return p["rt"] * p["rN"] / (p["rt"] + p["rN"])


def _split(preset: str) -> tuple[float, float, float]:
    """K^2 and eta of N_opt / D_opt = K^2 (C / 6)^eta in units of 1e18, and D_opt / N_opt at 1e21 FLOP."""
    p = _published("minicpm_nd", preset)
    total = p["alpha"] + p["beta"]
    k2 = (p["alpha"] * p["CN"] / (p["beta"] * p["CD"])) ** (2.0 / total)
    eta = (p["beta"] - p["alpha"]) / total
    return k2, eta, 1.0 / (k2 * (1e3 / 6.0) ** eta)


def _of_minicpm(preset: str) -> list[Check]:
    k2, eta, ratio = MINICPM[preset]
    return [
        Check("minicpm_nd", f"K^2, {preset}", k2, lambda: _split(preset)[0], digits=2, note=ROUNDING),
        Check("minicpm_nd", f"eta, {preset}", eta, lambda: _split(preset)[1], digits=2, note=ROUNDING),
        Check("minicpm_nd", f"D/N at 1e21 FLOP, {preset}", ratio, lambda: _split(preset)[2], digits=2, note=ROUNDING),
    ]


CHECKS = [
    Check("kaplan_n", "L(1e9)", 2.3756, lambda: at("kaplan_n", KAPLAN, 1e9), digits=4),
    Check("kaplan_d", "L(1e10)", 2.2624, lambda: at("kaplan_d", KAPLAN, 1e10), digits=4),
    Check("kaplan_c", "L at the crossing, 1e4 PF-days", 1.7, lambda: at("kaplan_c", KAPLAN, 1e4), digits=1),
    Check("kaplan_bcrit", "B_crit(3), millions", 1.12, lambda: at("kaplan_bcrit", KAPLAN, 3.0) / 1e6, digits=2),
    Check("kaplan_bcrit", "B_crit(2), millions", 7.74, lambda: at("kaplan_bcrit", KAPLAN, 2.0) / 1e6, digits=2),
    Check("kaplan_ns", "exponent of C_min", 0.0520, _compute_exponent, digits=4),
    Check(
        "kaplan_ns",
        "exponent of C_min, as quoted",
        0.054,
        _compute_exponent,
        digits=3,
        note="the paper's printed aS, aB and aN give 0.052",
    ),
    Check("kaplan_ns", "loss above convergence at the best stop", 0.10, _stop_above, rel=0.1),
    Check("henighan", "L(1e8), images 32x32", 2.3563, lambda: at("henighan", "image_32x32", 1e8), digits=4),
    Check(
        "henighan_nopt",
        "N_opt(1 PF-day), language, billions",
        1.29,
        lambda: at("henighan_nopt", "language", 1.0) / 1e9,
        digits=2,
    ),
    Check(
        "henighan_nopt",
        "N_opt(1 PF-day), language, beside Kaplan's 1.3 billions",
        1.3,
        lambda: at("henighan_nopt", "language", 1.0) / 1e9,
        digits=1,
    ),
    Check("bordelon", "exponent of the best loss, CIFAR-5M", 0.05, lambda: _frontier("cifar5m_linearised"), digits=2),
    Check("coupled", "L(1e9, 2e10)", 2.3747, lambda: at("coupled", "busbridge2025", 1e9, 2e10), digits=4),
    Check(
        "compute_only",
        "Llama-2 7B (6.74e9), 2e12 tokens, bits per character",
        0.554,
        lambda: at("compute_only", "guo2024", 6.74e9, 2e12),
        digits=3,
    ),
    Check(
        "gadre_err", "loss of 1.4B, M = 640: error, %", 0.7103, lambda: _miss_of_loss(LONG), digits=4, note=FIVE_DIGITS
    ),
    Check(
        "gadre_err", "loss of 6.9B, M = 20: error, %", 0.7320, lambda: _miss_of_loss(LARGE), digits=4, note=FIVE_DIGITS
    ),
    Check(
        "gadre_err",
        "top-1 error of 1.4B, M = 640: relative error, %",
        3.6365,
        lambda: _miss_of_error(LONG),
        digits=4,
        note="eps, k and gamma to three digits leave 0.1 %",
    ),
    Check(
        "gadre_err",
        "top-1 error of 6.9B, M = 20: relative error, %",
        0.0464,
        lambda: _miss_of_error(LARGE),
        digits=4,
        note="eps, k and gamma to three digits leave 0.1 %",
    ),
    Check("minicpm_nd", "L(1, 100)", 0.4855, lambda: at("minicpm_nd", "average", 1.0, 100.0), digits=4),
    Check("minicpm_nd", "L(2.4, 1000)", 0.4267, lambda: at("minicpm_nd", "average", 2.4, 1000.0), digits=4),
    *(check for preset in MINICPM for check in _of_minicpm(preset)),
    Check("minicpm_bs", "bs(3), millions", 1.28, lambda: at("minicpm_bs", "hu2024", 3.0) / 1e6, digits=2),
    Check("minicpm_bs", "bs(2.5), millions", 3.98, lambda: at("minicpm_bs", "hu2024", 2.5) / 1e6, digits=2),
]
