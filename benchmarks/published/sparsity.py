"""Published numbers of sparsity, precision, transfer and continual pre-training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from published import Check, at
from scipy.optimize import brentq, curve_fit, minimize, minimize_scalar

import jaxscale as js

ROUNDED = "the paper computed it before rounding; three digits do not carry it"
CRITICAL = {(8, 7): 1730.0, (4, 3): 27.0, (2, 1): 0.4}  # E, M -> tokens / 1e12 at 1B parameters, blocks of 128
CMR_RATIOS = np.array([1.0, 0.75, 0.5, 1.0 / 3.0, 0.25])
CMR_LOSSES = {
    "460m": [1.4628, 1.4844, 1.5122, 1.5387, 1.5561],
    "940m": [1.3723, 1.3910, 1.4155, 1.4385, 1.4538],
    "1.6b": [1.3242, 1.3416, 1.3643, 1.3854, 1.3994],
    "3.1b": [1.2585, 1.2750, 1.2965, 1.3170, 1.3305],
}
DCPT_DOMAIN = [0.90, 0.91, 0.92, 0.924, 0.93, 0.94, 1.0]  # share of the domain, chemistry, 1.8B on 10B tokens
DCPT_GENERAL = [2.9052, 2.9193, 2.9376, 2.9445, 2.9644, 2.9848, 3.4667]


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Where f is zero between two numbers."""
    found: Any = brentq(f, low, high)
    return float(found)


def preset(law: str, name: str) -> dict[str, float]:
    return dict(js.get_law(law).published[name])


def dense_equal(name: str, size: float, experts: float) -> float:
    """Size of the dense model with the loss of a routed one."""
    loss = at("routed_moe", name, size, experts)
    return 10.0 ** root(lambda x: at("routed_moe", name, 10.0**x, 1.0) - loss, 6.0, 10.0)


def routing_ends(name: str) -> float:
    """Size at which routing stops to help."""
    p = preset("routed_moe", name)
    return 10.0 ** (-p["b"] / p["c"])


def moe_optimum(budget: float, sparsity: float) -> tuple[float, float]:
    """(N, loss) at the best split of 6 N (1 - S) D FLOP."""

    def loss(log_n: float) -> float:
        n = np.exp(log_n)
        return at("moe_sparsity", "abnar2025", n, budget / (6.0 * n * (1.0 - sparsity)), sparsity)

    found = minimize_scalar(loss, bounds=(np.log(1e8), np.log(1e12)), method="bounded")
    return float(np.exp(found.x)), float(found.fun)


def critical_data(e: float, m: float) -> float:
    """Tokens, in 1e12, beyond which a 1B model gets worse."""
    found = minimize_scalar(
        lambda t: at("fp_quant", "capybara", 1e9, np.exp(t), e, m, 128.0), bounds=(23.0, 39.0), method="bounded"
    )
    return float(np.exp(found.x)) / 1e12


def best_mantissa(bits: float) -> float:
    """Best mantissa bits of a format with `bits` in all, one for the sign."""
    loss = lambda m: at("fp_quant", "capybara", 1e9, 1e13, bits - 1.0 - m, m, 128.0)  # noqa: E731
    return float(minimize_scalar(loss, bounds=(0.0, bits - 1.0), method="bounded", options={"xatol": 1e-8}).x)


def qid_data(size: float) -> float:
    """Tokens at which four bits add 0.2 nats."""
    return float(np.exp(root(lambda t: at("qid", "gptq_pythia", size, np.exp(t), 4.0) - 0.2, 20.0, 40.0)))


def kept_share(bits: float) -> float:
    """Effective over true parameters with all three precisions at `bits`."""
    p = preset("precision", "kumar2024")
    without_data = at("precision", "kumar2024", 1e9, 1e300, bits, bits, bits) - p["E"]
    return float((without_data / p["A"]) ** (-1.0 / p["alpha"]) / 1e9)


def best_bits(weights: bool, activations: bool, cache: bool, budget: float = 1e21) -> float:
    """Bits of the lowest loss under 6/16 N D P FLOP, the others in full precision."""

    def loss(x: np.ndarray) -> float:
        n, p = np.exp(x[0]), x[1]
        bits = [p if lowered else 1e3 for lowered in (weights, activations, cache)]
        return at("precision", "kumar2024", n, budget / (6.0 / 16.0 * n * p), *bits)

    return float(minimize(loss, [21.0, 6.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12}).x[1])


def cmr_quarter(size: str) -> float:
    """Loss at a quarter of domain text, from the four larger shares."""
    law = js.get_law("cmr_ratio").mean
    formula = lambda r, a, s, b: np.asarray(law(r, a=a, s=s, b=b))  # noqa: E731
    p, _ = curve_fit(formula, CMR_RATIOS[:4], CMR_LOSSES[size][:4], p0=(-0.3, 0.3, 1.7))
    return float(formula(CMR_RATIOS[4], *p))


