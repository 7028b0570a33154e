"""Many tables straight through: seconds and peak memory of 1 000, 10 000 and 100 000 fits, files written.

    python benchmarks/speed/through.py [--points 1000 10000 100000] [--posteriors 1000 10000] [--n 60]

Each size runs in a process of its own, from one Parquet file of all runs to a folder of results, so that its peak
memory is its own. Memory should grow by the table's own size alone. Writes through.md and through.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from clock import Clock
from tables import TRUTH

HERE = Path(__file__).parent
NU = 4.0


def main() -> None:
    """Measure each size in a fresh process, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--posteriors", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--n", type=int, default=60, help="runs in a table")
    parser.add_argument("--one", nargs=2, metavar=("METHOD", "TABLES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(one(options.one[0], int(options.one[1]), options.n)))
        return
    wanted = [("point", k) for k in options.points] + [("auto", k) for k in options.posteriors]
    records = []
    for method, count in wanted:
        command = [sys.executable, __file__, "--n", str(options.n), "--one", method, str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        records.append(json.loads(done.stdout.splitlines()[-1]))
        print(records[-1], file=sys.stderr, flush=True)
    (HERE / "through.json").write_text(json.dumps(records, indent=1) + "\n")
    (HERE / "through.md").write_text(page(records, options.n))
    print(page(records, options.n))


def one(method: str, count: int, n: int) -> dict:
    """Fit `count` simulated tables of `n` runs by one call."""
    import jaxscale as js

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tables.parquet"
        simulated(count, n).to_parquet(file)
        warm = js.read_runs(simulated(8, n), group="table")
        js.fit_many(warm, law="chinchilla", method=method)
        before, clock = peak(), Clock()
        fits = js.fit_many(js.read_runs(file, group="table"), law="chinchilla", method=method, out=Path(folder) / "out")
        spent = clock.read()
        status = fits.status()
        size = sum(f.stat().st_size for f in (Path(folder) / "out").rglob("*") if f.is_file())
        ok = int(status["ok"].to_numpy(dtype=bool).sum())
    return {
        "method": method, "tables": count, **spent, "ok": ok, "before_gib": before, "peak_gib": peak(),
        "written_gib": size / 2**30,
    }  # fmt: skip


def simulated(count: int, n: int) -> pd.DataFrame:
    """`count` tables of `n` runs, 1 % Student-t errors, as one frame."""
    rng = np.random.default_rng(count)
    params, tokens = 10 ** rng.uniform(7.6, 10.2, count * n), 10 ** rng.uniform(9.0, 12.0, count * n)
    mean = TRUTH["E"] + TRUTH["A"] / params ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]
    loss = mean * np.exp(0.01 * rng.standard_t(NU, count * n))
    table = np.repeat([f"table {i}" for i in range(count)], n)
    return pd.DataFrame({"table": table, "params": params, "tokens": tokens, "loss": loss})


def peak() -> float:
    """Most memory this process has held, GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def page(records: list[dict], n: int) -> str:
    """The results, for people."""
    lines = [
        f"# Straight through: simulated tables of {n} runs on {os.cpu_count()} cores, files written", "",
        "| method | tables | ok | wall s | CPU ms a fit | peak memory GiB | of it before | written GiB |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for r in records:
        each = 1e3 * r["cpu_s"] / r["tables"]
        lines.append(
            f"| {r['method']} | {r['tables']} | {r['ok']} | {r['wall_s']:.1f} | {each:.2f} | {r['peak_gib']:.2f} | "
            f"{r['before_gib']:.2f} | {r['written_gib']:.2f} |"
        )
    return "\n".join([*lines, "", "    python benchmarks/speed/through.py", ""])


if __name__ == "__main__":
    main()
