"""Do plans mean what they say? Ladders with a known truth, fitted and planned; the interval of N*, and the regret.

    python benchmarks/planning/run.py [--tables 500] [--times 10] [--seed 0]

Chinchilla's law, its truth drawn from the prior, 1 % of normal noise; the tables go through `fit_many`, and each
posterior through `plan` at a budget of `times` the largest run. Three designs: sizes and tokens varied apart, isoFLOP
slices, and the twelve runs of a small ladder. Two questions:

- how often does the 90 % interval of log N* hold the true N*?
- what does the recommended size lose in truth, beside what the plan said it would, beside other rules, and beside an
  oracle that is told, after the fact, by which factor all recommendations should have been multiplied?

Refused fits and plans give no interval and are counted apart; they are refused for their data alone, so those that are
left still hold the truth in 90 of 100 cases where posteriors are right. Writes results.md and results.json here.
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
import jax.numpy as jnp
import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale.batch import lane_of, table_of
from jaxscale.decide.members import Member, Source
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door

HERE = Path(__file__).parent
SD = 0.01
RULES = ("recommended", "by regret", "median N*", "mode of the fit", "oracle's factor")
FACTORS = np.geomspace(0.25, 4.0, 161)


def designs() -> dict[str, pd.DataFrame]:
    """Name -> params, tokens."""
    away = [(0.5 + np.arange(1, 51) / 1.3247179572447460**j) % 1.0 for j in (1, 2)]
    apart = {"params": 10 ** (7.6 + 2.6 * away[0]), "tokens": 10 ** (9.0 + 2.5 * away[1])}
    slices = [(n, c / (6.0 * n)) for c in np.geomspace(1e19, 3e21, 5)
              for n in np.sqrt(c / 120.0) * np.geomspace(0.2, 5.0, 9)]  # fmt: skip
    few = [(n, r * n) for n in np.geomspace(1e8, 3e9, 4) for r in (7.0, 20.0, 60.0)]
    return {
        "apart, 50 runs": pd.DataFrame(apart),
        "isoFLOP, 45 runs": pd.DataFrame(slices, columns=["params", "tokens"]),
        "ladder, 12 runs": pd.DataFrame(few, columns=["params", "tokens"]),
    }


@at_the_door
def study(name: str, frame: pd.DataFrame, tables: int, times: float, seed: int) -> list[dict]:
    """A record a table."""
    law = js.get_law("chinchilla")
    model = Model(law, get_noise("normal", law.response))  # of the truth: its noise is not looked at
    lane = lane_of(table_of(Runs(frame.assign(loss=1.0)), law, model.noise), model.noise, len(frame))
    lane = jax.tree.map(jnp.asarray, lane)
    u = jax.vmap(model.draw_prior)(jax.random.split(jax.random.key(seed), tables))
    values = np.asarray(jax.jit(jax.vmap(lambda v: model.values(v, lane)))(u))
    truth = pd.DataFrame(values, columns=list(model.params))
    n, d = frame.params.to_numpy(), frame.tokens.to_numpy()
    clean = np.asarray(law(n[None], d[None], **{p: truth[p].to_numpy()[:, None] for p in law.params}))
    loss = clean * np.exp(SD * np.random.default_rng(seed).standard_normal(clean.shape))
    given = {str(i): Runs(frame.assign(loss=y)) for i, y in enumerate(loss)}
    fits = js.fit_many(given, law=law, keep=4000, workers=1)
    points = fits.points()
    posterior, ok = fits.data["posterior"], fits.status()["ok"].to_numpy(bool)
    draws = {p: posterior[p].to_numpy()[:, 0] for p in law.params}
    seen, budget = {"params": n, "tokens": d}, times * float((6.0 * n * d).max())
    found = []
    for i in range(tables):
        true = {p: float(truth[p].iloc[i]) for p in law.params}
        best = optimum(true, budget)
        record = {"design": name, "table": i, "fitted": bool(ok[i]), "planned": False, "n_true": best}
        if ok[i]:
            source = Source((Member(law, {p: v[i] for p, v in draws.items()}),), seen, True)
            try:
                record |= planned(source, budget, true, {p: float(points[p].iloc[i]) for p in law.params})
            except js.PlanError as error:
                record["why"] = str(error)
        found.append(record)
    return found


def planned(source: Source, budget: float, true: dict[str, float], mode: dict[str, float]) -> dict:
    """What one plan said, and what became of it."""
    began = time.process_time()
    plan = js.plan(source, budget)
    took = time.process_time() - began
    by_regret = js.plan(source, budget, choose="regret").recommended["N"]
    low, middle, high = (float(v) for v in plan.summary().loc["N", ["q05", "q50", "q95"]])
    choices = {"recommended": plan.recommended["N"], "by regret": by_regret, "median N*": middle,
               "mode of the fit": optimum(mode, budget)}  # fmt: skip
    best, law = optimum(true, budget), source.law

    def lost(n: np.ndarray) -> np.ndarray:
        """True loss above the least there is, relative."""
        least = law(best, budget / (6.0 * best), **true)
        return np.asarray(law(n, budget / (6.0 * n), **true) / least - 1.0)

    said = float(plan.regret([plan.recommended["N"]])["regret_mean"].iloc[0])
    least = float(law(best, budget / (6.0 * best), **true))
    return {
        "planned": True, "low": low, "high": high, "inside": bool(low <= best <= high), "cpu_s": took,
        "said": said / least, "regret": {k: float(lost(np.array(v))) for k, v in choices.items()},
        "along": lost(plan.recommended["N"] * FACTORS).tolist(),
    }  # fmt: skip


def optimum(p: dict[str, float], budget: float) -> float:
    """N* of Chinchilla's law: the closed form of Hoffmann et al. 2022, eq. 4."""
    total = p["alpha"] + p["beta"]
    g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1.0 / total)
    return float(g * (budget / 6.0) ** (p["beta"] / total))


