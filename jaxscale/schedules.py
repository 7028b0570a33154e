"""Learning-rate schedules: builders, and the columns that laws of the schedule take.

A schedule is an array of learning rates, `lr[k - 1]` being that of optimiser step k. Of it and the steps at which
the loss was measured, `prepare` makes

    forward_area, annealing_area            for `lr_annealing`
    lr_sum, lr_drop:j, lr_at:j, lr_after:j  for `multi_power`

so that a table to fit is `pd.DataFrame(prepare(lr, steps) | {"loss": loss})`, and a schedule that nobody has run is
judged by `fit.predict(pd.DataFrame(prepare(lr, [len(lr)])))`. Pure NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from jaxscale.errors import ConfigError

NODES = 64  # of the sum over a schedule's steps: the length of multi_power's vectors
DECAY = 0.999  # of the momentum of annealing, lambda; the constant C of lr_annealing is proportional to 1 - lambda
LEAST = 1e-6  # of the peak: a learning rate of zero is taken for this, which changes no loss that can be measured
ROUNDING = 1e-12  # of the peak: a smaller step of the learning rate is none
LR_SHARE = 0.5  # of a move of log lr beside one of log after: the law raises it to gamma, about a half
JUMP = 1.0  # a step along which the logarithms go further is no part of a smooth path
LEAST_ROOM = 8  # groups to be had beyond those that turns and jumps make


# ---- builders --------------------------------------------------------------------------------------


def constant(peak: float, steps: int, warmup: int = 0) -> np.ndarray:
    """A constant learning rate after a linear warm-up, which reaches the peak at step `warmup`; (steps,)."""
    k = np.arange(1, steps + 1)
    return peak * np.minimum(1.0, k / max(warmup, 1))


def cosine(peak: float, steps: int, warmup: int = 0, final: float = 0.0) -> np.ndarray:
    """Half a cosine from the peak at the end of the warm-up to `final` at the last step; (steps,)."""
    done = _done(steps, warmup)
    return np.where(
        done > 0, final + (peak - final) * 0.5 * (1.0 + np.cos(np.pi * done)), constant(peak, steps, warmup)
    )


def wsd(
    peak: float, steps: int, warmup: int = 0, decay: int = 0, final: float = 0.0, shape: str = "linear"
) -> np.ndarray:
    """Warm-up, stable, decay: the last `decay` steps go from the peak to `final`; (steps,).

    Args:
        peak, steps, warmup: as in `constant`.
        decay: steps of the decay.
        final: learning rate of the last step; above zero for an exponential decay.
        shape: "linear" or "exponential".
    """
    if shape not in ("linear", "exponential"):
        raise ConfigError(f"no decay is called {shape!r}; there are 'linear' and 'exponential'")
    if shape == "exponential" and not final > 0:
        raise ConfigError("an exponential decay never reaches 0; give final=, such as a tenth of the peak")
    done = _done(steps, steps - decay)
    down = peak + (final - peak) * done if shape == "linear" else peak * (final / peak) ** done
    return np.where(done > 0, down, constant(peak, steps, warmup))


def _done(steps: int, start: int) -> np.ndarray:
    """Share of the way from step `start` to the last one, 0 before it."""
    return np.maximum(0.0, (np.arange(1, steps + 1) - start) / max(steps - start, 1))


# ---- columns ---------------------------------------------------------------------------------------


def prepare(
    lr: Sequence[float] | np.ndarray,
    steps: Sequence[int] | np.ndarray,
    warmup: int | None = None,
    decay: float = DECAY,
) -> dict[str, np.ndarray]:
    """The columns of `lr_annealing` and `multi_power` at some steps of one schedule.

    Args:
        lr: learning rate of every optimiser step, the warm-up's too; it may go on beyond the last of `steps`.
        steps: steps after which the loss was measured, from 1.
        warmup: steps of the warm-up; by default those before the first that has the largest learning rate.
        decay: lambda of `lr_annealing`.

    Returns:
        Column -> one value a step, in the order of `steps`.

    Raises:
        ConfigError: a learning rate that is negative or no number, a step that the schedule does not have, or more
            turns than NODES can tell apart.
    """
    lr, at = _checked(lr, steps)
    return areas(lr, at, warmup, decay) | gaps(lr, at)


def areas(
    lr: Sequence[float] | np.ndarray,
    steps: Sequence[int] | np.ndarray,
    warmup: int | None = None,
    decay: float = DECAY,
) -> dict[str, np.ndarray]:
    """The two areas of `lr_annealing`, as its authors' script computes them. Arguments as in `prepare`.

    The learning rate of the warm-up is replaced by the peak in both. The forward area is the sum of the learning
    rates; the annealing area sums m_i = lambda m_(i-1) + lr_(i-1) - lr_i over the steps.
    """
    lr, at = _checked(lr, steps)
    warmup = int(np.argmax(lr)) if warmup is None else warmup
    flat = lr.copy()
    flat[:warmup] = lr.max()
    drops = -np.diff(flat, prepend=flat[0])
    momentum = np.array(list(accumulate(drops.tolist(), lambda m, drop: decay * m + drop)))
    return {"forward_area": np.cumsum(flat)[at - 1], "annealing_area": np.cumsum(momentum)[at - 1]}


def gaps(lr: Sequence[float] | np.ndarray, steps: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
    """The columns of `multi_power`: the sum of learning rates, and its sum over steps with NODES terms.

    The law sums, over every step k so far, the drop lr_(k-1) - lr_k times a smooth function of lr_k and of the
    learning rates summed from k on. Neighbouring steps are grouped, and each group is replaced by the two nodes of
    its Gauss quadrature, which costs less than 1e-5 of loss (1e-4 with five cosine cycles in a row, 1e-3 with
    eight). The warm-up belongs to the sum, from a learning rate of zero, and its rises count as negative drops.
    Nodes that are not needed have a drop of zero.

    Args:
        lr, steps: as in `prepare`.

    Returns:
        "lr_sum" and, for j below NODES, "lr_drop:j", "lr_at:j" and "lr_after:j".
    """
    lr, at = _checked(lr, steps)
    least = LEAST * lr.max()
    total = np.concatenate([[0.0], np.cumsum(lr)])
    drops = -np.diff(lr, prepend=0.0)
    moved = np.flatnonzero(np.abs(drops) > ROUNDING * lr.max())
    drop, log_lr = drops[moved], np.log(np.maximum(lr[moved], least))
    nodes = np.empty((len(at), 3, NODES))
    nodes[:] = np.array([0.0, lr.max(), lr.max()])[:, None]
    for row, step in zip(nodes, at, strict=True):
        n = int(np.searchsorted(moved, step))
        if not n:
            continue
        log_after = np.log(np.maximum(total[step] - total[moved[:n]], LEAST * least))
        found = _nodes(drop[:n], log_lr[:n], log_after)
        row[:, : found.shape[1]] = found
    columns = {"lr_sum": total[at]}
    for i, name in enumerate(("lr_drop", "lr_at", "lr_after")):
        columns |= {f"{name}:{j}": nodes[:, i, j] for j in range(NODES)}
    return columns


def _checked(lr: Sequence[float] | np.ndarray, steps: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rates, at = np.asarray(lr, dtype=np.float64), np.asarray(steps)
    if rates.ndim != 1 or not len(rates) or not np.all(np.isfinite(rates) & (rates >= 0)) or not rates.max() > 0:
        raise ConfigError("a schedule is one row of learning rates, one an optimiser step, none of them below zero")
    if at.ndim != 1 or np.any(at != at.astype(np.int64)):
        raise ConfigError("steps are whole numbers in one row")
    if len(at) and (at.min() < 1 or at.max() > len(rates)):
        raise ConfigError(f"steps from {at.min():g} to {at.max():g}; the schedule has steps 1 to {len(rates)}")
    return rates, at.astype(np.int64)


def _nodes(drop: np.ndarray, log_lr: np.ndarray, log_after: np.ndarray) -> np.ndarray:
    """Drops, learning rates and sums of the nodes that stand for (n,) steps; (3, at most NODES).

    Along the steps the law's function changes with the length of the path that log lr and log after go together,
    and on that path it is smooth where the learning rate only falls or only rises.
    """
    weight = np.abs(drop)
    move_lr, move_after = (np.abs(np.diff(v, prepend=v[:1])) for v in (log_lr, log_after))
    length = LR_SHARE * move_lr + move_after
    path = np.cumsum(length)
    which = _groups(drop, length)
    used, which = np.unique(which, return_inverse=True)
    mass = np.bincount(which, weight)
    middle = np.bincount(which, weight * path) / mass
    off = path - middle[which]
    second, third = (np.bincount(which, weight * off**power) / mass for power in (2, 3))
    # nodes are the roots of z^2 - skew z - second: they keep mass, mean and the two moments after
    skew = third / np.maximum(second, 1e-30)
    root = np.sqrt(skew**2 + 4.0 * np.maximum(second, 1e-30))
    low, high = 0.5 * (skew - root), 0.5 * (skew + root)
    sign = np.zeros(len(used))
    sign[which] = np.sign(drop)
    at = np.concatenate([middle + low, middle + high])
    drops = np.concatenate([sign * mass * high / root, -sign * mass * low / root])
    return np.stack([drops, np.exp(np.interp(at, path, log_lr)), np.exp(np.interp(at, path, log_after))])


def _groups(drop: np.ndarray, length: np.ndarray) -> np.ndarray:
    """A number a step, equal for steps of one group; at most NODES / 2 groups, none of them across a turn or a jump.

    A group's error grows as its mass times the fourth power of its length, so that equal errors mean groups that
    are shorter where there is more to sum, by about the fourth root.
    """
    breaks = (np.diff(np.sign(drop), prepend=np.sign(drop[:1])) != 0) | (length > JUMP)
    room = NODES // 2 - int(breaks.sum())
    if room < LEAST_ROOM:
        raise ConfigError(
            f"the learning rate turns or jumps {breaks.sum()} times; {NODES} nodes serve at most "
            f"{NODES // 2 - LEAST_ROOM}"
        )
    worth = np.where(breaks, 0.0, np.sqrt(length * np.sqrt(length * np.abs(drop))))
    done = np.cumsum(worth) / max(worth.sum(), 1e-300)
    return np.cumsum(breaks) + np.minimum((done * room).astype(int), room - 1)
