"""Gradient signal to noise: do examples (or devices) agree on where a parameter should go?

A statistic of training, not a law of loss: no paper gives one in parameters, tokens or batch size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import as_floats, numbers, option


def gradient_snr(gradients: Any) -> np.ndarray:
    """Squared mean of each parameter's gradient over its variance.

    Averages over B examples have B times the ratio of single examples. From k samples, pure noise reads about 1 / k,
    not 0.

    Args:
        gradients: (samples, parameters): gradients of single examples, or of devices' batches; two samples or more.

    Returns:
        (parameters,), 0 where a gradient is always 0, inf where it never varies.

    Raises:
        DataError: not two axes, one sample, or a value that is not finite.

    Source: Liu et al. 2020, arXiv 2001.07384; Jiang et al. 2023, arXiv 2309.13681.
    """
    mean, variance = _moments("gradient_snr", gradients)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(mean == 0.0, 0.0, mean**2 / variance)


def descent_weights(gradients: Any, n: float) -> np.ndarray:
    """Each parameter's share of the drop in training loss that one small step of gradient descent is expected to make.

    The drop is the learning rate times the squared gradient of the training set, whose expectation over sets of n
    examples is mean^2 + variance / n.

    Args:
        gradients: (samples, parameters) gradients of single examples.
        n: examples in the training set.

    Returns:
        (parameters,) that sum to 1.

    Raises:
        DataError: as `gradient_snr`, or every gradient is 0.
        ConfigError: n is below 1.
    """
    n = option("descent_weights", "n", n, 1.0, np.inf)
    mean, variance = _moments("descent_weights", gradients)
    drop = mean**2 + variance / n
    if not drop.sum() > 0:
        problem = Problem("every gradient is zero", "gradients", fix="take them before training has converged")
        raise DataError("descent_weights", [problem])
    return drop / drop.sum()


def generalization_ratio(snr: Any, n: float, weights: Any = None) -> float:
    """One-step generalisation ratio: expected drop in test loss over that in training loss, of one small step.

    R = 1 - (1 / n) sum_j W_j / (r_j + 1 / n): one where gradients agree, zero where they are noise.

    Args:
        snr: (parameters,) ratios r_j of single examples.
        n: examples in the training set.
        weights: (parameters,) W_j, scaled to sum to 1; equal unless given. `descent_weights` has those of plain
            gradient descent.

    Raises:
        DataError: a ratio or a weight is negative or NaN, or shapes differ.
        ConfigError: n is below 1.

    Source: as `gradient_snr`; equation 5 of Jiang et al.
    """
    n = option("generalization_ratio", "n", n, 1.0, np.inf)
    ratio = as_floats("generalization_ratio", "snr", snr)
    certain = np.isposinf(ratio)
    given = np.ones(ratio.shape) if weights is None else weights
    ratio, given = numbers("generalization_ratio", snr=np.where(certain, 0.0, ratio), weights=given)
    if (ratio < 0).any() or (given < 0).any() or not given.sum() > 0:
        problem = Problem("a negative ratio or weight, or no weight at all", expected="values from zero")
        raise DataError("generalization_ratio", [problem])
    lost = np.where(certain, 0.0, 1.0 / (ratio * n + 1.0))
    return float(1.0 - np.sum(given / given.sum() * lost))


def step_scales(snr: Any, floor: float = 0.1) -> np.ndarray:
    """Factors on the learning rate of one layer's parameters: their ratio over the layer's mean, between floor and 1.

    Args:
        snr: (parameters,) finite ratios of one layer.
        floor: the smallest factor.

    Returns:
        (parameters,); all 1 where no parameter of the layer has a signal.

    Raises:
        DataError: a ratio is negative or not finite.
        ConfigError: the floor is not between 0 and 1.

    Source: Jiang et al. 2023, arXiv 2309.13681: variance-reduced gradient descent.
    """
    floor = option("step_scales", "floor", floor, 0.0, 1.0)
    (ratio,) = numbers("step_scales", snr=snr)
    if (ratio < 0).any():
        raise DataError("step_scales", [Problem("a negative ratio", "snr", expected="values from zero")])
    mean = ratio.mean()
    return np.clip(ratio / mean, floor, 1.0) if mean > 0 else np.ones_like(ratio)


def _moments(source: str, gradients: Any) -> tuple[np.ndarray, np.ndarray]:
    (values,) = numbers(source, ndim=2, gradients=gradients)
    if len(values) < 2:
        problem = Problem("one sample has no variance", "gradients", got="1 row", expected="two or more",
                          fix="give gradients of single examples, or of several devices")  # fmt: skip
        raise DataError(source, [problem])
    return values.mean(axis=0), values.var(axis=0)