def summed(records: list[dict]) -> dict:
    """One design's records as numbers."""
    ours = [r for r in records if r["planned"]]
    along = np.array([r["along"] for r in ours])
    mean = {rule: float(np.mean([r["regret"][rule] for r in ours])) for rule in RULES[:-1]}
    at = int(along.mean(axis=0).argmin())
    mean[RULES[-1]] = float(along.mean(axis=0)[at])
    spread = {rule: np.array([r["regret"][rule] for r in ours]) for rule in RULES[:-1]}
    gap = spread["recommended"] - along[:, at]
    return {
        "tables": len(records), "fitted": sum(r["fitted"] for r in records), "planned": len(ours),
        "coverage": float(np.mean([r["inside"] for r in ours])), "error": float(np.sqrt(0.09 / len(ours))),
        "width": float(np.median([np.log(r["high"] / r["low"]) for r in ours])), "regret": mean,
        "factor": float(FACTORS[at]), "over": float(gap.mean()), "over_error": float(gap.std() / np.sqrt(len(ours))),
        "said": float(np.mean([r["said"] for r in ours])), "cpu_s": float(np.median([r["cpu_s"] for r in ours])),
        "regret_error": float(spread["recommended"].std() / np.sqrt(len(ours))),
    }  # fmt: skip


def page(found: dict[str, dict], times: float) -> str:
    """For people."""
    lines = ["# Do plans mean what they say?", "", (
        f"Chinchilla's law with the truth drawn from the prior, 1 % normal noise, planned at {times:g} times the "
        "compute of the largest run. Regret is the true loss of a choice above the least there is, in units of 1e-4 of "
        "that loss; the oracle's factor is the one number by which all recommendations should have been multiplied, "
        "known only afterwards. Said is the mean of the regret that the plans expected."), "",
        "| design | tables | fit refused | plan refused | log N* within its 90 % interval | median width, ln |",
        "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for name, s in found.items():
        lines.append(
            f"| {name} | {s['tables']} | {s['tables'] - s['fitted']} | {s['fitted'] - s['planned']} | "
            f"{100 * s['coverage']:.1f} % (+- {100 * s['error']:.1f}) | {s['width']:.2f} |"
        )
    lines += ["", "| design | " + " | ".join(RULES) + " | factor | recommended over oracle | said | CPU s a plan |",
              f"|{' --- |' * (len(RULES) + 5)}"]  # fmt: skip
    for name, s in found.items():
        cells = " | ".join(f"{1e4 * s['regret'][rule]:.2f}" for rule in RULES)
        ratio = s["regret"]["recommended"] / s["regret"][RULES[-1]]
        lines.append(
            f"| {name} | {cells} | {s['factor']:.2f} | {ratio:.3f} | {1e4 * s['said']:.2f} | {s['cpu_s']:.2f} |"
        )
    return "\n".join([*lines, "", "    python benchmarks/planning/run.py", ""])


def main() -> int:
    """Measure, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=500)
    parser.add_argument("--times", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    found, why = {}, {}
    for name, frame in designs().items():
        records = study(name, frame, options.tables, options.times, options.seed)
        found[name] = summed(records)
        why[name] = pd.Series([r.get("why", "")[:90] for r in records if not r["planned"]]).value_counts().to_dict()
        print(name, found[name], why[name], file=sys.stderr, flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "results.json").write_text(json.dumps({"found": found, "refused": why}, indent=1) + "\n")
    (options.out / "results.md").write_text(page(found, options.times))
    print(page(found, options.times))
    return 0


if __name__ == "__main__":
    sys.exit(main())
