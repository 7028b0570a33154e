"""The tables that two engines are compared on: one a family of laws, one a kind of noise, and three of real runs.

Simulated ones follow their law at the middle of its priors, at an even fill of 3.5 decades of each input (or of what an
input may be). Their scatter is made with NumPy alone, as the noise believes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale.batch import Lane, lane_of, table_of
from jaxscale.contract.bench import Bench, design
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runtime import at_the_door

ROWS, RUNS, POINTS = 50, 10, 6  # rows of a table; runs and checkpoints of each where rows are checkpoints
SD = 0.01  # of the scatter: of the logarithm, or on the raw scale over the response's scale
TRIALS, CONCENTRATION = 400, 200.0
PROBES = (-0.5, 0.0, 0.5)  # flat vectors, all entries alike, at which a posterior is told from another


@dataclass(frozen=True)
class Case:
    """One table with the law and the noise that it is fitted with.

    Attributes:
        law: its name.
        noise: its name; None for the law's own.
        dataset: of a real table, what `js.datasets.load` takes; empty of a simulated one.
        options: of a real table, what else `load` takes.
    """

    law: str
    noise: str | None = None
    dataset: str = ""
    options: Mapping[str, Any] | None = None

    @property
    def seed(self) -> int:
        """Of the scatter."""
        return zlib.crc32(f"{self.law} {self.noise}".encode())

    def runs(self) -> js.Runs:
        """The table.

        Raises:
            ConfigError: a real table is not at hand.
        """
        return js.datasets.load(self.dataset, **(self.options or {})) if self.dataset else _simulated(self)

    @property
    def made(self) -> dict[str, Any]:
        """How, for people and files."""
        from_ = {"dataset": self.dataset, **(self.options or {})} if self.dataset else {"seed": self.seed}
        return {"law": self.law, "noise": Model(*_pair(self)).noise.spec, **from_}


LAWS = (
    "chinchilla", "coupled", "su_trajectory", "multi_power", "mixing_law_exp", "coverage_exp_power", "densing_two_step",
    "routed_moe", "precision_ptq", "data_constrained", "bnsl", "almr_lr", "bordelon", "nmt_bivariate",
    "capacity_gap_linear", "lv_saturating_power", "transfer_effective_data", "merging_floor_tail", "rl_sigmoid",
    "moe_sparsity", "precision",
)  # fmt: skip
NOISES = ("outliers", "frontier", "heteroscedastic", "known_sd", "checkpoints")
GADRE = {"columns": {"loss": "loss_c4_val"}, "where": "dataset == 'c4_original'"}
SFT = {"where": "dataset == 'flan' and base_model == 'gpt2' and finetune_examples >= 200", "group": None}
CASES: Mapping[str, Case] = {
    "chinchilla_epoch": Case("chinchilla", dataset="chinchilla_epoch"),
    "gadre_overtraining": Case("gadre", dataset="gadre_overtraining", options=GADRE),
    "sft_rectified": Case("rectified_ft", dataset="sft_rectified", options=SFT),
    **{noise: Case("chinchilla", noise) for noise in NOISES},
    "beta_binomial": Case("coverage_exp_power", "beta_binomial"),
    "beta": Case("rl_sigmoid", "beta"),
    **{law: Case(law) for law in LAWS},
}


def _pair(case: Case) -> tuple[js.Law, Any]:
    law = js.get_law(case.law)
    return law, get_noise(case.noise, law.response)


@at_the_door
def posterior(case: Case, runs: js.Runs) -> tuple[Model, Lane]:
    """The density's model and its lane, without padding."""
    law, noise = _pair(case)
    table = table_of(runs, law, noise)
    return Model(law, noise), lane_of(table, noise, len(table))


@at_the_door
def fingerprint(case: Case, runs: js.Runs) -> list[float]:
    """Log density at PROBES: what another table, prior or parametrisation would change."""
    model, lane = posterior(case, runs)
    return [float(model.log_density(jnp.full(model.size, at), lane)) for at in PROBES]


