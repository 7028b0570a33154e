"""Leave families out: a new family's forecast from a few small runs, pooled, unpooled and by the population alone.

    python benchmarks/pooling/run.py [--only NAME] [--runs 3 4 6] [--folds 5] [--out DIR]

The families of a table are dealt into folds. Those of one fold keep only their first few small runs; the others keep
up to fifteen. Forecast is the loss of each new family's largest run. `pooled` is `fit_pooled` of all of them,
`unpooled` the same model of the new family by itself, under the law's own priors, and `population` a group drawn from
the population that the other families have. Tables are read from the folder that JAXSCALE_DATA names. Writes results.md
and results.json beside this file, or into DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale.batch import Table, keys_of
from jaxscale.engine.tables import read_tables
from jaxscale.forecast import drawn, inputs_at, point_forecast, summarised
from jaxscale.infer import cascade
from jaxscale.noise import get_noise
from jaxscale.pooled import member_of, shared_lanes, trials_of
from jaxscale.runtime import at_the_door

HERE = Path(__file__).parent
MOST = 15  # runs of a family that is known
SOME = (3, 4, 6)  # runs of a new one
SMALL = 0.05  # of the largest run's compute (or data), below which a run is small


def folder() -> Path:
    """The mirror of public tables."""
    found = os.environ.get("JAXSCALE_DATA", "")
    if not Path(found).is_dir() or not found:
        raise SystemExit("JAXSCALE_DATA names no folder of tables")
    return Path(found)


def gemstones() -> tuple[pd.DataFrame, dict]:
    """22 shapes, one training of each at a constant rate: loss by tokens."""
    frame = pd.read_csv(folder() / "gemstones" / "runs.csv")
    frame = frame[frame.phase == "hot_to_100b"]
    frame = frame.assign(family=frame.run, size=frame.tokens)
    return pd.DataFrame(frame[["family", "size", "tokens", "loss"]]), {"m": "tokens"}


def porian() -> tuple[pd.DataFrame, dict]:
    """15 recipes, isoFLOP points of each: loss by size and tokens."""
    frame = pd.read_csv(folder() / "porian_isoflop" / "runs.csv")
    frame = frame.assign(family=frame.experiment, size=frame.flops)
    return pd.DataFrame(frame[["family", "size", "params", "tokens", "loss"]]), {"N": "params", "D": "tokens"}


def fine_tuning() -> tuple[pd.DataFrame, dict]:
    """30 language models fine-tuned on FLAN: loss by examples."""
    frame = pd.read_csv(folder() / "sft_rectified" / "runs.csv")
    frame = frame[(frame.dataset == "flan") & (frame.finetune_examples > 0)]
    frame = frame.assign(family=frame.base_model, size=frame.finetune_examples, loss=frame.test_loss)
    return pd.DataFrame(frame[["family", "size", "finetune_examples", "loss"]]), {"D": "finetune_examples"}


def misfitting() -> tuple[pd.DataFrame, dict]:
    """Eight sizes of model, each trained for several lengths at its best learning rate: loss by tokens."""
    frame = pd.read_csv(folder() / "misfitting" / "runs.csv")
    final = pd.DataFrame(frame[frame.is_final == 1]).sort_values(by="loss")
    frame = final.groupby(["model", "total_steps"], as_index=False).first()
    frame = pd.DataFrame(frame[frame.model.map(frame.model.value_counts()) > max(SOME)])
    frame = frame.assign(family=frame.model, size=frame.tokens)
    return pd.DataFrame(frame[["family", "size", "tokens", "loss"]]), {"m": "tokens"}


def evaluations() -> tuple[pd.DataFrame, dict]:
    """15 evaluations (losses of six corpora, bits per byte of nine tasks) of one ladder: by size and tokens."""
    frame = pd.read_csv(folder() / "olmo_ladder" / "runs.csv")
    frame = frame[(frame.is_last == 1) & ~frame.run.str.contains("rerun")]
    seen = [c for c in frame.columns if c.startswith(("loss_", "bpb_")) and c != "bpb_mmlu"]
    frame = frame.melt(["params", "tokens"], seen, "family", "loss").dropna()
    frame = frame.assign(size=frame.params * frame.tokens)
    return pd.DataFrame(frame[["family", "size", "params", "tokens", "loss"]]), {"N": "params", "D": "tokens"}


@dataclass(frozen=True)
class Setting:
    """How a table is read and fitted. The noise is Student-t where chains converge under it, and else normal."""

    read: Callable[[], tuple[pd.DataFrame, dict]]
    law: str
    noise: str
    priors: dict = field(default_factory=dict)


TABLES = {
    "gemstones": Setting(gemstones, "hestness", "normal"),
    "misfitting": Setting(misfitting, "hestness", "student_t"),
    "olmo_ladder": Setting(evaluations, "chinchilla", "normal"),
    "porian_isoflop": Setting(porian, "chinchilla", "normal"),
    "sft_rectified": Setting(fine_tuning, "rectified_ft", "student_t", {"E": 0.0}),
}


def main() -> int:
    """Measure, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(TABLES))
    parser.add_argument("--runs", type=int, nargs="*", default=SOME)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    file = options.out / "results.json"
    options.out.mkdir(parents=True, exist_ok=True)
    kept = json.loads(file.read_text()) if file.exists() else []
    for name in [options.only] if options.only else TABLES:
        kept = [r for r in kept if r["table"] != name]
        for record in study(name, options.runs, options.folds):
            kept.append(record)
            file.write_text(json.dumps(kept, indent=1) + "\n")
            (options.out / "results.md").write_text(page(kept))
    print(page(kept))
    return 0


