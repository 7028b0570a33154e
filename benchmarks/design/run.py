"""Which runs to buy: the ScaleBench protocol on its six tasks, and simulated ladders scored by regret.

    python benchmarks/design/run.py [--task NAME ...] [--repeats 5] [--seeds 20] [--out DIR]

Needs the folder scalebench of JAXSCALE_DATA. Writes results.md and results.json beside this file, or into DIR; what
stands there is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import jax
import numpy as np
import pandas as pd
import scalebench
import simulated
import tasks

from jaxscale.runtime import keep_compiled_programs

HERE = Path(__file__).parent
ORDER = ("simulated", "moe", "parallel", "domain_mixture", "vocab", "data_constrained", "lr_bsz")


def main() -> int:
    """Measure what is missing, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="*", default=ORDER)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "results.json"
    kept = json.loads(file.read_text()) if file.exists() else {"scalebench": [], "simulated": [], "seconds": {}}
    jax.config.update("jax_enable_x64", True)
    keep_compiled_programs()
    for name in options.task:
        if name in kept["seconds"]:
            continue
        began = time.perf_counter()
        if name == "simulated":
            kept["simulated"] = simulated.study(options.seeds)
        else:
            kept["scalebench"] += scalebench.study(name, options.repeats)
        kept["seconds"][name] = time.perf_counter() - began
        file.write_text(json.dumps(kept, indent=0) + "\n")
        (options.out / "results.md").write_text(page(kept))
    print(page(kept))
    return 0


def page(kept: dict) -> str:
    """The results, for people."""
    lines = ["# Which runs to buy", ""]
    if kept["scalebench"]:
        lines += _scalebench(pd.DataFrame(kept["scalebench"]))
    if kept["simulated"]:
        lines += _simulated(pd.DataFrame(kept["simulated"]))
    took = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in kept["seconds"].items())
    return "\n".join([*lines, f"Seconds on the machine that wrote this: {took}.", "",
                      "    python benchmarks/design/run.py", ""])  # fmt: skip


def _scalebench(frame: pd.DataFrame) -> list[str]:
    lines = [
        "## ScaleBench", "",
        "R2 on the costly region that was not bought, mean +- sd over laws and repeats, at three shares of the pool's "
        "cost (1, 5, 10 %; domain mixture 20, 35, 50 %). Every method's runs are fitted in the same way: the mode "
        "under Student-t noise of about 1 % and the laws' priors. R2 is over all responses and groups at once, not "
        "less than -1, as in the paper's code. The published rows are the paper's, by its fits and its ten laws a "
        "task, comparable in kind, not in digits. Designs begin with half of the first budget, at most, in "
        "cost-weighted runs, one a parameter.",
        "",
    ]  # fmt: skip
    ours = [law for law in frame["law"].unique() if tasks.is_ours(law)]
    lines += [f"Laws that are no paper's but ours: {', '.join(ours) or 'none'}.", ""]
    for name, own in frame.groupby("task", sort=False):
        shares = sorted(set(own["share"]) - {1.0})
        laws = ", ".join(own["law"].unique())
        lines += [
            f"### {name} ({laws})",
            "",
            "| method | " + " | ".join(f"{100 * s:.0f} %" for s in shares) + " | runs |",
        ]
        lines += [f"|{' --- |' * (len(shares) + 2)}"]
        for method in scalebench.METHODS:
            some = own[own["method"] == method]
            cells = [some.loc[some["share"] == s, "r2"] for s in shares]
            runs = " / ".join(f"{some.loc[some['share'] == s, 'runs'].mean():.0f}" for s in shares)
            lines.append(
                f"| {method} | " + " | ".join(f"{c.mean():.2f} +- {c.std(ddof=0):.2f}" for c in cells) + f" | {runs} |"
            )
        for label, row in zip(
            ("paper: its own, MSPE", "paper: V-optimal"), scalebench.PUBLISHED[str(name)], strict=True
        ):
            lines.append(f"| {label} | " + " | ".join(f"{v:.2f}" for v in row) + " | |")
        names = list(own["law"].unique())
        for law in names if len(names) > 1 else []:
            some = own[(own["method"] == "ours") & (own["law"] == law)]
            cells = [f"{some.loc[some['share'] == s, 'r2'].mean():.2f}" for s in shares]
            lines.append(f"| ours, {law} alone | " + " | ".join(cells) + " | |")
        every = own.loc[own["method"] == "all", "r2"]
        lines += [f"| all data | {every.mean():.2f} |" + " |" * len(shares), ""]
    lines += ["### Ratios", "", "Unexplained variance (1 - R2) of `ours` over that of another method, geometric mean "
              "of tasks and budgets, 1 - R2 held at .01 at least; below 1 ours is better.", "",
              "| over | ratio | ours better, of task and budget |", "| --- | --- | --- |"]  # fmt: skip
    bought = frame.loc[frame["method"] != "all"]
    mean = bought.pivot_table(index=["task", "share"], columns="method", values="r2", aggfunc="mean")
    miss = np.maximum(1.0 - mean, 0.01)
    for method in scalebench.METHODS[:-1]:
        ratio = float(np.exp(np.log(miss["ours"] / miss[method]).mean()))
        better = int(np.sum(mean["ours"].to_numpy() > mean[method].to_numpy() + 0.005))
        lines.append(f"| {method} | {ratio:.2f} | {better} of {len(mean)} |")
    return [*lines, ""]


def _simulated(frame: pd.DataFrame) -> list[str]:
    lines = [
        "## Simulated ladders", "",
        f"Chinchilla's law with the coefficients of {', '.join(simulated.TRUTHS)}; {simulated.FIRST} first runs with "
        f"{100 * simulated.SD:.0f} % noise, then at most {simulated.RUNS} more of 225 candidates for three times the "
        "first runs' cost, a full fit again, and the size that `plan` recommends for 1e23 FLOP. Regret is the true "
        "loss of that size above the best one, in 1e-4 nats.", "",
        "| method | mean regret | median | 90 % | over none | spent |", f"|{' --- |' * 6}",
    ]  # fmt: skip
    none = frame.loc[frame["method"] == "none", "regret"].mean()
    for method in simulated.METHODS:
        own = frame[frame["method"] == method]
        r = 1e4 * pd.Series(np.asarray(own["regret"], float)).dropna()
        lines.append(
            f"| {method} | {r.mean():.1f} | {r.median():.1f} | {r.quantile(0.9):.1f} | {r.mean() / none / 1e4:.2f} | "
            f"{100 * own['spent'].mean():.0f} % |"
        )
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main())
