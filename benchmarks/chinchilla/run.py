"""The 245 Chinchilla runs, nothing trimmed: our answer beside least squares, Huber and the published one.

    python benchmarks/chinchilla/run.py        # needs JAXSCALE_DATA, or downloads the table by hash

Writes results.md beside this file and docs/images/chinchilla_optimum.svg.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale.readers import read_runs

HERE = Path(__file__).parent
IMAGE = HERE.parents[1] / "docs" / "images" / "chinchilla_optimum.svg"
BUDGET = 5.76e23
TRIMMED = "excluded_by_besiroglu == 0"
PUBLISHED = {"E": 1.8172, "A": 477.84, "alpha": 0.34731, "B": 2143.86, "beta": 0.36718}  # the notebook's Huber fit
STANDARD_ERROR = {"E": 0.02566, "A": 124.52, "alpha": 0.01540, "B": 1293.28, "beta": 0.02060}
TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}


def optimum(fit: js.Fit) -> dict[str, float]:
    """N* in billions."""
    row = js.plan(fit, BUDGET).summary().loc["N"] / 1e9
    return {k: float(row[k]) for k in ("q05", "q50", "q95")}


def optima(runs: js.Runs, trimmed: js.Runs) -> pd.DataFrame:
    """N* by method, on all rows and on the hand-trimmed ones."""
    rows = []
    for name, table in (("all 245 runs", runs), ("240 hand-trimmed", trimmed)):
        for label, options in {
            "least squares": {"noise": "least_squares"},
            "Huber 1e-3": {"noise": "huber"},
            "Huber 1e-3, bootstrap": {"noise": "huber", "method": "bootstrap", "draws": 1000},
            "Student-t posterior": {},
        }.items():
            clock = time.process_time()
            fit = js.fit(table, "chinchilla", **options)  # pyright: ignore[reportArgumentType]
            found = optimum(fit)
            rows.append({"rows": name, "method": label, **found, "cpu_s": time.process_time() - clock})
    return pd.DataFrame(rows)


def spreads(trimmed: js.Runs, runs: js.Runs) -> pd.DataFrame:
    """Standard errors: published, our bootstrap of the same fit, and posteriors."""
    huber = js.fit(trimmed, "chinchilla", noise="huber", method="bootstrap", draws=2000)
    draws, point = huber.draws(), huber.point
    ours, all_rows = js.fit(trimmed, "chinchilla"), js.fit(runs, "chinchilla")
    rows = []
    for p in ("E", "A", "alpha", "B", "beta"):
        middle = np.quantile(draws[p], [0.25, 0.75])
        rows.append(
            {
                "parameter": p,
                "published": PUBLISHED[p],
                "huber": point[p],
                "published_se": STANDARD_ERROR[p],
                "bootstrap_se": draws[p].std(ddof=1),
                "bootstrap_iqr_se": (middle[1] - middle[0]) / 1.349,
                "posterior_sd_240": ours.draws()[p].std(ddof=1),
                "posterior_sd_245": all_rows.draws()[p].std(ddof=1),
            }
        )
    return pd.DataFrame(rows).set_index("parameter")


def agreement(runs: js.Runs) -> pd.DataFrame:
    """The cascade beside NUTS, on the real table and three simulated ones."""
    tables = {"chinchilla_epoch (245)": runs}
    for n in (30, 100, 245):
        rng = np.random.default_rng(n)
        inputs = {"N": 10 ** rng.uniform(7.6, 10.2, n), "D": 10 ** rng.uniform(9, 12, n)}
        tables[f"simulated ({n})"] = js.simulate("chinchilla", TRUTH, inputs, sd=0.01, seed=n)
    rows = []
    for name, table in tables.items():
        ours, reference = js.fit(table, draws=24000), js.fit(table, method="nuts", draws=32000, seed=1)
        a, b = transformed(ours), transformed(reference)
        shift = {p: (a[p].mean() - b[p].mean()) / b[p].std() for p in a}
        ratio = {p: a[p].std() / b[p].std() for p in a}
        rows.append(
            {
                "table": name,
                "ours": f"{ours.health.method}, {ours.health.ess_bulk:.0f} / {ours.health.ess_tail:.0f}",
                "nuts": f"{reference.health.ess_bulk:.0f} / {reference.health.ess_tail:.0f}",
                "largest_shift_sd": max(map(abs, shift.values())),
                "sd_ratio_low": min(ratio.values()),
                "sd_ratio_high": max(ratio.values()),
            }
        )
    return pd.DataFrame(rows)


def transformed(fit: js.Fit) -> dict[str, np.ndarray]:
    """Draws of amounts and scales in logs, where their posteriors are near normal."""
    logs = ("A", "B", "sigma", "nu")
    return {(f"log {p}" if p in logs else p): (np.log(v) if p in logs else v) for p, v in fit.draws().items()}


def invariance(trimmed: js.Runs) -> pd.DataFrame:
    """The same Huber fit under other units, orders and starts: largest relative change of a parameter."""
    base = js.fit(trimmed, noise="huber").point
    frame = trimmed.table[["params", "tokens", "loss"]]
    changes = {"rows reversed": js.fit(frame.iloc[::-1].reset_index(drop=True), noise="huber").point}
    scaled = frame.assign(params=frame["params"] / 1e9, tokens=frame["tokens"] / 1e9)
    billions = js.fit(read_runs(scaled, units={"params": "B", "tokens": "B"}), noise="huber").point
    changes["params and tokens in billions"] = billions
    rows = [{"change": k, "relative": max(abs(v[p] / base[p] - 1) for p in PUBLISHED)} for k, v in changes.items()]
    seeds = [js.fit(trimmed, noise="huber", seed=s).point for s in range(100)]
    rows.append({"change": "100 seeds", "relative": max(abs(s[p] / base[p] - 1) for s in seeds for p in PUBLISHED)})
    return pd.DataFrame(rows)


def main() -> None:
    """Run everything, print it, write it down."""
    runs = js.datasets.load("chinchilla_epoch")
    trimmed = js.datasets.load("chinchilla_epoch", where=TRIMMED)
    parts = {
        "Compute-optimal parameters (billions) at 5.76e23 FLOP": optima(runs, trimmed),
        "Standard errors on the 240 trimmed runs": spreads(trimmed, runs).reset_index(),
        "Agreement with NUTS (effective draws: bulk / tail)": agreement(runs),
        "Invariance of the Huber fit": invariance(trimmed),
    }
    text = "# Chinchilla's runs, replicated\n\nWritten by `python benchmarks/chinchilla/run.py`.\n"
    for title, table in parts.items():
        rounded = table.map(lambda v: f"{v:.4g}" if isinstance(v, float) else str(v))
        lines = [
            "| " + " | ".join(map(str, r)) + " |"
            for r in [rounded.columns, ["---"] * rounded.shape[1], *rounded.values]
        ]
        text += f"\n## {title}\n\n" + "\n".join(lines) + "\n"
    (HERE / "results.md").write_text(text)
    print(text)
    picture(next(iter(parts.values())))


def picture(table: pd.DataFrame) -> None:
    """The README's figure."""
    from jaxscale.report import plots

    every = table[table["rows"] == "all 245 runs"].set_index("method")
    hand = table[table["rows"] != "all 245 runs"].set_index("method")
    rows = [
        {"label": "least squares", "q50": every.loc["least squares", "q50"], "remark": "all 245 runs"},
        {"label": "Huber 1e-3", "q50": every.loc["Huber 1e-3", "q50"], "remark": "all 245 runs"},
        {"label": "jaxscale: Student-t posterior", **every.loc["Student-t posterior", ["q05", "q50", "q95"]].to_dict(),
         "remark": "all 245 runs, default settings"},
        {"label": "Huber 1e-3, five runs removed by hand", "q50": hand.loc["Huber 1e-3", "q50"], "remark": "240 runs"},
    ]  # fmt: skip
    scaled = [r | {k: r[k] * 1e9 for k in ("q05", "q50", "q95") if k in r} for r in rows]
    figure = plots.comparison(scaled, xlabel="compute-optimal parameters at Chinchilla's budget (5.76e23 FLOP)")
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(IMAGE)


if __name__ == "__main__":
    main()
