"""Does each law find itself again? Tables simulated from the priors, fitted by the whole cascade.

    python benchmarks/recovery/run.py [--tables 64] [--law NAME ...] [--workers 2] [--cache FOLDER] [--until SECONDS]

For every law, `--tables` truths are drawn from the priors of law and noise, at one ordinary design (an even fill of
3.5 decades of each input, or of what an input may be). Counted: fits by stage and status, the share of points at
which the 90 % interval of the curve covers the truth, and the parameters whose posterior is the prior's. A second
part times the point fits of all laws, on one simulated 200-run table each, in one process, compiles included.
Results of a law are kept in the cache folder, so that a rerun does what is missing. `--until` begins no law after that
many seconds, and the page says which are missing. Writes results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import platformdirs

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale.contract.bench import Bench, design, simulated
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door

HERE = Path(__file__).parent
POINTS = 16
TRIALS = 400.0
RUNS = 200  # of a table whose point fit is timed
WEAK = 0.5  # of the fits: a parameter that is the prior's in more cannot be identified on this design


def main() -> None:
    """Study every law in processes of their own, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=64)
    parser.add_argument("--law", nargs="*", default=None, help="some laws; all by default")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path(platformdirs.user_cache_dir("jaxscale")) / "recovery")
    parser.add_argument("--until", type=float, default=float("inf"), help="seconds after which no law is begun")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--points", action="store_true", help="only the timing of point fits, in this process")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(study(options.one, options.tables)))
        return
    if options.points:
        print(json.dumps(timed(options.workers)))
        return
    names = options.law or [law.name for law in js.list_laws()]
    options.cache.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    with ThreadPoolExecutor(options.workers) as pool:
        found = list(pool.map(lambda name: _kept(name, options, begun), names))
    records = [r for r in found if r is not None]
    missing = [name for name, r in zip(names, found, strict=True) if r is None]
    times = None if options.law else json.loads(_run("--points", "--workers", str(options.workers)))
    text = page(records, missing, times, options.tables)
    if not options.law:
        (HERE / "results.md").write_text(text)
    print(text)


def _kept(name: str, options: argparse.Namespace, begun: float) -> dict | None:
    """A law's record, from the cache where its source has not changed; None where there is no time left."""
    file = options.cache / f"{name.replace(':', '_')}-{js.get_law(name).source_hash[:12]}-{options.tables}.json"
    if not file.exists():
        if time.monotonic() - begun > options.until:
            return None
        file.write_text(_run("--one", name, "--tables", str(options.tables)))
        print(file.read_text().strip(), file=sys.stderr, flush=True)
    return json.loads(file.read_text())


def _run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{arguments} failed:\n{done.stderr[-3000:]}")
    return done.stdout.splitlines()[-1]


@at_the_door
def study(name: str, tables: int) -> dict:
    """Simulate, fit and judge one law."""
    law = js.get_law(name)
    bench = Bench(law, seed=0)
    x = design(bench)
    centre = {s: float(v.mean()) if law.inputs[s].axis == "log" else 0.0 for s, v in x.items()}
    lane = {
        "x": x,
        "centre": centre,
        "scale": np.asarray(bench.scale),
        "trials": jnp.full(len(next(iter(x.values()))), TRIALS),
    }
    first, second = jax.random.split(jax.random.key(zlib.crc32(name.encode())))  # laws must not share their luck
    u = jax.vmap(bench.model.draw_prior)(jax.random.split(first, tables))
    keys = jax.random.split(second, tables)
    seen = np.array(jax.jit(jax.vmap(lambda u, key: bench.model.new_runs(u, lane, key)))(u, keys))
    truth = np.asarray(jax.jit(jax.vmap(lambda u: bench.model.mean_at(u, lane)))(u))
    columns = pd.DataFrame(law.by_column(bench.inputs(x)))
    if law.response.trials:
        columns, seen = columns.assign(**{law.response.trials: TRIALS}), np.round(seen * TRIALS)
    if law.response.support == "unit":
        seen = np.clip(seen, 0.0, 1.0)
    clock = time.process_time()
    fits = js.fit_many(
        {str(i): Runs(columns.assign(**{law.response.column: y})) for i, y in enumerate(seen)},
        law=law,
        shard_size=tables,
    )
    spent = time.process_time() - clock
    health = fits.health()
    ok = health["ok"].to_numpy(dtype=bool)
    at = np.random.default_rng(0).choice(len(columns), POINTS, replace=False)
    forecast = fits.predict(columns.iloc[at].reset_index(drop=True))
    covered = []
    for i, (_, rows) in enumerate(forecast.groupby("fit", sort=False)):
        if ok[i]:
            real = truth[i, at]
            covered.append((rows["q05"].to_numpy() <= real) & (real <= rows["q95"].to_numpy()))
    weak = Counter(p for names in health["prior_dominated"][ok] for p in names)
    return {
        "law": name, "runs": len(columns), "parameters": len(law.free), "tables": tables, "ok": int(ok.sum()),
        "stages": dict(Counter(health["method"][ok])), "codes": dict(Counter(health["code"][~ok])),
        "coverage": float(np.mean(covered)) if covered else None,
        "weak": {p: c / max(1, int(ok.sum())) for p, c in weak.items()}, "cpu_s": spent,
    }  # fmt: skip


