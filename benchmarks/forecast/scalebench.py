"""ScaleBench's costly regions, forecast from all of its pools: each law, and the average of a task's laws.

    python benchmarks/forecast/scalebench.py [--task NAME ...] [--out DIR]

Tasks, splits and the published rows are those of arXiv 2604.22753 (all data) and 2507.21184 (human experts). R2 is of
the medians, not clipped: over all groups and responses together, as the mean over responses, and as the mean over every
group of them, where gaps between groups explain nothing. The page names the laws that are ours and not a paper's.
Writes scalebench.md and scalebench.json beside this file, or into DIR; what stands there is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from scoring import ALL_DATA, HUMAN

import jaxscale as js
from jaxscale.trust.compare import CUTS

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "design"))

from tasks import RECIPES, Task, is_ours, load  # noqa: E402

AVERAGE = "average"
# on those 2 702 runs the floor of tuned_coupled goes to nothing, and its chains do not converge; fits to the runs of
# more tokens took more than a quarter of an hour, and are left out
LAWS = {"lr_bsz": ("tuned_kaplan",)}
UNCUT = ("lr_bsz",)


def main() -> int:
    """Measure what is missing, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", nargs="*", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "scalebench.json"
    kept = json.loads(file.read_text()) if file.exists() else []
    for name in options.task:
        if name not in {r["task"] for r in kept}:
            kept += study(load(name))
            file.write_text(json.dumps(kept, indent=0) + "\n")
            (options.out / "scalebench.md").write_text(page(kept))
    print(page(kept))
    return 0


def study(task: Task) -> list[dict[str, Any]]:
    """A record a law of one task, over its groups and responses; the average of its laws among them."""
    clock = time.process_time()
    parts: dict[str, list[pd.DataFrame]] = {}
    for group in task.groups:
        pool, test = (_only(t, task.group, group) for t in (task.pool, task.test))
        for response in task.responses:
            for law, forecast in forecasts(task, pool, test, response).items():
                found = forecast.assign(observed=np.asarray(test[response], float), group=group, response=response)
                parts.setdefault(law, []).append(found)
    seconds = time.process_time() - clock
    records = []
    for law, tables in parts.items():
        points = pd.concat(tables, ignore_index=True)
        records.append({"task": task.name, "law": law, "cpu_s": seconds, **scores(points)})
        print(records[-1], file=sys.stderr, flush=True)
    return records


def forecasts(task: Task, pool: pd.DataFrame, test: pd.DataFrame, response: str) -> dict[str, pd.DataFrame]:
    """Law -> its forecast of the test rows, and that of the average."""
    laws = [js.get_law(name) for name in LAWS.get(task.name, task.laws)]
    columns = list(dict.fromkeys(c for law in laws for v in law.inputs.values() for c in v.columns))
    runs = pd.DataFrame({c: pool[c] for c in columns} | {laws[0].response.column: pool[response]})
    found = js.average(runs, laws, cuts=() if task.name in UNCUT else CUTS, progress=False)
    at = pd.DataFrame({c: test[c] for c in columns})
    print(task.name, response, found.weights, file=sys.stderr, flush=True)
    return {**{law: one.predict(at) for law, one in found.fits.items()}, AVERAGE: found.predict(at)}


def _only(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return table.loc[table[column].astype(str).eq(value)].reset_index(drop=True)


def scores(points: pd.DataFrame) -> dict[str, Any]:
    """Of all forecasts of one law: R2 over all together and the means over responses, and over groups and responses;
    coverage and width of the 90 % interval of a new run; forecasts that were refused."""
    good = points.dropna(subset=["q50"])
    by_response = [r2(own) for _, own in good.groupby("response")]
    by_fit = [r2(own) for _, own in good.groupby(["response", "group"])]
    low, high, y = (good[c].to_numpy(float) for c in ("new_q05", "new_q95", "observed"))
    return {
        "r2": r2(good), "r2_response": float(np.mean(by_response)), "r2_group": float(np.mean(by_fit)),
        "coverage": float(np.mean((low <= y) & (y <= high))), "width": float(np.median(high - low)),
        "points": len(points), "refused": len(points) - len(good),
    }  # fmt: skip


def r2(points: pd.DataFrame) -> float:
    """Share of the variance explained; as negative as it is."""
    y, q = points["observed"].to_numpy(float), points["q50"].to_numpy(float)
    return 1.0 - float(np.sum((y - q) ** 2) / np.sum((y - y.mean()) ** 2)) if len(y) else float("nan")


def page(records: list[dict[str, Any]]) -> str:
    """The results, for people."""
    lines = [
        "# ScaleBench, all data", "",
        "| task | forecast | R2 | mean over responses | mean over groups | coverage of 90 % | width | refused | "
        "published, all data | human |",
        f"|{' --- |' * 10}",
    ]  # fmt: skip
    for r in records:
        said = f"{r['law']} (ours)" if r["law"] != AVERAGE and is_ours(r["law"]) else r["law"]
        human = f"{HUMAN[r['task']]:.3f}" if r["task"] in HUMAN else "none"
        lines.append(
            f"| {r['task']} | {said} | {r['r2']:.3f} | {r['r2_response']:.3f} | {r['r2_group']:.3f} | "
            f"{100 * r['coverage']:.0f} % | {r['width']:.3f} | {r['refused']} of {r['points']} | "
            f"{ALL_DATA[r['task']]:.2f} | {human} |"
        )
    seconds = sum({r["task"]: r["cpu_s"] for r in records}.values())
    return "\n".join([*lines, "", f"{seconds:.0f} CPU s.", "", "    python benchmarks/forecast/scalebench.py", ""])


if __name__ == "__main__":
    sys.exit(main())