@cache
@at_the_door
def _simulated(case: Case) -> js.Runs:
    law, noise = _pair(case)
    bench, rng = Bench(law, seed=0), np.random.default_rng(case.seed)
    x = {s: v[:ROWS] for s, v in design(bench).items()}
    frame, run = pd.DataFrame(law.by_column(bench.inputs(x))), np.arange(ROWS)
    if case.noise == "checkpoints":
        frame, run = _checkpoints(frame)
        x = {s: np.log(frame[v.column].to_numpy() / v.per) for s, v in law.inputs.items()}
    centre = {s: v.mean() if law.inputs[s].axis == "log" else 0.0 for s, v in x.items()}
    lane = {"centre": centre, "scale": np.asarray(bench.scale)}
    middle = bench.model.coordinates(jnp.asarray(np.median(bench.u, axis=0)))
    truth = bench.only(bench.model.parameters(middle, lane))
    mean = np.asarray(law(*bench.inputs(x).values(), **truth))
    frame = frame.assign(run=run, **{law.response.column: mean})
    return js.Runs(SCATTERS.get(noise.name, _even)(rng, frame, law, noise.on == "log"))


def _checkpoints(frame: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """The first runs, each at shares of its tokens, and the number of each row's run."""
    share = np.tile(np.geomspace(0.05, 1.0, POINTS), RUNS)
    run = np.repeat(np.arange(RUNS), POINTS)
    frame = frame.iloc[run].reset_index(drop=True)
    return frame.assign(tokens=frame["tokens"] * share), run


# ---- scatter: (generator, frame with the mean in the response's column, law, on the log scale) -> frame ----------

Scatter = Callable[[np.random.Generator, pd.DataFrame, js.Law, bool], pd.DataFrame]


def _moved(frame: pd.DataFrame, law: js.Law, error: np.ndarray, logs: bool) -> pd.DataFrame:
    mean, scale = frame[law.response.column], law.response.scale or float(np.median(frame[law.response.column]))
    y = mean * np.exp(error) if logs else mean + scale * error
    return frame.assign(**{law.response.column: y.clip(0.0, 1.0) if law.response.support == "unit" else y})


def _even(rng, frame, law, logs):
    return _moved(frame, law, SD * rng.standard_normal(len(frame)), logs)


def _outliers(rng, frame, law, logs):
    wide = np.where(rng.random(len(frame)) < 0.08, 10.0, 1.0)
    return _moved(frame, law, SD * wide * rng.standard_normal(len(frame)), logs)


def _frontier(rng, frame, law, logs):
    lag = np.where(rng.random(len(frame)) < 0.2, rng.exponential(8 * SD, len(frame)), 0.0)
    return _moved(frame, law, lag + SD * rng.standard_normal(len(frame)), logs)


def _uneven(rng, frame, law, logs):
    size = frame["params"] * frame["tokens"]
    sd = SD * (size / np.exp(np.log(size).mean())) ** -0.1
    return _moved(frame, law, sd.to_numpy() * rng.standard_normal(len(frame)), logs)


def _known(rng, frame, law, logs):
    sd = SD * rng.uniform(0.5, 2.0, len(frame))
    error = 0.3 * SD * rng.standard_normal(len(frame)) + sd * rng.standard_normal(len(frame))
    return _moved(frame.assign(loss_sd=sd * frame["loss"]), law, error, logs)


def _shared(rng, frame, law, logs):
    error = SD * rng.standard_normal(RUNS)[frame["run"]] + 0.2 * SD * rng.standard_normal(len(frame))
    return _moved(frame, law, error, logs)


def _score(rng, frame, law, logs):
    p = frame[law.response.column].to_numpy()
    return frame.assign(**{law.response.column: rng.beta(CONCENTRATION * p, CONCENTRATION * (1.0 - p))})


def _counts(rng, frame, law, logs):
    counts = rng.binomial(TRIALS, frame[law.response.column].to_numpy())
    return frame.assign(**{law.response.column: counts, law.response.trials: TRIALS})


def _uneven_counts(rng, frame, law, logs):
    return _counts(rng, _score(rng, frame, law, logs), law, logs)


SCATTERS: Mapping[str, Scatter] = {
    "outliers": _outliers, "frontier": _frontier, "heteroscedastic": _uneven, "known_sd": _known,
    "checkpoints": _shared, "beta": _score, "binomial": _counts, "beta_binomial": _uneven_counts,
}  # fmt: skip