def timed(workers: int) -> dict:
    """Seconds of one point fit a law, in this process, compiles included and none of them cached."""
    os.environ["JAXSCALE_CACHE"] = "off"
    clock, laws = (time.perf_counter(), time.process_time()), js.list_laws()
    with ThreadPoolExecutor(workers) as pool:
        ok = list(pool.map(_point, laws))
    wall, cpu = time.perf_counter() - clock[0], time.process_time() - clock[1]
    failed = [law.name for law, reached in zip(laws, ok, strict=True) if not reached]
    return {"laws": len(laws), "wall_s": wall, "cpu_s": cpu, "failed": failed, "workers": workers}


def _point(law: js.Law) -> bool:
    """Whether the point fit of one simulated table reached its optimum."""
    bench, rng = Bench(law, seed=0), np.random.default_rng(0)
    truth = {p: float(v[0]) for p, v in bench.params.items()}
    x = {s: bench.placed(s, rng.uniform(-0.6, 0.6, RUNS), 4.0, rng) for s in law.inputs}
    return js.fit(simulated(bench, x, truth, 0.01), law, method="point", progress=False).status.ok


def page(records: list[dict], missing: list[str], times: dict | None, tables: int) -> str:
    """The results, for people."""
    fits = sum(r["ok"] for r in records)
    pooled = sum(r["coverage"] * r["ok"] for r in records if r["ok"]) / max(1, fits)
    absent = f" Not studied for want of time: {', '.join(missing)}." if missing else ""
    weak = {r["law"]: [p for p, share in r["weak"].items() if share > WEAK] for r in records}
    weak = {law: names for law, names in weak.items() if names}
    lines = [
        "# Every law finds itself again", "",
        f"{tables} tables a law, truths from the priors of law and noise. Of {sum(r['tables'] for r in records)} fits "
        f"{fits} passed their gate; their 90 % intervals of the curve cover {100 * pooled:.1f} % pooled. Tables that "
        f"cannot be read are those whose scatter went below what the response may be.{absent}", "",
        "| law | runs | parameters | ok | by stage | refused | coverage | CPU s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for r in records:
        stages = ", ".join(f"{k} {v}" for k, v in r["stages"].items())
        codes = ", ".join(f"{k} {v}" for k, v in r["codes"].items())
        coverage = f"{100 * r['coverage']:.0f} %" if r["coverage"] is not None else ""
        lines.append(
            f"| {r['law']} | {r['runs']} | {r['parameters']} | {r['ok']} of {r['tables']} | {stages} | {codes} | "
            f"{coverage} | {r['cpu_s']:.0f} |"
        )
    lines += [
        "", "## Parameters that such a design does not identify", "",
        f"Their posterior is about as wide as their prior in more than {100 * WEAK:.0f} % of the fits; `jaxscale "
        "doctor` and every fit's notes say so.", "", "| law | parameters |", "| --- | --- |",
        *(f"| {law} | {', '.join(names)} |" for law, names in weak.items()),
    ]  # fmt: skip
    if times:
        failed = f"; no optimum for {', '.join(times['failed'])}" if times["failed"] else ""
        lines += [
            "", "## Point fits of all laws in one process", "",
            f"{times['laws']} laws, one simulated table of {RUNS} runs each, on {times['workers']} threads, compiles "
            f"included: {times['wall_s']:.0f} s ({times['cpu_s']:.0f} CPU s){failed}.",
        ]  # fmt: skip
    return "\n".join([*lines, "", "    python benchmarks/recovery/run.py", ""])


if __name__ == "__main__":
    main()
