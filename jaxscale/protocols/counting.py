"""Two ways to count parameters, with the embeddings and without, and what passing between them does to exponents."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxscale.protocols.columns import numbers, option

OMEGA = 47491.0


def total_params(nonembedding: Any, omega: float = OMEGA) -> Any:
    """All parameters of a model whose count leaves the embeddings out: N + omega N^(1/3).

    Where the shapes are known, `jaxscale.decide.family.Family.convert` counts them exactly.

    Args:
        nonembedding: parameters without embeddings, positive, of any shape.
        omega: from vocabulary, context and shape; 47491 is a fit to the Chinchilla models. It is of the family of
            models: fit it where both counts of your own are known.

    Returns:
        Parameters, float64 of the same shape.

    Raises:
        DataError: a count is not positive.
        ConfigError: omega is negative.

    Source: Pearce & Song 2024, Reconciling Kaplan and Chinchilla Scaling Laws, arXiv 2406.12907.
    """
    n, omega = _checked("total_params", nonembedding, omega)
    return (n + omega * np.cbrt(n))[()]


def nonembedding_params(total: Any, omega: float = OMEGA) -> Any:
    """Back from all parameters to those without embeddings: the one root of y^3 + omega y = total, cubed.

    Args and errors as in `total_params`; the round trip holds to about 1e-15 of the count.
    """
    t, omega = _checked("nonembedding_params", total, omega)
    if omega == 0.0:
        return t[()]
    # the hyperbolic form of the cubic's root has no difference of large numbers in it
    unit = np.sqrt(omega / 3.0)
    y = 2.0 * unit * np.sinh(np.arcsinh(t / (2.0 * unit**3)) / 3.0)
    # one step of Newton's method takes out what sinh and arcsinh rounded
    y -= (y**3 + omega * y - t) / (3.0 * y**2 + omega)
    return (y**3)[()]


def counting_slope(nonembedding: Any, omega: float = OMEGA) -> Any:
    """d log(total) / d log(nonembedding): a third for small models, one for large ones.

    A power law in one count has, in the other, an exponent that drifts: N_total ~ C^a is locally
    N_nonembedding ~ C^(a / slope). Fits below some 1e8 parameters therefore read a too steep exponent.

    Args and errors as in `total_params`.
    """
    n, omega = _checked("counting_slope", nonembedding, omega)
    extra = omega * np.cbrt(n)
    return ((n + extra / 3.0) / (n + extra))[()]


def _checked(source: str, count: Any, omega: float) -> tuple[np.ndarray, float]:
    (values,) = numbers(source, "positive", ndim=None, params=count)
    return values, option(source, "omega", omega, 0.0, np.inf)
