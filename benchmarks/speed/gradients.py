"""What share of the machine's best gradient rate a posterior fit reaches.

    python benchmarks/speed/gradients.py [--n 100] [--tables 256]

In one process, in turn and one thread each: the log density and its gradient by our model, mapped over batches of
several sizes; the same density with its gradient written by hand and summed run by run, the fastest we know; our HMC
program, by the gradients that it takes; and a whole posterior fit, by the gradients of its HMC and its CPU seconds.
Writes gradients.md.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np
import ours
from clock import Clock

import jaxscale as js
from jaxscale.batch import keys_of, lane_of, rows_for, stack, table_of
from jaxscale.infer import cascade, hmc
from jaxscale.infer.programs import programs
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runtime import at_the_door

HERE = Path(__file__).parent
BATCHES = (8, 64, 512, 4096)
REPEATS = 5
LEAST_S = 0.3  # of a timing


@at_the_door
def main() -> None:
    """Measure in turn, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100, help="runs in a table")
    parser.add_argument("--tables", type=int, default=256, help="of the whole fit")
    options = parser.parse_args()
    law = js.get_law("chinchilla")
    model = Model(law, get_noise(None, law.response))
    tables = ours.read(options.tables, options.n, narrow=False, dirty=False)
    rows = rows_for(options.n)
    lanes = [lane_of(table_of(t, law), model.noise, rows) for t in tables.values()]
    u = np.asarray(jax.vmap(model.draw_prior)(jax.random.split(jax.random.key(0), max(BATCHES)))) * 0.1
    candidates = {f"our density, {b} at once": _mapped(model, lanes[0], u[:b]) for b in BATCHES}
    candidates |= {f"written by hand, {b} at once": _by_hand(lanes[0], u[:b]) for b in BATCHES}
    candidates["our HMC program"] = _hmc(model, lanes[:8])
    rates: dict[str, list[float]] = {name: [] for name in (*candidates, "a whole posterior fit")}
    js.fit_many(tables, law="chinchilla")
    for _ in range(REPEATS):
        for name, (call, gradients) in candidates.items():
            rates[name].append(_rate(call, gradients))
        clock = Clock()
        js.fit_many(tables, law="chinchilla")
        schedule = cascade.SHORT
        taken = (4000 + schedule.warm_up * hmc.CHAINS * hmc.BLOCK) * schedule.leapfrogs
        rates["a whole posterior fit"].append(options.tables * taken / clock.read()["cpu_s"])
    text = page(rates, options.n, rows)
    (HERE / "gradients.md").write_text(text)
    print(text)


def _mapped(model: Model, lane: dict, u: np.ndarray):
    lane, u = jax.device_put(lane), jax.device_put(u)
    call = jax.jit(jax.vmap(jax.value_and_grad(model.log_density), in_axes=(0, None)))
    return (lambda: jax.block_until_ready(call(u, lane))), len(u)


def _by_hand(lane: dict, u: np.ndarray):
    """Value and gradient in (E, a, b, alpha, beta, sigma, nu), run by run; the prior is left out, to its favour."""
    x, y = jax.device_put([lane["x"]["N"] - lane["centre"]["N"], lane["x"]["D"] - lane["centre"]["D"]]), lane["y"]
    columns = (x[0], x[1], jax.device_put(y), jax.device_put(lane["w"]))
    p = jax.device_put(np.exp(u[:, :7].T * 0.1))

    @jax.jit
    def call(p):
        floor, a, b, alpha, beta, sigma, nu = p
        inverse = 1.0 / (nu * sigma * sigma)

        def add(total, row):
            n, d, y, w = row
            first, second = a * jnp.exp(-alpha * n), b * jnp.exp(-beta * d)
            mean = floor + first + second
            r = y - jnp.log(mean)
            q = r * r * inverse
            pull = w * r / ((1.0 + q) * mean)
            parts = (
                w * jnp.log1p(q), pull, pull * first, pull * second, pull * first * n, pull * second * d,
                w * q / (1.0 + q),
            )  # fmt: skip
            return tuple(t + part for t, part in zip(total, parts, strict=True)), None

        zero = jnp.zeros_like(floor)
        return jax.lax.scan(add, (zero,) * 7, columns, unroll=4)[0]

    return (lambda: jax.block_until_ready(call(p))), u.shape[0]


def _hmc(model: Model, lanes: list):
    run = programs(model)
    packed = jax.device_put(stack(lanes))
    keys = run.split(keys_of(0, [str(i) for i in range(len(lanes))]), 0)
    singles = [jax.tree.map(lambda v, i=i: v[i : i + 1], packed) for i in range(len(lanes))]
    points = [run.point(one, keys[i : i + 1]) for i, one in enumerate(singles)]
    proposals = [run.importance(o, p, keys[i : i + 1]) for i, (o, p) in enumerate(zip(singles, points, strict=True))]
    proposal = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *proposals)
    state = run.begin(proposal.centre, proposal.factor, run.resample(proposal, keys))
    schedule = cascade.SHORT
    settings = (np.asarray(schedule.leapfrogs), np.asarray(schedule.largest), np.asarray(True))
    call = lambda: jax.block_until_ready(run.block(packed, proposal.centre, proposal.factor, state, keys, *settings))  # noqa: E731
    return call, len(lanes) * hmc.CHAINS * hmc.BLOCK * schedule.leapfrogs


def _rate(call, gradients: int) -> float:
    """Gradients a CPU second."""
    call()
    clock, count = Clock(), 0
    while clock.read()["cpu_s"] < LEAST_S:
        call()
        count += 1
    return count * gradients / clock.read()["cpu_s"]


def page(rates: dict[str, list[float]], n: int, rows: int) -> str:
    """The results, for people."""
    middle = {name: float(np.median(values)) for name, values in rates.items()}
    top = max(middle, key=lambda name: middle[name])
    lines = [
        f"# Gradients a CPU second, tables of {n} runs (padded to {rows})", "",
        f"{platform.system()}, one thread, jax {jax.__version__}; medians of {REPEATS} turns, lowest and highest.", "",
        "| what | gradients / CPU s | share of the best |", "| --- | --- | --- |",
    ]  # fmt: skip
    for name, value in middle.items():
        low, high = min(rates[name]), max(rates[name])
        lines.append(f"| {name} | {value:,.0f} ({low:,.0f} to {high:,.0f}) | {100 * value / middle[top]:.0f} % |")
    return "\n".join([*lines, "", "    python benchmarks/speed/gradients.py", ""])


if __name__ == "__main__":
    main()