CHECKS = [
    Check(
        "routed_moe",
        "dense size equal to 5M with 128 experts, S-BASE",
        55e6,
        lambda: dense_equal("s_base", 5e6, 128),
        rel=0.1,
    ),
    Check(
        "routed_moe",
        "size where routing stops to help, S-BASE",
        937e9,
        lambda: routing_ends("s_base"),
        rel=0.01,
        note=ROUNDED,
    ),
    Check(
        "routed_moe",
        "size where routing stops to help, RL-R",
        85e9,
        lambda: routing_ends("rl_r"),
        rel=0.01,
        note=ROUNDED,
    ),
    Check(
        "routed_moe",
        "size where routing stops to help, HASH",
        83e9,
        lambda: routing_ends("hash"),
        rel=0.01,
        note=ROUNDED,
    ),
    Check("moe_sparsity", "loss at 1e21 FLOP, S = 0 (our number)", 2.275, lambda: moe_optimum(1e21, 0.0)[1], digits=3),
    Check(
        "moe_sparsity", "loss at 1e21 FLOP, S = 0.98 (our number)", 2.014, lambda: moe_optimum(1e21, 0.98)[1], digits=3
    ),
    Check("moe_sparsity", "N at 1e21 FLOP, S = 0 (our number)", 2.5e9, lambda: moe_optimum(1e21, 0.0)[0], rel=0.02),
    Check(
        "moe_sparsity", "N at 1e21 FLOP, S = 0.98 (our number)", 8.3e10, lambda: moe_optimum(1e21, 0.98)[0], rel=0.007
    ),
    Check(
        "moe_sparsity",
        "active N at 1e21 FLOP, S = 0.98 (our number)",
        1.7e9,
        lambda: 0.02 * moe_optimum(1e21, 0.98)[0],
        rel=0.03,
    ),
    Check("sparsing", "A(800 B) of ReLU 2.4B", 0.0652, lambda: at("sparsing", "relu_2.4b", 800.0), digits=4),
    Check(
        "fp_quant",
        "L(1e9, 1e11, E4M3, 128) (our number)",
        2.56307,
        lambda: at("fp_quant", "capybara", 1e9, 1e11, 4, 3, 128),
        digits=5,
    ),
    *(
        Check("fp_quant", f"critical tokens / 1e12, E{e}M{m}", paper, lambda e=e, m=m: critical_data(e, m), rel=0.02)
        for (e, m), paper in CRITICAL.items()
    ),
    *(
        Check("fp_quant", f"best mantissa bits of {bits}", paper, lambda bits=bits: best_mantissa(bits), digits=0)
        for bits, paper in ((4.0, 1.0), (8.0, 3.0), (16.0, 7.0))
    ),
    Check("qid", "added at 2 bits, 1e9, 2.06e11", 3.03, lambda: at("qid", "gptq_pythia", 1e9, 2.06e11, 2), digits=2),
    Check("qid", "added at 3 bits, 1e9, 2.06e11", 0.326, lambda: at("qid", "gptq_pythia", 1e9, 2.06e11, 3), digits=3),
    Check("qid", "added at 4 bits, 1e9, 2.06e11", 0.067, lambda: at("qid", "gptq_pythia", 1e9, 2.06e11, 4), digits=3),
    Check("qid", "tokens for 0.2 at 4 bits, 7B", 3.8e12, lambda: qid_data(7e9), rel=0.013),
    Check("qid", "tokens for 0.2 at 4 bits, 70B", 1.03e13, lambda: qid_data(70e9), rel=0.005),
    Check("qid", "tokens for 0.2 at 4 bits, 405B", 2.18e13, lambda: qid_data(405e9), rel=0.0023),
    *(
        Check("precision", f"effective share of N, all at {p} bits", paper, lambda p=p: kept_share(p), digits=3)
        for p, paper in ((4, 0.191), (5, 0.427), (6, 0.611), (8, 0.828), (16, 0.994))
    ),
    *(
        Check(
            "precision",
            f"L(220M, 26B), all at {p} bits",
            paper,
            lambda p=p: at("precision", "kumar2024", 220e6, 26e9, p, p, p),
            digits=4,
        )
        for p, paper in ((16, 3.1976), (8, 3.2271), (6, 3.2824), (4, 3.5918))
    ),
    Check("precision", "best bits, all three", 7.00, lambda: best_bits(True, True, True), digits=2),
    Check("precision", "best bits, weights and activations", 6.85, lambda: best_bits(True, True, False), digits=2),
    Check("precision", "best bits, activations", 6.0, lambda: best_bits(False, True, False), digits=1),
    Check(
        "transfer_effective_data",
        "10x N over 100x DF, text to Python",
        1.0,
        lambda: (
            at("transfer_effective_data", "text_to_python", 1e8, 1e9)
            / at("transfer_effective_data", "text_to_python", 1e10, 1e8)
        ),
        rel=0.05,
    ),
    Check(
        "dcpt",
        "domain share at general loss + 3 %, from the printed table",
        0.924,
        lambda: float(np.interp(1.03 * 2.8602, DCPT_GENERAL, DCPT_DOMAIN)),
        digits=3,
        note="a crossing in the printed table; the coefficients were not published",
    ),
    *(
        Check(
            "cmr",
            f"critical share at 20B tokens, {size}, in %",
            paper,
            lambda size=size: 100.0 * at("cmr", size, 100.0),
            digits=1,
        )
        for size, paper in (("460m", 29.8), ("940m", 34.9), ("1.6b", 41.4), ("3.1b", 47.8))
    ),
    *(
        Check(
            "cmr_ratio",
            f"loss at R = 1/4 from four larger R, {size}",
            losses[4],
            lambda size=size: cmr_quarter(size),
            rel=5e-4,
            note="R = 1/3, printed as 0.33",
        )
        for size, losses in CMR_LOSSES.items()
    ),
]
