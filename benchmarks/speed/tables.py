"""Seeded tables to time on, in pure NumPy: the peers' environment makes the same ones as ours."""

from __future__ import annotations

import numpy as np

TRUTH = {"E": 1.82, "A": 482.0, "alpha": 0.348, "B": 2085.0, "beta": 0.366}
WIDE = (7.6, 10.2), (9.0, 12.0)  # decades of N and of D: the law's five parameters are all identified
NARROW = (8.6, 8.6 + np.log10(8)), (10.2, 11.2)  # N over a factor 8, D over a factor 10: only sums are
TAILS = 4  # degrees of freedom of the noise
DIRTY_SHARE, DIRTY_SCALE = 0.08, 0.1


def table(
    i: int, n: int, narrow: bool = False, sd: float | None = None, dirty: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Table `i` of `n` runs: parameters, tokens and loss.

    N and D are log-uniform; the log of the loss has Student-t noise of scale `sd` (0.01, or 0.02 where the design is
    narrow). A dirty table is the clean one of the same number with 8 % of its losses (at least one) raised by
    exp(0.1 |z|), z standard normal: a run that goes wrong ends too high, never too low.
    """
    rng = np.random.default_rng([i, n])
    size, tokens = (10 ** rng.uniform(*decades, n) for decades in (NARROW if narrow else WIDE))
    scale = sd if sd is not None else 0.02 if narrow else 0.01
    clean = TRUTH["E"] + TRUTH["A"] / size ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]
    loss = clean * np.exp(scale * rng.standard_t(TAILS, n))
    if dirty:
        broken = rng.choice(n, max(1, round(DIRTY_SHARE * n)), replace=False)
        loss[broken] *= np.exp(DIRTY_SCALE * np.abs(rng.standard_normal(len(broken))))
    return size, tokens, loss
