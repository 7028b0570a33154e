"""Does a benchmark tell models apart? The spread between models against the scatter of one model's last checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import as_floats, numbers


def relative_dispersion(scores: Any) -> float:
    """Signal: the largest difference between two models' scores over the mean score.

    Args:
        scores: (models,) final scores or losses, positive in the mean.

    Raises:
        DataError: fewer than two models, or a mean that is not positive.

    Source: Heineman et al. 2025, Signal and Noise, arXiv 2508.13144, section 3.
    """
    (scores,) = numbers("relative_dispersion", least=2, scores=scores)
    return float(np.ptp(scores) / _positive_mean("relative_dispersion", scores))


def relative_sd(checkpoints: Any) -> Any:
    """Noise: the standard deviation of a model's last checkpoints over their mean.

    Training moves the score too: take few checkpoints, late ones. The sample deviation (n - 1) is used; with the
    population's, as some code has it, five checkpoints read 11 % less.

    Args:
        checkpoints: (checkpoints,) scores of one model, or (models, checkpoints).

    Returns:
        A float, or (models,).

    Raises:
        DataError: fewer than two checkpoints, or a mean that is not positive.

    Source: as `relative_dispersion`.
    """
    values = as_floats("relative_sd", "checkpoints", checkpoints)
    if values.ndim not in (1, 2) or values.shape[-1] < 2:
        problem = Problem("no checkpoints to compare", "checkpoints", got=f"shape {values.shape}",
                          expected="(checkpoints,) or (models, checkpoints), two checkpoints or more")  # fmt: skip
        raise DataError("relative_sd", [problem])
    (values,) = numbers("relative_sd", ndim=None, checkpoints=values)
    noise = values.std(axis=-1, ddof=1) / _positive_mean("relative_sd", values)
    return float(noise) if values.ndim == 1 else noise


def signal_to_noise(scores: Any, checkpoints: Any) -> float:
    """Relative dispersion of the models over the relative deviation of checkpoints.

    Args:
        scores: (models,) final scores.
        checkpoints: (checkpoints,) late scores of one model, or (models, checkpoints), whose noises are averaged.

    Returns:
        Signal over noise; inf where the checkpoints do not scatter, NaN where the models do not differ either.

    Raises:
        DataError: as `relative_dispersion` and `relative_sd`.

    Source: as `relative_dispersion`.
    """
    signal, noise = relative_dispersion(scores), float(np.mean(relative_sd(checkpoints)))
    if noise == 0.0:
        return float("inf") if signal > 0 else float("nan")
    return signal / noise


def decision_accuracy(small: Any, large: Any) -> float:
    """Share of pairs of recipes that small models rank as large ones do; a tie on one side counts half.

    Without ties it is (tau + 1) / 2, tau being Kendall's. A half is what guessing gives.

    Args:
        small: (recipes,) scores at the small scale; of losses, both sides.
        large: (recipes,) scores at the large scale.

    Raises:
        DataError: fewer than two recipes, or shapes differ.

    Source: as `relative_dispersion`.
    """
    small, large = numbers("decision_accuracy", least=2, small=small, large=large)
    first, second = np.triu_indices(len(small), k=1)
    left, right = np.sign(small[first] - small[second]), np.sign(large[first] - large[second])
    alike = np.where(left == right, 1.0, np.where((left == 0) | (right == 0), 0.5, 0.0))
    return float(alike.mean())


def _positive_mean(source: str, values: np.ndarray) -> np.ndarray:
    mean = values.mean(axis=-1)
    if not np.all(mean > 0):
        problem = Problem("a mean that is not positive", got=str(np.min(mean)), expected="a positive mean score",
                          fix="flip the metric: a relative spread needs a zero that means something")  # fmt: skip
        raise DataError(source, [problem])
    return mean
