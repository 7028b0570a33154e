"""How often 90 % intervals hold the truth, where the world is a scenario and the noise that is fitted is a choice.

The law is Chinchilla's, its truth drawn from the prior; the tables go through `fit_many`, and the intervals are those
that a user reads: `summary()` of the parameters, `predict()` of the curve and of a new run at 3, 10 and 100 times the
compute of the largest run. Fits that are refused print no interval and are counted apart.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from sbc import FARTHER
from scenarios import SCENARIOS

import jaxscale as js
from jaxscale.batch import lane_of, table_of
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door

LAW = "chinchilla"


@dataclass(frozen=True)
class Coverage:
    """What came of one scenario under one noise.

    Attributes:
        names: of the quantities: parameters, "curve 3x", ..., "new run 3x", ...
        inside: (accepted, quantities) whether the 90 % interval held the truth.
        width: (accepted,) of the curve's interval at 10 times the compute, relative to its median.
        off: (accepted,) log of that median over the truth.
        simulations, codes, methods, cpu_s: how many were asked for, why fits were refused, what passed, and the cost.
    """

    names: tuple[str, ...]
    inside: np.ndarray
    width: np.ndarray
    off: np.ndarray
    simulations: int
    codes: Mapping[str, int]
    methods: Mapping[str, int]
    cpu_s: float

    @property
    def shares(self) -> dict[str, float]:
        """Coverage of each quantity."""
        return dict(zip(self.names, self.inside.mean(axis=0).tolist(), strict=True)) if len(self.inside) else {}

    @property
    def error(self) -> float:
        """Standard error of a coverage of 90 %."""
        return float(np.sqrt(0.09 / max(1, len(self.inside))))


@at_the_door
def study(name: str, noise: str, first: int, last: int) -> dict[str, Any]:
    """Simulations first..last-1 for the store."""
    scenario, law = SCENARIOS[name], js.get_law(LAW)
    frame, runs = scenario.frame(), scenario.runs()
    model = Model(law, get_noise("normal", law.response))  # of the truth: its noise is not looked at
    lane = lane_of(table_of(Runs(frame.assign(loss=1.0)), law, model.noise), model.noise, len(frame))
    lane = jax.tree.map(jnp.asarray, lane)
    # tables of one number have one truth in every scenario, so that noises and worlds are compared on the same ones
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(zlib.crc32(LAW.encode())), jnp.arange(first, last))
    u = jax.vmap(model.draw_prior)(keys)
    far = _far(frame)
    values = np.asarray(jax.jit(jax.vmap(lambda u: model.values(u, lane)))(u))
    truth = dict(zip(model.params, values.T, strict=True))
    of_law = {p: truth[p][:, None] for p in law.params}
    here = np.asarray(law(frame.params.to_numpy()[None], frame.tokens.to_numpy()[None], **of_law))
    there = np.asarray(law(far["N"][None], far["D"][None], **of_law))
    rng = np.random.default_rng([zlib.crc32(name.encode()), first])
    loss = here * np.exp(scenario.scatter(rng, len(here), runs))
    new = there * np.exp(scenario.scatter(rng, len(there), np.arange(len(FARTHER))))
    fits = js.fit_many(
        {str(first + i): Runs(frame.assign(loss=y)) for i, y in enumerate(loss)}, law=law, noise=noise, workers=1,
        shard_size=len(loss), progress=False,
    )  # fmt: skip
    health = fits.health()
    ok = health["ok"].to_numpy(bool)
    summary = fits.summary().set_index(["fit", "parameter"])
    forecast = fits.predict(far)
    inside = [_inside(summary.xs(p, level="parameter"), truth[p]) for p in law.params]
    by_point = [forecast.iloc[j :: len(FARTHER)] for j in range(len(FARTHER))]
    inside += [_inside(table, there[:, j]) for j, table in enumerate(by_point)]
    inside += [_inside(table, new[:, j], "new_") for j, table in enumerate(by_point)]
    ten = by_point[FARTHER.index(10.0)]
    width = ((ten["q95"] - ten["q05"]) / ten["q50"]).to_numpy()
    off = np.log(ten["q50"].to_numpy() / there[:, FARTHER.index(10.0)])
    points = [f"{f:g}x" for f in FARTHER]
    names = (*law.params, *(f"curve {p}" for p in points), *(f"new run {p}" for p in points))
    said = {
        "names": names, "simulations": last - first, "codes": dict(Counter(health["code"][~ok])),
        "methods": dict(Counter(health["method"][ok])),
    }  # fmt: skip
    return {"inside": np.stack(inside, axis=1)[ok], "width": width[ok], "off": off[ok], "said": said}


def together(blocks: Sequence[Mapping[str, Any]]) -> Coverage:
    """What the store kept of several blocks, as one."""
    said = [block["said"] for block in blocks]
    codes, methods = (sum((Counter(s[k]) for s in said), Counter()) for k in ("codes", "methods"))
    inside, width, off = (np.concatenate([block[k] for block in blocks]) for k in ("inside", "width", "off"))
    simulations, cpu = (sum(s[k] for s in said) for k in ("simulations", "cpu_s"))
    return Coverage(tuple(said[0]["names"]), inside, width, off, simulations, dict(codes), dict(methods), cpu)


def _far(frame: Any) -> dict[str, np.ndarray]:
    """Inputs of the largest run with 3, 10 and 100 times its compute, split evenly."""
    largest = frame.loc[(frame.params * frame.tokens).idxmax()]
    steps = np.sqrt(FARTHER)
    return {"N": float(largest.params) * steps, "D": float(largest.tokens) * steps}


def _inside(table: Any, truth: np.ndarray, prefix: str = "") -> np.ndarray:
    low, high = table[f"{prefix}q05"].to_numpy(), table[f"{prefix}q95"].to_numpy()
    return (low <= truth) & (truth <= high)
