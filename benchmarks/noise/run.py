"""What each observation model costs in a batch, against Student-t on the same tables.

    python benchmarks/noise/run.py [--tables 96] [--rounds 3]

Tables follow Chinchilla's law (counts and scores another) with each noise's own kind of scatter. Both noises fit the
same tables in turn, the whole cascade, compiled before the clock starts; the ratio is of the least CPU seconds over the
rounds. Writes results.md.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import jaxscale as js

HERE = Path(__file__).parent
TRUTH = {"E": 1.82, "A": 482.0, "alpha": 0.348, "B": 2085.0, "beta": 0.366}
RUNS, CHECKPOINTED, POINTS = 50, 12, 40
SD = 0.01


def main() -> None:
    """Time every noise beside Student-t."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for noise, (usual, law) in NOISES.items():
        tables = {f"{noise} {i}": table(noise, np.random.default_rng(i)) for i in range(options.tables)}
        fitted = {name: js.fit_many(tables, law, name, progress=False) for name in (noise, usual)}
        seconds = {name: [] for name in fitted}
        for _ in range(options.rounds):
            for name in fitted:
                clock = time.process_time()
                js.fit_many(tables, law, name, progress=False)
                seconds[name].append(time.process_time() - clock)
        each, against = (1000 * min(s) / options.tables for s in seconds.values())
        passed = [f"{int(f.status().ok.sum())} of {len(f)}" for f in fitted.values()]
        rows.append(
            f"| {noise} | {usual} | {passed[0]}, {passed[1]} | {each:.0f} | {against:.0f} | {each / against:.2f} |"
        )
        print(rows[-1], flush=True)
    text = [
        "# What a noise costs", "",
        f"{options.tables} tables a noise, {RUNS} runs each ({CHECKPOINTED} runs of {POINTS} checkpoints for "
        f"`checkpoints`), scattered as the noise believes; whole fits, compiled, the least CPU time of "
        f"{options.rounds} rounds in turn.", "",
        "| noise | against, on the same tables | passed | CPU ms a table | the other's | ratio |",
        "| --- | --- | --- | --- | --- | --- |", *rows, "", "    python benchmarks/noise/run.py", "",
    ]  # fmt: skip
    (HERE / "results.md").write_text("\n".join(text))


LOSSES = ("normal", "outliers", "frontier", "heteroscedastic", "known_sd", "checkpoints")
NOISES = dict.fromkeys(LOSSES, ("student_t", "chinchilla")) | {
    "beta_binomial": ("binomial", "coverage_exp_power"),
    "beta": ("student_t", "rl_sigmoid"),
}


def table(noise: str, rng: np.random.Generator) -> js.Runs:
    """One ladder, scattered as a noise believes."""
    if noise in ("beta_binomial", "beta"):
        return _shares(noise, rng)
    runs, points = (CHECKPOINTED, POINTS) if noise == "checkpoints" else (RUNS, 1)
    size = np.repeat(10 ** rng.uniform(7.6, 9.7, runs), points)
    tokens = (10 ** rng.uniform(9.0, 11.3, runs)[:, None] * np.geomspace(1.0, 0.05, points)[None, ::-1]).ravel()
    n = len(size)
    error = SD * rng.standard_normal(n)
    sd = np.full(n, SD)
    if noise == "outliers":
        error *= np.where(rng.random(n) < 0.08, 10.0, 1.0)
    if noise == "frontier":
        error += np.where(rng.random(n) < 0.2, rng.exponential(0.08, n), 0.0)
    if noise == "heteroscedastic":
        error *= (size * tokens / 1e19) ** -0.1
    if noise == "known_sd":
        sd = SD * rng.uniform(0.5, 2.0, n)
        error = error * 0.3 + sd * rng.standard_normal(n)
    if noise == "checkpoints":
        error = np.repeat(SD * rng.standard_normal(runs), points) + 0.2 * error
    loss = TRUTH["E"] + TRUTH["A"] / size ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]
    frame = pd.DataFrame({"params": size, "tokens": tokens, "loss": loss * np.exp(error), "loss_sd": sd * loss})
    return js.read_runs(frame.assign(run=np.repeat(np.arange(runs), points)))


def _shares(noise: str, rng: np.random.Generator) -> js.Runs:
    """Problems solved with more and more samples, or scores with more and more compute; concentration 100."""
    x = np.geomspace(1.0, 1e4, RUNS)
    mean = np.exp(-1.5 * x**-0.3) if noise == "beta_binomial" else 0.1 + 0.6 / (1.0 + (100.0 / x) ** 0.9)
    share = rng.beta(100.0 * mean, 100.0 * (1.0 - mean))
    if noise == "beta":
        return js.read_runs(pd.DataFrame({"compute": x, "score": share}))
    return js.read_runs(pd.DataFrame({"samples": x, "solved": rng.binomial(200, share), "trials": 200.0}))


if __name__ == "__main__":
    main()