def study(name: str, counts: list[int], folds: int):
    """One record a fold and number of runs."""
    setting = TABLES[name]
    frame, columns = setting.read()
    families = sorted(frame.family.unique())
    rng = np.random.default_rng(0)
    order = list(rng.permutation(families))
    for fold in range(folds):
        new = order[fold::folds]
        known = {f: known_runs(frame.loc[frame.family == f]) for f in families if f not in new}
        alone = pooled_fit(known, columns, setting)
        for count in counts:
            few = {f: small_runs(frame.loc[frame.family == f], count) for f in new}
            yield record(name, columns, frame, fold, count, known, few, alone)


def known_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """Evenly over compute, largest included."""
    rows = rows.sort_values("size", kind="stable")
    return rows.iloc[np.unique(np.linspace(0, len(rows) - 1, MOST).round().astype(int))]


def small_runs(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """As many of the small ones, evenly; where few are small, the smallest."""
    rows = rows.sort_values("size", kind="stable")
    size = rows["size"].to_numpy(float)
    small = max(count, int(np.sum(size <= SMALL * size.max())))
    return rows.iloc[np.unique(np.linspace(0, small - 1, count).round().astype(int))]


def runs_of(tables: dict[str, pd.DataFrame], columns: dict) -> js.Runs:
    """All families as one table."""
    frame = pd.concat(tables.values(), ignore_index=True).drop(columns="size")
    return js.read_runs(frame, columns=columns, group="family")


def pooled_fit(tables: dict[str, pd.DataFrame], columns: dict, setting: Setting) -> js.Pooled:
    """The joint fit."""
    return js.fit_pooled(runs_of(tables, columns), setting.law, setting.noise, priors=setting.priors)


def record(name, columns, frame, fold, count, known, few, alone) -> dict:
    """Forecasts of the new families' largest runs, three ways."""
    setting = TABLES[name]
    clock = time.perf_counter()
    together = pooled_fit(known | few, columns, setting)
    seconds = time.perf_counter() - clock
    rows = []
    alone_fits = unpooled(known | few, columns, setting, list(few))
    for family in few:
        target = frame[frame.family == family].sort_values("size", kind="stable").iloc[[-1]]
        at = {symbol: target[column].to_numpy() for symbol, column in columns.items()}
        truth = float(target["loss"].to_numpy()[0])
        reach = float(target["size"].to_numpy()[0] / few[family]["size"].to_numpy().max())
        row = {"family": family, "truth": truth, "reach": reach}
        pooled = together.predict(at).set_index("group").loc[family]
        population = alone.predict(at, new_group=True).set_index("group").loc["new group"]
        for method, found in (("pooled", pooled), ("population", population), ("unpooled", alone_fits(family, at))):
            row[method] = [float(np.asarray(found[c])) for c in ("q50", "new_q05", "new_q95")]
        rows.append(row)
    print(name, fold, count, f"{seconds:.0f} s", together.population_status, flush=True)
    status = together.population_status
    return {"table": name, "law": setting.law, "noise": setting.noise,
            "fold": fold, "runs": count, "seconds": seconds, "groups": len(together),
            "ok": bool(status.ok), "status": str(status), "rows": rows}  # fmt: skip


@at_the_door
def unpooled(tables, columns, setting, new):
    """Each new family by itself, under the law's priors, though `fit` would refuse so few runs; the mode where its
    posterior fails the gate."""
    law = js.get_law(setting.law).with_priors(setting.priors)
    member = member_of(law, get_noise(setting.noise, law.response), None)
    everything = read_tables(runs_of(tables, columns), law, member.noise)
    read = {name: table for name, table in everything.items() if isinstance(table, Table)}
    lanes = [lane for name, lane in zip(read, shared_lanes(member, read), strict=True) if name in new]
    names = [name for name in read if name in new]
    # without the slow last stages, which four runs would nearly always come to
    found = cascade.sample(member.alone, lanes, keys_of(0, names), method="hmc")

    def predict(family: str, at: dict) -> pd.Series:
        i = names.index(family)
        inputs, _ = inputs_at(law, at)
        if not found.status[i].ok:  # the mode, and no interval
            point = dict(zip(member.params, found.point.values[i], strict=True))
            mode = at_the_door(point_forecast)(law, inputs, point)["mean"].iloc[0]
            return pd.Series([mode, np.nan, np.nan], index=["q50", "new_q05", "new_q95"])
        draws = dict(zip(member.params, found.values[i].T, strict=True))
        return summarised(*at_the_door(drawn)(law, member.noise, inputs, draws, trials_of(read.values()), 0)).iloc[0]

    return predict


def page(records: list[dict]) -> str:
    """The results, for people."""
    lines = [
        "# A new family from a few small runs", "",
        "Log-RMSE of the median forecast at each new family's largest run, and the share of 90 % intervals of a new "
        "run that hold it. `reach` is the largest run over the largest of the few, the median. A method counts where "
        "its posterior passed its gate; `answered` says how often. Where it did not, unpooled forecasts are the mode's "
        "and have no interval. Log-RMSE is over families with all three forecasts.",
        "",
        "| table | law | noise | runs | new families | reach | pooled | unpooled | population | pooled / unpooled | "
        "coverage pooled, unpooled, population | answered | s a pooled fit |",
        f"|{' --- |' * 13}",
    ]  # fmt: skip
    keys = sorted({(r["table"], r["runs"]) for r in records})
    for table, runs in keys:
        some = [r for r in records if r["table"] == table and r["runs"] == runs]
        rows = [row for r in some for row in r["rows"]]
        methods = ("pooled", "unpooled", "population")
        values = {m: np.array([row[m] for row in rows]) for m in methods}
        truth = np.array([row["truth"] for row in rows])
        there = {m: np.isfinite(values[m][:, 0]) for m in methods}
        judged = {m: np.isfinite(values[m][:, 1]) for m in methods}
        both = np.logical_and.reduce(list(there.values()))
        rmse = {m: float(np.sqrt(np.mean(np.log(values[m][both, 0] / truth[both]) ** 2))) if both.any() else np.nan
                for m in methods}  # fmt: skip
        inside = [
            f"{np.mean((values[m][k, 1] <= truth[k]) & (truth[k] <= values[m][k, 2])):.2f}" if (k := judged[m]).any()
            else "-" for m in methods
        ]  # fmt: skip
        lines.append(
            f"| {table} | {some[0]['law']} | {some[0]['noise']} | {runs} | {len(rows)} | "
            f"{np.median([row['reach'] for row in rows]):.0f} | "
            + " | ".join(f"{rmse[m]:.4f}" for m in methods)
            + f" | {rmse['pooled'] / rmse['unpooled']:.2f} | {', '.join(inside)} | "
            + ", ".join(f"{np.mean(judged[m]):.2f}" for m in methods)
            + f" | {np.median([r['seconds'] for r in some]):.0f} |"
        )
    dealt = "; ".join(f"{t}: {1 + max(r['fold'] for r in records if r['table'] == t)} folds" for t in sorted(
        {r["table"] for r in records}))  # fmt: skip
    return "\n".join(
        [
            *lines,
            "",
            f"Fixed: E = 0 in sft_rectified. {dealt}.",
            "",
            "    python benchmarks/pooling/run.py",
            "",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
