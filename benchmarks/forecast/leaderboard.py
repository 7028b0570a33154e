"""One page of who forecasts best: laws, averages and peers on ladders, learning curves and ScaleBench.

    python benchmarks/forecast/leaderboard.py [--measure]

Reads what run.py, peers.py, curves.py and scalebench.py left beside it, and writes docs/leaderboard.md. With --measure
these run first, two at a time, except the peers, which need packages of their own (peers.txt). They compute what is not
there yet: with results.json, scalebench.json and curves.json deleted, everything, in 24 minutes on two cores and
the 260 CPU seconds of ScaleBench's `lr_bsz`, which that clock did not see.
The top 10 % of the ladders is measured by `run.py --hold-out 0.1` and `peers.py --hold-out 0.1`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scoring import ALL_DATA, HUMAN

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "leaderboard.md"
HOLD_OUTS = (0.2, 0.1)  # shares of the runs, the largest by compute
HEAD = """# Who forecasts best

Public tables, the part that is dear or late held out, the same for all. Errors are root mean squares of the logarithm,
of the median; coverage and width are of the 90 % interval of a new run, width on the logarithm. Each table lists what
disappoints as well.

Your own law enters with `jaxscale bench my_law.py`: a card with its forecasts of these tables beside other laws, which
`jaxscale bench --rerun card.json` computes again ([add a law](add_a_law.md)).
"""


def main() -> int:
    """Measure, if asked to, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="compute what is not there yet")
    if parser.parse_args().measure:
        with ThreadPoolExecutor(2) as two:
            list(two.map(_measured, ("run.py", "scalebench.py", "curves.py")))
    PAGE.write_text(page())
    return 0


def page() -> str:
    """For people."""
    return "\n".join([HEAD, *itertools.chain.from_iterable(map(ladders, HOLD_OUTS)), *curves(), *scalebench()])


def _measured(script: str) -> None:
    subprocess.run([sys.executable, str(HERE / script)], check=True, stdout=subprocess.DEVNULL)


def _read(name: str) -> Any:
    return pd.DataFrame(json.loads((HERE / name).read_text()))


def ladders(hold_out: float) -> list[str]:
    """Everyone on the ladders that everyone answered, sources weighted equally."""
    ours, theirs = _read("results.json"), _read("peers.json")
    ours = ours[(ours["hold_out"] == hold_out) & ours["discrepancy"]]
    both: Any = pd.concat([ours.assign(kind="jaxscale"), theirs[theirs["hold_out"] == hold_out].assign(kind="peer")])
    both = both[both["error"].notna()]
    answered = both.groupby("law")["ladder"].nunique()
    count: Any = both.groupby("ladder")["law"].nunique()
    shared = count[count == count.max()].index
    own: Any = both[both["ladder"].isin(shared)].copy()
    own["source"] = own["ladder"].str.split("|").str[0]
    own["share"] = 1.0 / own.groupby(["law", "source"])["ladder"].transform("count")
    rows = []
    for law, some in own.groupby("law"):
        mean = {s: float(np.average(some[s], weights=some["share"])) for s in ("error", "coverage", "width")}
        rows.append((mean["error"], law, some["kind"].iloc[0], answered[law], mean["coverage"], mean["width"]))
    lines = [f"## Ladders of sizes and tokens: the top {100 * hold_out:.0f} %", "", (
        f"The top {100 * hold_out:.0f} % of compute held out. Errors are over the {len(shared)} ladders that every row "
        f"answered, of {len(count)}; sources weighted equally."), "",
        "| | | error | coverage | width | ladders answered |", "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for error, law, kind, ladders_, coverage, width in sorted(rows):
        interval = f"{100 * coverage:.0f} % | {width:.3f}" if np.isfinite(coverage) else "none | none"
        lines.append(f"| {law} | {kind} | {error:.4f} | {interval} | {ladders_} |")
    return [*lines, ""]


def curves() -> list[str]:
    """Every method on all curves of a domain."""
    frame = _read("curves.json")
    lines = ["## Learning curves", "", (
        "The last factor of two of the examples held out; 72 curves of image classification (IC), 5 of translation "
        "(NMT). M1 to M4 and BNSL as published, fitted again. Ours are power laws with a floor on three windows, and "
        "BNSL's form on the whole curve."), "",
        "| | domain | error | median | coverage | width | curves answered | CPU s a curve |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for domain, own in frame.groupby("domain"):
        for method, some in sorted(own.groupby("method"), key=lambda pair: pair[1]["error"].mean()):
            coverage, width = some["coverage"].mean(), some["width"].mean()
            interval = f"{100 * coverage:.0f} % | {width:.3f}" if np.isfinite(coverage) else "none | none"
            lines.append(
                f"| {method} | {domain} | {some['error'].mean():.4f} | {some['error'].median():.4f} | {interval} | "
                f"{some['error'].notna().sum()} of {len(some)} | {some['cpu_s'].mean():.2f} |"
            )
    return [*lines, ""]


def scalebench() -> list[str]:
    """R2 of all data."""
    frame = _read("scalebench.json")
    lines = ["## ScaleBench", "", (
        "The costly region of each task from all of its pool; R2 of the medians, all responses and groups together, "
        "beside what the paper prints for all data (arXiv:2604.22753) and human experts' laws (arXiv:2507.21184)."), "",
        "| task | forecast | R2 | coverage | refused | paper, all data | human |",
        "| --- | --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for task, own in frame.groupby("task", sort=False):
        human = f"{HUMAN[str(task)]:.3f}" if str(task) in HUMAN else "none"
        for _, row in own.sort_values("r2", ascending=False).iterrows():
            lines.append(
                f"| {task} | {row['law']} | {row['r2']:.3f} | {100 * row['coverage']:.0f} % | {row['refused']} of "
                f"{row['points']} | {ALL_DATA[str(task)]:.2f} | {human} |"
            )
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main())
