"""The largest runs of public ladders, forecast from the smaller ones, by each law and by their average.

    python benchmarks/forecast/run.py [--only TEXT] [--law NAME ...] [--hold-out 0.2] [--out DIR]

Of every ladder the largest share by compute is held out; a law is fitted to the rest and forecasts it, believing the
law (`discrepancy=False`) and as `fit.predict` does by default; `average` is `js.average` as it is, which weighs fits of
three laws to the rest, and to those of them that saw more tokens, by what the rest says of each.
Errors are of the median, widths those of 90 % intervals of a new run, both on log loss. Ladders of one source share its
weight. Writes results.md and results.json beside this file, or into DIR; what stands there is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from ladders import ladders
from scoring import SCORES, scores, split

import jaxscale as js

HERE = Path(__file__).parent
PEERS = HERE / "peers.json"
LAWS = ("gadre",)  # besides those of the average


def main() -> int:
    """Measure what is missing, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="ladders whose name holds this")
    parser.add_argument("--law", nargs="*", default=LAWS)
    parser.add_argument("--hold-out", type=float, default=0.2)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "results.json"
    kept = json.loads(file.read_text()) if file.exists() else []
    done = {(r["ladder"], r["hold_out"]) for r in kept}
    for name, runs in sorted(ladders().items(), key=lambda one: len(one[1])):  # those of one size share programs
        if options.only in name and (name, options.hold_out) not in done:
            kept += study(name, runs, options.law, options.hold_out)
            file.write_text(json.dumps(kept, indent=0) + "\n")
            (options.out / "results.md").write_text(page(kept))
    print(page(kept))
    return 0


def study(name: str, runs: pd.DataFrame, laws: list[str], hold_out: float) -> list[dict]:
    """A record a law and way to forecast, of one ladder."""
    train, test, reach = split(runs, hold_out)
    clock = time.process_time()
    found = js.average(train, progress=False)
    alone = {law: js.fit(train, law, progress=False) for law in laws}
    seconds = time.process_time() - clock
    about = {"ladder": name, "hold_out": hold_out, "runs": len(runs), "held_out": len(test), "reach": reach,
             "cpu_s": seconds}  # fmt: skip
    records = []
    at = test[["params", "tokens"]]
    for law, forecast in {**found.fits, **alone, "average": found}.items():
        for discrepancy in (False, True):
            record = scores(forecast.predict(at, discrepancy), test.loss.to_numpy())
            weight = found.weights.get(law)
            records.append({**about, "law": law, "discrepancy": discrepancy, "weight": weight, **record})
    said = {r["law"]: [round(r[s], 4) for s in SCORES] for r in records if r["discrepancy"]}
    print(name, f"{seconds:.0f} CPU s", said, file=sys.stderr, flush=True)
    return records


def page(records: list[dict]) -> str:
    """The results, for people."""
    frame = pd.DataFrame(records)
    frame["source"] = frame["ladder"].str.split("|").str[0]
    lines = ["# Forecasts of the largest runs", ""]
    for hold_out, own in frame.groupby("hold_out"):
        sources = own.groupby("source")["ladder"].nunique()
        counted = ", ".join(f"{s} {n}" for s, n in sources.items())
        lines += [
            f"The top {100 * float(str(hold_out)):.0f} % of compute held out; {sources.sum()} ladders ({counted}), "
            "sources weighted equally.", "",
            "| law | discrepancy | ladders answered | coverage of 90 % | worst ladder | mean width | median width | "
            "log-RMSE |",
            f"|{' --- |' * 8}",
        ]  # fmt: skip
        for _, some in own.groupby(["law", "discrepancy"]):
            law, discrepancy = some["law"].iloc[0], bool(some["discrepancy"].iloc[0])
            good = some.dropna(subset=["coverage"])
            share = 1.0 / good.groupby("source")["ladder"].transform("count").to_numpy(float)
            mean = {s: float(np.average(good[s].to_numpy(float), weights=share)) for s in SCORES}
            lines.append(
                f"| {law} | {'yes' if discrepancy else 'no'} | {len(good)} of {len(some)} | "
                f"{100 * mean['coverage']:.0f} % | {100 * good['coverage'].min():.0f} % | "
                f"{mean['width']:.4f} | {good['width'].median():.4f} | "
                f"{mean['error']:.4f} |"
            )
        lines += ["", *(_beside(own) if PEERS.exists() else [])]
    seconds = frame.drop_duplicates(["ladder", "hold_out"])["cpu_s"].sum()
    lines += [f"{seconds:.0f} CPU s.", ""]
    return "\n".join([*lines, "    python benchmarks/forecast/run.py", "    python benchmarks/forecast/peers.py", ""])


def _beside(frame: pd.DataFrame) -> list[str]:
    """Peers of one split, each on the ladders that it and our average have answered."""
    ours = frame.loc[frame["law"].eq("average") & frame["discrepancy"]]
    ours = ours.dropna(subset=["error"]).set_index(["ladder", "hold_out"])
    lines = [
        "Peers, each on the ladders that it and the average have answered; sources weighted equally.", "",
        "| peer | ladders | log-RMSE | the average's | the average errs less on | coverage of 90 % | mean width | "
        "the average's |", f"|{' --- |' * 8}",
    ]  # fmt: skip
    for peer, some in pd.DataFrame(json.loads(PEERS.read_text())).groupby("law"):
        theirs = some.dropna(subset=["error"]).set_index(["ladder", "hold_out"])
        known = ours[["error", "width", "source"]].rename(columns={"error": "error_ours", "width": "width_ours"})
        both = theirs.join(known, how="inner")
        if both.empty:
            continue
        share = 1.0 / both.groupby("source")["error"].transform("count").to_numpy(float)
        mean = {
            c: float(np.average(both[c].to_numpy(float), weights=share)) for c in (*SCORES, "error_ours", "width_ours")
        }
        won = float(np.mean(both["error_ours"].to_numpy(float) < both["error"].to_numpy(float)))
        interval = (
            f"{100 * mean['coverage']:.0f} % | {mean['width']:.4f}" if np.isfinite(mean["width"]) else "none | none"
        )
        lines.append(
            f"| {peer} | {len(both)} | {mean['error']:.4f} | {mean['error_ours']:.4f} | {100 * won:.0f} % | "
            f"{interval} | {mean['width_ours']:.4f} |"
        )
    return [*lines, ""]


if __name__ == "__main__":
    sys.exit(main())
