"""The tasks of ScaleBench: a pool of runs that may be bought, the costly region to forecast, and the laws to fit.

Data: arXiv 2604.22753, CC-BY-4.0, in the folder `scalebench` of JAXSCALE_DATA. Laws marked `Ours` are defined here,
where no paper's form takes the columns of the table.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pandas as pd

from jaxscale.batch import Table
from jaxscale.law import (
    LOSS,
    PARAMS,
    TOKENS,
    Law,
    Ours,
    Paper,
    Variable,
    exponent,
    floor,
    get_law,
    law,
    log,
    positive,
    term,
)
from jaxscale.laws.routed_moe import EXPERTS
from jaxscale.laws.vocab import BODY, UNIGRAM_LOSS

RATE = Variable("lr", "", "peak learning rate", span=(1e-6, 1.0))
BATCH = Variable("batch", "sequences", "sequences of a batch", span=(1.0, 1e6))
ENTRIES = Variable("vocab_size", "entries", "entries of the vocabulary", span=(1e2, 1e7))
CHARACTERS = Variable("characters", "characters", "training characters", span=(1e5, 1e16))
SIZE, SEEN, BATCHES, ENTRY = 19.5, 23.5, 5.3, 9.9  # logs of a middling size, of tokens, batch and vocabulary
DOMAINS = range(1, 6)
SHARES = (0.01, 0.05, 0.10)


TUNING = {
    "rate": dist.Normal(-6.5, 1.0),
    "rate_n": dist.Normal(-0.4, 0.4),
    "rate_d": dist.Normal(0.1, 0.4),
    "rate_b": dist.Normal(0.4, 0.3),
    "batch": dist.Normal(5.0, 1.0),
    "batch_n": dist.Normal(0.0, 0.3),
    "batch_d": dist.Normal(0.4, 0.3),
    "bend": positive(0.01, 1.0),
    "bend_n": dist.Normal(0.0, 0.3),
    "bend_d": dist.Normal(0.0, 0.3),
    "batch_bend": positive(0.005, 1.0),
    "batch_bend_n": dist.Normal(0.0, 0.3),
    "batch_bend_d": dist.Normal(0.0, 0.3),
}


def untuned(
    N, D, lr, b, *, rate, rate_n, rate_d, rate_b, batch, batch_n, batch_d,
    bend, bend_n, bend_d, batch_bend, batch_bend_n, batch_bend_d,
):  # fmt: skip
    """bend (ln lr - ln lr*)^2 + batch_bend (ln b - ln b*)^2.

    lr* is a power of N, D and b; b* and both bends are powers of N and D.
    """
    size, seen, batches = log(N) - SIZE, log(D) - SEEN, log(b) - BATCHES
    off = log(lr) - (rate + rate_n * size + rate_d * seen + rate_b * batches)
    off_batch = log(b) - (batch + batch_n * size + batch_d * seen)
    missed = bend * jnp.exp(bend_n * size + bend_d * seen) * off**2
    return missed + batch_bend * jnp.exp(batch_bend_n * size + batch_bend_d * seen) * off_batch**2


def _tuned(base: str):
    """A law of sizes and tokens, with what learning rate and batch miss added."""
    known = get_law(base)
    return law(
        inputs={"N": PARAMS, "D": TOKENS, "lr": RATE, "b": BATCH},
        response=LOSS,
        priors={**known.priors, **TUNING},
        linear=(*known.linear, "bend", "batch_bend"),
        source=Ours(inspired_by=f"{base}, with parabolas about the optima of step_law (arXiv 2503.04715)"),
    )


@_tuned("coupled")
def tuned_coupled(N, D, lr, b, *, E, A, alpha, B, beta, k, **tuning):
    """L = E + (A / N^alpha + B / D^beta)^k + what is missed for want of tuning."""
    return get_law("coupled").mean(N, D, E=E, A=A, alpha=alpha, B=B, beta=beta, k=k) + untuned(N, D, lr, b, **tuning)


@_tuned("kaplan_nd")
def tuned_kaplan(N, D, lr, b, *, Nc, aN, Dc, aD, **tuning):
    """L = ((Nc / N)^(aN / aD) + Dc / D)^aD + what is missed for want of tuning."""
    return get_law("kaplan_nd").mean(N, D, Nc=Nc, aN=aN, Dc=Dc, aD=aD) + untuned(N, D, lr, b, **tuning)


@law(
    inputs={"N": PARAMS, "E": EXPERTS},
    response=LOSS,
    priors={"e": floor(), "a": term({"N": "alpha", "E": "gamma"}), "alpha": exponent(), "gamma": exponent(median=0.1)},
    linear=("e", "a"),
    source=Paper("ScaleBench 2026", arxiv="2604.22753", where="first of the laws of the MoE task, in the paper's code"),
)
def moe_floor(N, E, *, e, a, alpha, gamma):
    """L(N, E) = e + a / (N^alpha E^gamma), of dense parameters and experts."""
    return e + a / (N**alpha * E**gamma)


@law(
    inputs={"N": BODY, "V": ENTRIES, "H": CHARACTERS},
    response=UNIGRAM_LOSS,
    priors={
        "E": positive(5.0, 0.4),
        "A": term("N", "alpha"),
        "alpha": exponent(),
        "G": term("V", "gamma"),
        "gamma": exponent(median=0.5),
        "B": term("H", "beta"),
        "beta": exponent(median=0.4),
        "delta": dist.Normal(0.0, 0.1),
    },
    linear=("E", "A", "G", "B"),
    source=Ours(inspired_by="vocab (arXiv 2407.13623), without the width of the embedding, which the table lacks"),
)
def vocab_entries(N, V, H, *, E, A, alpha, G, gamma, B, beta, delta):
    """L(N, V, H) = -E + A / N^alpha + G / V^gamma + B (V / 20000)^delta / H^beta, of entries V and characters H."""
    return -E + A / N**alpha + G / V**gamma + B * jnp.exp(delta * (log(V) - ENTRY)) / H**beta


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: of its folder.
        pool: runs that may be bought, columns named as the laws' inputs are.
        test: the region to forecast.
        cost: (pool,) of each run.
        shares: budgets, of the whole pool's cost.
        laws: names; each is fitted to every group and response by itself.
        responses: columns.
        group: the column that tells fits apart, or None.
    """

    name: str
    pool: pd.DataFrame
    test: pd.DataFrame
    cost: np.ndarray
    shares: tuple[float, ...]
    laws: tuple[str, ...]
    responses: tuple[str, ...]
    group: str = "group"

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups."""
        return tuple(map(str, self.pool[self.group].unique()))


@dataclass(frozen=True)
class _Recipe:
    columns: Mapping[str, str]
    cost: Callable[[pd.DataFrame], pd.Series]
    laws: tuple[str, ...]
    responses: tuple[str, ...] = ("loss",)
    shares: tuple[float, ...] = SHARES


def _training(t: pd.DataFrame) -> pd.Series:
    return 6.0 * t.params * t.tokens


RECIPES = {
    "data_constrained": _Recipe({}, _training, ("data_constrained", "chinchilla")),
    "lr_bsz": _Recipe(
        {"bsz": "batch", "data_size": "tokens", "non_embedding_param_size": "params", "lm_loss": "loss"},
        _training,
        ("tuned_coupled",),
    ),
    "moe": _Recipe(
        {"num_experts": "experts", "dense_parameter_count": "params", "loss_validation": "loss"},
        lambda t: t.params * t.experts,
        ("routed_moe", "moe_floor"),
    ),
    "parallel": _Recipe({"num_params": "params", "parallel_size": "streams"}, lambda t: t.params, ("parscale",)),
    "vocab": _Recipe(
        {
            "non_vocab_parameters": "params_non_vocab",
            "num_characters": "characters",
            "unigram_normalized_loss": "loss_u",
        },
        lambda t: 6.0 * t.params_non_vocab * t.characters,
        ("vocab_entries",),
        ("loss_u",),
    ),
    "domain_mixture": _Recipe(
        {f"proportion_domain_{j}": f"share_{j}" for j in DOMAINS},
        lambda t: pd.Series(1.0, t.index),
        ("mixing_law_exp:5", "regmix:5"),
        tuple(f"loss_domain_{j}" for j in DOMAINS),
        (0.20, 0.35, 0.50),
    ),
}


def load(name: str) -> Task:
    """A task by the name of its folder."""
    folder = Path(os.environ.get("JAXSCALE_DATA", "")) / "scalebench" / name
    if not folder.is_dir():
        raise SystemExit("JAXSCALE_DATA names no folder with scalebench in it")
    recipe = RECIPES[name]
    pool, test = (
        pd.read_csv(folder / f"{part}.csv").rename(columns=dict(recipe.columns)) for part in ("train", "test")
    )
    cost = recipe.cost(pool).to_numpy(float)
    return Task(name, pool, test, cost, recipe.shares, recipe.laws, recipe.responses)


def is_ours(name: str) -> bool:
    """Whether a law is not a paper's."""
    return isinstance(get_law(name).source, Ours)


def table(law: Law, frame: pd.DataFrame, response: str) -> Table:
    """The rows as the engine takes them."""
    x = {s: frame[v.column].to_numpy(float) / v.per for s, v in law.inputs.items()}
    y = frame[response].to_numpy(float)
    scale = law.response.scale if law.response.scale is not None else float(np.median(np.abs(y)))
    return Table(x, y, None, scale, (), {s: v.axis for s, v in law.inputs.items()})


def r2(observed: np.ndarray, forecast: np.ndarray) -> float:
    """Share of the variance explained, not less than -1, at which the published table stops too."""
    if not np.isfinite(forecast).all():
        return -1.0
    return max(-1.0, 1.0 - float(np.sum((observed - forecast) ** 2) / np.sum((observed - observed.mean()) ** 2)))
