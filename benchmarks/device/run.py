"""One engine on two devices: do they agree, and what does a lane cost?

    python benchmarks/device/run.py [TABLE]     # TABLE: the 245 Chinchilla runs as CSV; else the bundled ladder

Prints Markdown. Compares the default device with the host's CPU; on a machine without an accelerator both are the CPU.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxscale as js
from jaxscale.batch import keys_of, lane_of, rows_for, stack, table_of
from jaxscale.infer.programs import made, programs
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runtime import at_the_door

LANES = (4, 256, 2048)
TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
REPEATS = 3


def simulated(count: int, rows: int = 60) -> list[js.Runs]:
    """Well-identified tables."""
    tables = []
    for i in range(count):
        rng = np.random.default_rng(i)
        inputs = {"N": 10 ** rng.uniform(7.6, 10.2, rows), "D": 10 ** rng.uniform(9, 12, rows)}
        tables.append(js.simulate("chinchilla", TRUTH, inputs, sd=0.01, seed=i))
    return tables


def on(device: Any, table: js.Runs) -> dict:
    """Point, posterior and log density of one table on one device."""
    with jax.default_device(device):
        made.cache_clear()
        huber, fit = js.fit(table, noise="huber"), js.fit(table, draws=16000)
        u, lane = jnp.asarray(flat(fit)), tree(table)
        model = Model(fit.law, fit.noise)
        density, slope = density_of(model)(u, lane)
    return {"huber": huber.point, "fit": fit, "density": np.asarray(density), "slope": np.asarray(slope)}


def tree(table: js.Runs) -> dict:
    """One lane of a table."""
    law = js.get_law("chinchilla")
    found = table_of(table, law)
    return jax.tree.map(jnp.asarray, lane_of(found, get_noise(None, law.response), rows_for(len(found))))


def flat(fit: js.Fit) -> np.ndarray:
    """Five hundred flat vectors about the mode, the same on every device."""
    law = fit.law
    model = Model(law, fit.noise)
    rng = np.random.default_rng(0)
    draws = [model.draw_prior(k) for k in jax.random.split(jax.random.key(0), 8)]
    return np.asarray(draws)[rng.integers(0, 8, 500)] + 0.1 * rng.normal(size=(500, model.size))


def density_of(model: Model):
    """Log density and gradient of many vectors."""
    return jax.jit(jax.vmap(jax.value_and_grad(model.log_density), in_axes=(0, None)))


@at_the_door
def agreement(table: js.Runs) -> None:
    """The same table on both devices."""
    host, device = jax.devices("cpu")[0], jax.devices()[0]
    a, b = on(host, table), on(device, table)
    relative = lambda x, y: float(np.max(np.abs(x - y) / (1e-300 + np.abs(x))))  # noqa: E731
    point = max(relative(a["huber"][p], b["huber"][p]) for p in TRUTH)
    print(f"\n## Agreement of {device.device_kind} with the CPU, {table.source}\n")
    print("| what | largest difference |\n| --- | --- |")
    print(f"| log density at 500 vectors, relative | {relative(a['density'], b['density']):.1e} |")
    slope = np.abs(a["slope"] - b["slope"]) / np.abs(a["slope"]).max(axis=1, keepdims=True)
    print(f"| its gradient, relative to the largest component | {slope.max():.1e} |")
    print(f"| Huber point fit, relative | {point:.1e} |")
    first, second = a["fit"].summary(), b["fit"].summary()
    error = np.sqrt(first["sd"] ** 2 / first["ess_bulk"] + second["sd"] ** 2 / second["ess_bulk"])
    shift, ratio = ((first["mean"] - second["mean"]) / error).abs().max(), first["sd"] / second["sd"]
    print(f"| posterior means, in Monte Carlo standard errors | {shift:.2f} |")
    print(f"| posterior sd, ratio | {ratio.min():.3f} to {ratio.max():.3f} |")


@at_the_door
def throughput() -> None:
    """Wall time a fit of each stage's program, by number of lanes."""
    law = js.get_law("chinchilla")
    model = Model(law, get_noise(None, law.response))
    lanes = [lane_of(table_of(t, law), model.noise, 64) for t in simulated(max(LANES))]
    print("\n## Wall milliseconds a fit (60 runs, compile apart, best of 3)\n")
    print("| device | lanes | point | importance | HMC block of 50 x 8 chains | gradients / s in the block |")
    print("| --- | --- | --- | --- | --- | --- |")
    for device in dict.fromkeys((jax.devices("cpu")[0], jax.devices()[0])):
        for count in LANES:
            with jax.default_device(device):
                made.cache_clear()
                row = stages(model, lanes[:count], count)
            cells = " | ".join(f"{1e3 * t / count:.3g}" for t in row)
            rate = count * 8 * 50 * 3 / row[-1]
            print(f"| {device.device_kind} | {count} | {cells} | {rate:.3g} |", flush=True)


def stages(model: Model, lanes: list, count: int) -> list[float]:
    """Seconds of the three programs at one number of lanes."""
    run = programs(model)
    packed = jax.device_put(stack(lanes))
    keys = run.split(keys_of(0, [str(i) for i in range(count)]), 0)
    point, a = timed(run.point, packed, keys)
    proposal, b = timed(run.importance, packed, point, keys)
    state = run.begin(proposal.centre, proposal.factor, run.resample(proposal, keys))
    arguments = (np.asarray(3), np.asarray(0.75), np.asarray(True))
    _, c = timed(run.block, packed, proposal.centre, proposal.factor, state, keys, *arguments)
    return [a, b, c]


def timed(program, *arguments):
    """The program's answer, and its best wall time after compiling."""
    answer = jax.block_until_ready(program(*arguments))
    best = np.inf
    for _ in range(REPEATS):
        clock = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        best = min(best, time.perf_counter() - clock)
    return answer, best


if __name__ == "__main__":
    agreement(js.read_runs(sys.argv[1]) if len(sys.argv) > 1 else js.datasets.load("simulated_ladder"))
    throughput()
