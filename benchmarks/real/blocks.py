"""Counts at several k that share no sample, from the samples and the correct ones of each problem."""

from __future__ import annotations

import numpy as np
import pandas as pd

SHARE = 4  # the largest block takes at most this part of a problem's samples


def block_sizes(samples: int) -> list[int]:
    """Powers of two, from 1 to a quarter of the samples, in ascending order."""
    return [2**i for i in range(int(np.log2(max(1, samples // SHARE))) + 1)]


def independent_blocks(samples: np.ndarray, correct: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Deal every problem's samples into disjoint blocks; a block of k solves its problem with one correct sample.

    All problems are dealt as many samples as the one that has fewest, so that each has the same weight at every k,
    and every k gets about an equal share of them. Which of a problem's blocks hold its correct samples is drawn from
    the multivariate hypergeometric distribution; given the problems, counts at different k are independent.

    Args:
        samples: (problems,) samples drawn of each.
        correct: (problems,) correct ones.
        rng: deals.

    Returns:
        Columns k, solved and trials (blocks over all problems).
    """
    fewest = int(samples.min())
    sizes, left, dealt = block_sizes(fewest), fewest, {}
    for i, k in enumerate(reversed(sizes)):
        dealt[k] = max(1, left // (len(sizes) - i) // k)
        left -= dealt[k] * k
    blocks = np.repeat(sizes, [dealt[k] for k in sizes])
    place = np.repeat(np.arange(len(sizes)), [dealt[k] for k in sizes])
    solved = np.zeros(len(sizes), dtype=int)
    for n, c in zip(samples.astype(int), correct.astype(int), strict=True):
        if c:
            hits = rng.multivariate_hypergeometric([*blocks, n - blocks.sum()], c, method="marginals")[:-1]
            solved += np.bincount(place[hits > 0], minlength=len(sizes))
    return pd.DataFrame({"k": sizes, "solved": solved, "trials": [dealt[k] * len(samples) for k in sizes]})
