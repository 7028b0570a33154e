"""Simulation-based calibration of one law under one noise at one design, through the real batch engine.

Truths come from the priors of law and noise, data from the model, and `fit_many` fits them: the truth's rank among
thinned posterior draws must be uniform, for every coordinate, for the curve at 3, 10 and 100 times the compute of the
design's largest run, and for the log-likelihood, which sees data that parameters alone do not: an engine that returns
its prior passes for every parameter.

A truth whose data no table may hold (a score above 1) is drawn again with its data, and a fit that the engine refuses
is counted apart. Ranks are uniform given either, for neither looks at the truth: they say that the intervals which
are printed are right, and the share of accepted fits says how often one is.
"""

from __future__ import annotations

import dataclasses
import functools
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale.batch import lane_of, rows_for, table_of
from jaxscale.calibration import p_value, ranks
from jaxscale.contract.bench import Bench, design
from jaxscale.law import Law
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door

FARTHER = (3.0, 10.0, 100.0)  # times the compute of the largest run
TRIALS = 400.0
TRIES = 500  # of a truth whose data are possible
LARGEST = 1e200  # of a response
SD = 0.01  # of a measurement, where the noise wants to know it: relative, or of the response's scale
CHECKPOINTS = 5  # of a run, where the noise wants to know the run
WITH_COMPUTE = {"params": 0.5, "tokens": 0.5, "flops": 1.0, "compute": 1.0, "examples": 0.5, "samples": 1.0}  # powers


@dataclass(frozen=True)
class Setting:
    """What is simulated and how it is fitted.

    Attributes:
        law: its name.
        noise: its name; the response's own by default.
        rows: runs of each table; as many as the law asks for by default. Never a full bucket, so that some rows pad.
        priors: as those of `fit_many`.
        method, draws: of `fit_many`.
        ranked: draws that a truth is ranked among, thinned from `draws`.
    """

    law: str = "chinchilla"
    noise: str | None = None
    rows: int | None = None
    priors: Mapping[str, Any] = field(default_factory=dict, hash=False)
    method: str = "auto"
    draws: int = 4000
    ranked: int = 99

    @property
    def name(self) -> str:
        """For people and files; it also seeds what is simulated, so that laws do not share their luck."""
        rows = "" if self.rows is None else f".{self.rows}"
        return f"{self.law.replace(':', '_')}.{(self.noise or 'default').replace('/', '_')}{rows}"

    @property
    def says(self) -> str:
        """All of it, alike in every process: of other priors only whose they are, for theirs is an address."""
        return f"{dataclasses.replace(self, priors={})}{''.join(f' {p}' for p in sorted(self.priors))}"


@dataclass(frozen=True)
class Ranks:
    """What came of some simulations.

    Attributes:
        names: (quantities,) coordinates by parameter, "curve 3x", ..., "log-likelihood".
        ranks: (accepted, quantities) integers, 0 to `ranked`.
        ranked: draws that each truth was ranked among.
        simulations: how many were asked for.
        codes: why fits were refused -> how many.
        methods: stage of the cascade that was accepted -> how many.
    """

    names: tuple[str, ...]
    ranks: np.ndarray
    ranked: int
    simulations: int
    codes: Mapping[str, int]
    methods: Mapping[str, int]

    @property
    def accepted(self) -> float:
        """Share of the simulations whose fit passed its gate."""
        return len(self.ranks) / self.simulations

    @cached_property
    def p(self) -> dict[str, float]:
        """p-value of each quantity, under exact calibration."""
        return {name: p_value(self.ranks[:, j], self.ranked) for j, name in enumerate(self.names)}

    @property
    def worst(self) -> tuple[str, float]:
        """The quantity with the least p-value, and it; NaN where nothing was accepted."""
        name = min(self.p, key=lambda n: np.nan_to_num(self.p[n], nan=2.0))
        return name, self.p[name]

    def inside(self, share: float) -> dict[str, float]:
        """How often the central interval of this share of the draws held the truth."""
        edge = (1.0 - share) / 2.0 * (self.ranked + 1)
        held = (self.ranks >= edge) & (self.ranks < self.ranked + 1 - edge)
        return dict(zip(self.names, held.mean(axis=0).tolist() if len(held) else [np.nan] * len(self.names)))  # noqa: B905

    def kept(self) -> dict[str, Any]:
        """For the store: the ranks, and what is said of them."""
        said = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "ranks"}
        return {"ranks": self.ranks.astype(np.uint16), "said": said}


