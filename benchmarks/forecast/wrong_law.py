"""One decade of compute beyond a grid whose law is not the one fitted: how often the truth is held, and how widely.

    python benchmarks/forecast/wrong_law.py [--tables 40] [--first 0] [--out DIR]

Truth `coupled` with k = .6 on a 5 x 5 grid with 1 % noise; the 90 % interval of the curve at sqrt(10) times the largest
size and tokens. Fitted are `chinchilla` believing itself and with its discrepancy, `js.average` as it is and of laws
that all are wrong, and, as the oracle, `coupled` itself. Widths are on log loss, times the oracle's of the same table.
Writes wrong_law.json and wrong_law.md beside this file, or into DIR; what stands there is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import jaxscale as js

HERE = Path(__file__).parent
TRUTH = {"E": 1.7, "A": 3355.0, "alpha": 0.408, "B": 18186.0, "beta": 0.431, "k": 0.6}
GRID = [v.ravel() for v in np.meshgrid(np.geomspace(3e7, 3e9, 5), np.geomspace(1e9, 1e11, 5))]
FAR = {"N": 3e9 * 10**0.5, "D": 1e11 * 10**0.5}
WRONG = ("chinchilla", "gadre", "kaplan_nd")
ORACLE = "oracle"


def main() -> int:
    """Measure what is missing, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=40)
    parser.add_argument("--first", type=int, default=0, help="seed of the first table")
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "wrong_law.json"
    kept = json.loads(file.read_text()) if file.exists() else []
    done = {r["seed"] for r in kept}
    for seed in range(options.first, options.first + options.tables):
        if seed not in done:
            kept += study(seed)
            file.write_text(json.dumps(kept, indent=0) + "\n")
            (options.out / "wrong_law.md").write_text(page(kept))
    print(page(kept))
    return 0


def study(seed: int) -> list[dict[str, Any]]:
    """A record a forecast, of one table."""
    runs = js.simulate("coupled", TRUTH, dict(zip("ND", GRID, strict=True)), noise="normal", sd=0.01, seed=seed)
    plain = js.fit(runs, progress=False)
    found = {
        "chinchilla, believed": plain.predict(FAR, discrepancy=False),
        "chinchilla": plain.predict(FAR),
        "average": js.average(runs, progress=False).predict(FAR),
        "average of wrong laws": js.average(runs, WRONG, progress=False).predict(FAR),
        ORACLE: js.fit(runs, "coupled", progress=False).predict(FAR, discrepancy=False),
    }
    value = float(js.get_law("coupled")(FAR["N"], FAR["D"], **TRUTH))
    records = [{"seed": seed, "forecast": name, **score(at.iloc[0].to_dict(), value)} for name, at in found.items()]
    print([(r["forecast"], r["held"], round(r["width"], 4)) for r in records], file=sys.stderr, flush=True)
    return records


def score(row: Mapping[str, float], value: float) -> dict[str, Any]:
    """Whether the interval of the curve holds the truth, its width and the median's error, both on log loss."""
    low, middle, high = np.log([row["q05"], row["q50"], row["q95"]])
    return {"held": bool(row["q05"] <= value <= row["q95"]), "width": high - low, "error": middle - np.log(value)}


def page(records: list[dict[str, Any]]) -> str:
    """The results, for people."""
    frame = pd.DataFrame(records)
    oracle = {r["seed"]: r["width"] for r in records if r["forecast"] == ORACLE}
    frame["ratio"] = frame["width"] / [oracle[seed] for seed in frame["seed"]]
    lines = [
        "# A wrong law, one decade out", "",
        f"Truth `coupled` with k = .6, a 5 x 5 grid with 1 % noise, {frame['seed'].nunique()} tables; the 90 % "
        f"interval of the curve. The average of wrong laws is of {', '.join(f'`{law}`' for law in WRONG)}.", "",
        "| forecast | holds the truth | mean width | times the oracle's, median | log-RMSE | refused |",
        f"|{' --- |' * 6}",
    ]  # fmt: skip
    for name, own in frame.groupby("forecast", sort=False):
        good = own.dropna(subset=["width"])
        held, error = 100 * good["held"].mean(), np.sqrt(np.mean(good["error"] ** 2))
        lines.append(
            f"| {name} | {held:.0f} % | {good['width'].mean():.4f} | {good['ratio'].median():.2f} | {error:.4f} | "
            f"{len(own) - len(good)} |"
        )
    return "\n".join([*lines, "", "    python benchmarks/forecast/wrong_law.py", ""])


if __name__ == "__main__":
    sys.exit(main())
