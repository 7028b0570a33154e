"""Intrinsic dimension: of a task's solutions, measured; and what a dimension of the data says of exponents."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.protocols.columns import numbers, option


def intrinsic_dimension(dimensions: Any, scores: Any, baseline: float, share: float = 0.9) -> float:
    """The smallest random subspace, of those trained, in which a network reaches a share of its full score.

    Args:
        dimensions: (n,) dimensions of the subspaces, positive.
        scores: (n,) scores reached in them, higher being better.
        baseline: positive score of the network trained in all its parameters.
        share: of the baseline, 0.9 in the paper.

    Returns:
        A dimension; NaN where none reaches the share. The truth lies between it and the next smaller one trained.

    Raises:
        DataError: a value cannot be used, or shapes differ.
        ConfigError: the share or the baseline is outside its limits.

    Source: Li et al. 2018, Measuring the Intrinsic Dimension of Objective Landscapes, arXiv 1804.08838.
    """
    baseline = option("intrinsic_dimension", "baseline", baseline, np.finfo(np.float64).tiny, np.finfo(np.float64).max)
    share = option("intrinsic_dimension", "share", share, 1e-6, 1.0)
    (dimensions,) = numbers("intrinsic_dimension", "positive", dimensions=dimensions)
    dimensions, scores = numbers("intrinsic_dimension", dimensions=dimensions, scores=scores)
    enough = dimensions[scores >= share * baseline]
    return float(enough.min()) if len(enough) else float("nan")


def resolution_exponent(dimension: Any, order: float = 4.0) -> Any:
    """Exponent that a data manifold of this dimension leads one to expect where resolution limits the loss: order / d.

    A centre for a prior, no more: `exponent(median=resolution_exponent(12))`. The dimension is that of the data, not
    the one that `intrinsic_dimension` measures of the solutions.

    Args:
        dimension: positive dimensions of the data, of any shape.
        order: 4 for networks that interpolate piecewise linearly under a squared loss, 2 as the general lower bound.

    Raises:
        DataError: a dimension is not positive.
        ConfigError: the order is not positive.

    Source: Bahri et al. 2021, Explaining Neural Scaling Laws, arXiv 2102.06701.
    """
    order = option("resolution_exponent", "order", order, 1e-6, 100.0)
    (d,) = numbers("resolution_exponent", "positive", ndim=None, dimension=dimension)
    return (order / d)[()]