def together(blocks: Sequence[Mapping[str, Any]]) -> Ranks:
    """What the store kept of several blocks of one setting, as one."""
    said = [block["said"] for block in blocks]
    codes, methods = (sum((Counter(s[k]) for s in said), Counter()) for k in ("codes", "methods"))
    everything = np.concatenate([block["ranks"] for block in blocks]).astype(np.int64)
    simulations = sum(s["simulations"] for s in said)
    return Ranks(tuple(said[0]["names"]), everything, said[0]["ranked"], simulations, dict(codes), dict(methods))


class World:
    """A law and its noise at a design, from which truths and tables are drawn; never the engine under test."""

    def __init__(self, setting: Setting):
        self.setting = setting
        self.law = _with_a_scale(js.get_law(setting.law))
        if setting.priors:
            self.law = self.law.with_priors(setting.priors)
        self.model = Model(self.law, get_noise(setting.noise, self.law.response))
        bench = Bench(self.law, seed=0)
        x = design(bench)
        rows = setting.rows or len(next(iter(x.values())))
        rows -= 0 if rows < rows_for(rows) else 3
        x = {s: v[:rows] for s, v in x.items()}
        self.frame = pd.DataFrame(self.law.by_column(bench.inputs(x)))
        response = self.law.response
        if response.trials:
            self.frame[response.trials] = TRIALS
        if "run" in self.model.noise.needs:
            self.frame["run"] = [f"run {i // CHECKPOINTS}" for i in range(rows)]
        if "annealed" in self.model.noise.needs:
            self.frame["annealed"] = 1.0
        placeholder = 1.0 if response.levels is None else float(response.levels[0])
        table = table_of(self.runs(np.full(rows, placeholder)), self.law, self.model.noise)
        self.lane = jax.tree.map(jnp.asarray, lane_of(table, self.model.noise, rows))
        self.far = self._far(x)
        self.names = (*(s.param for s in self.model.sites), *(f"curve {f:g}x" for f in FARTHER), "log-likelihood")

    def runs(self, y: np.ndarray) -> Runs:
        """The table that holds these responses, (rows,) in their own unit."""
        column = self.law.response.column
        frame = self.frame.assign(**{column: y})
        if "sd" in self.model.noise.needs:  # of a response on the log scale it is the relative one that is known
            frame[f"{column}_sd"] = SD * (y if self.model.noise.on == "log" else 1.0)
        return Runs(frame)

    def _far(self, x: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Inputs (points,) of the largest run as it grows: sizes with the powers of an even split of compute."""
        columns = {s: v.column for s, v in self.law.inputs.items() if v.axis == "log"}
        powers = {s: WITH_COMPUTE[c] for s, c in columns.items() if c in WITH_COMPUTE} or dict.fromkeys(columns, 1.0)
        size = sum((p * x[s] for s, p in powers.items()), np.zeros(len(self.frame)))
        last = {s: v[int(np.argmax(size))] for s, v in x.items()}
        steps = np.log(FARTHER)
        return {s: np.stack([v + powers.get(s, 0.0) * step for step in steps]) for s, v in last.items()}

    def draw(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Simulations first..last-1: parameters (n, params), responses (n, rows), and whether they were possible (n,).

        Each follows from its own number alone, so that more simulations begin with the same ones.
        """
        base = jax.random.key(zlib.crc32(self.setting.name.encode()))
        one, numbers = self._draws, jnp.arange(first, last)
        values, y = jax.tree.map(np.array, one(base, numbers, 0))
        ok = self._possible(y)
        for again in range(1, TRIES):
            if ok.all():
                break
            new_values, new_y = jax.tree.map(np.asarray, one(base, numbers, again))
            values[~ok], y[~ok] = new_values[~ok], new_y[~ok]
            ok = self._possible(y)
        return values, y, ok

    @cached_property
    def _draws(self) -> Any:
        return jax.jit(jax.vmap(self._draw_one, (None, 0, None)))

    def _draw_one(self, base: jax.Array, number: jax.Array, again: Any) -> tuple[jax.Array, jax.Array]:
        of_truth, of_data = jax.random.split(jax.random.fold_in(jax.random.fold_in(base, number), again))
        u = self.model.draw_prior(of_truth)
        y = self.model.new_runs(u, self.lane, of_data)
        return self.model.values(u, self.lane), jnp.round(y * TRIALS) if self.law.response.trials else y

    def _possible(self, y: np.ndarray) -> np.ndarray:
        support = self.law.response.support
        low = {"positive": 1e-300, "unit": 0.0}.get(support, -LARGEST)
        high = 1.0 if support == "unit" else LARGEST
        return np.all((y >= low) & (y <= high), axis=1)

    @cached_property
    def of_draws(self) -> Any:
        """`quantities` of simulations: parameters (n, 1 + draws, params), responses (n, rows) -> (n, 1 + draws, q)."""
        return jax.jit(jax.vmap(jax.vmap(self.quantities, (0, None))))

    def quantities(self, values: jax.Array, y: jax.Array) -> jax.Array:
        """What is ranked, of parameters (params,) given responses (rows,); (quantities,)."""
        model, params = self.model, dict(zip(self.model.params, values, strict=True))
        by_prior = [
            s.prior.coordinate(params[s.param], params, self.lane["centre"], self.lane["scale"]) for s in model.sites
        ]
        on_scale = jnp.log(y) if model.noise.on == "log" and "trials" not in self.lane else y
        likelihood = model.noise.summed(model.mean(params, self.lane["x"]), params, self.lane | {"y": on_scale})
        curve = jnp.broadcast_to(model.mean(params, self.far), (len(FARTHER),))
        found = jnp.concatenate([jnp.stack(by_prior), curve, likelihood[None]])
        return jnp.where(jnp.isnan(found), -jnp.inf, found)


@at_the_door
def study(setting: Setting, first: int = 0, last: int = 200, workers: int = 1) -> Ranks:
    """Simulate, fit and rank simulations first..last-1; at the mercy of whatever bug is planted in the engine."""
    world = _world(setting)
    truth, y, possible = world.draw(first, last)
    tables = {str(first + i): world.runs(y[i]) for i in np.flatnonzero(possible)}
    fits = js.fit_many(
        tables, law=world.law, noise=world.model.noise, method=setting.method, draws=setting.draws,
        keep=setting.ranked + 1, workers=workers, shard_size=max(1, -(-len(tables) // workers)), progress=False,
    )  # fmt: skip
    health = fits.health()
    ok = health["ok"].to_numpy(bool)
    codes = Counter(health["code"][~ok]) + Counter({"impossible_data": int(np.sum(~possible))})
    found = np.zeros((0, len(world.names)), np.int64)
    if ok.any():
        drawn = fits.data["posterior"]
        draws = np.stack([drawn[p].to_numpy()[ok, 0, : setting.ranked] for p in world.model.params], axis=-1)
        everything = np.concatenate([truth[possible][ok][:, None], draws], axis=1)
        q = np.asarray(world.of_draws(everything, y[possible][ok]))
        rng = np.random.default_rng([zlib.crc32(setting.name.encode()), first])
        found = np.stack([ranks(q[:, 0, j], q[:, 1:, j], rng) for j in range(q.shape[2])], axis=1)
    return Ranks(world.names, found, setting.ranked, last - first, dict(codes), dict(Counter(health["method"][ok])))


@functools.lru_cache(maxsize=4)
def _world(setting: Setting) -> World:
    return World(setting)


def _with_a_scale(law: Law) -> Law:
    """A prior relative to the table's own median would depend on the data: 1 is stated in its place."""
    if law.response.scale is not None:
        return law
    return dataclasses.replace(law, response=dataclasses.replace(law.response, scale=1.0))
