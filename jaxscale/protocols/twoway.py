"""A score by two sizes, that of pre-training and that of fine-tuning: which of them is it made of?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxscale.errors import DataError, Problem
from jaxscale.protocols.columns import numbers

WORST = 1e6  # condition number of the scaled design beyond which the two effects are one


@dataclass(frozen=True)
class TwoWay:
    """score = level + first_effect ln(first) + second_effect ln(second), sizes over their geometric means.

    Attributes:
        level, first_effect, second_effect: coefficients, in units of the score (and per unit of log size).
        sd: their standard errors, in that order; NaN of three cells, which leave no scatter.
        centre: the geometric means of the sizes.
        residual_sd: scatter about the plane. Much of it says that the effects are not additive in logs.
    """

    level: float
    first_effect: float
    second_effect: float
    sd: tuple[float, float, float]
    centre: tuple[float, float]
    residual_sd: float


def two_way(score: Any, first: Any, second: Any) -> TwoWay:
    """Split a score over a grid of (pre-training size, fine-tuning size) into one effect of each, in logs.

    Args:
        score: (cells,) any score, best unbounded such as log odds.
        first: (cells,) pre-training sizes, positive.
        second: (cells,) fine-tuning sizes, positive.

    Returns:
        A TwoWay.

    Raises:
        DataError: fewer than three cells, sizes that move together, or a value that cannot be used.

    Source: ours; the question is that of Mitchell et al. 2023, An Emulator for Fine-Tuning, arXiv 2310.12962, which
    mixes two sizes while decoding and fits no curve.
    """
    (score,) = numbers("two_way", least=3, score=score)
    first, second = numbers("two_way", "positive", least=3, first=first, second=second)
    numbers("two_way", score=score, first=first, second=second)
    logs = np.stack([np.log(first), np.log(second)], axis=1)
    middle = logs.mean(axis=0)
    design = np.column_stack([np.ones(len(score)), logs - middle])
    scale = np.maximum(np.sqrt(np.mean(design**2, axis=0)), 1e-300)
    if np.linalg.cond(design / scale) > WORST:
        problem = Problem("the two sizes move together, or one never changes", "first, second",
                          fix="add cells with a large first and a small second size")  # fmt: skip
        raise DataError("two_way", [problem])
    inverse = np.linalg.inv(design.T @ design)
    found = inverse @ design.T @ score
    free = len(score) - 3
    variance = float(np.sum((score - design @ found) ** 2) / free) if free else float("nan")
    sd = np.sqrt(variance * np.diag(inverse))
    level, effect, other = (float(v) for v in found)
    errors, centre = (float(sd[0]), float(sd[1]), float(sd[2])), np.exp(middle)
    return TwoWay(level, effect, other, errors, (float(centre[0]), float(centre[1])), float(np.sqrt(variance)))
