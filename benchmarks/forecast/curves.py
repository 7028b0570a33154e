"""Learning curves of error against examples, the part beyond a threshold forecast from the part before it.

    python benchmarks/forecast/curves.py [--method NAME ...] [--domain IC NMT] [--out DIR]

Curves and split are those of Alabdulmohsin et al. (arXiv 2209.06640): 72 of image classification, 5 of translation.
Their estimators and BNSL are fitted again; ours are power laws on windows of a curve and BNSL's posterior mode on all
of it (windows.py), with an interval. Errors are of the median, on the logarithm. Writes curves.md and curves.json
beside this file, or into DIR; what stands there is not computed again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from broken import bnsl
from estimators import m1, m2_and_m4, m3, padded, value
from scoring import scores
from windows import windows

HERE = Path(__file__).parent
ROOFS = {"IC": 1.0, "NMT": None}  # an error rate is at most one; the authors' setting
ALONE = {"M1": m1, "M3": m3, "BNSL": bnsl}
TOGETHER = ("M2", "M4")
METHODS = ("M1", "M2", "M3", "M4", "BNSL", "ours")
DECIMALS = 3  # to which curves are won, as in the paper
# Table 2 of the paper; rows 1 and 4 share three numbers there, so that row 4 is left out
PUBLISHED = {
    "6 Enc, 6 Dec": (0.26, 0.039, 0.089, 0.010),
    "28 Enc, 6 Dec": (0.17, 0.056, 0.033, 0.013),
    "6 Enc, 28 Dec": (0.23, 0.053, 0.016, 0.030),
    "TEnc-LSTM": (0.19, 0.013, 0.062, 0.012),
}
Points = dict[str, tuple[np.ndarray, np.ndarray]]


def main() -> int:
    """Measure what is missing, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", nargs="*", default=list(METHODS), choices=METHODS)
    parser.add_argument("--domain", nargs="*", default=list(ROOFS), choices=list(ROOFS))
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "curves.json"
    kept = json.loads(file.read_text()) if file.exists() else []
    for domain in options.domain:
        train, test = curves(domain)
        for method in options.method:
            if any(r["domain"] == domain and r["method"] == method for r in kept):
                continue
            clock = time.process_time()
            found = forecast(method, domain, train, test)
            seconds = (time.process_time() - clock) / len(train)
            for name, tables in found.items():
                kept = [r for r in kept if (r["domain"], r["method"]) != (domain, name)]
                kept += records(domain, name, tables, test, seconds)
            file.write_text(json.dumps(kept, indent=0) + "\n")
            (options.out / "curves.md").write_text(page(kept))
    print(page(kept))
    return 0


def curves(domain: str) -> tuple[Points, Points]:
    """Training and held-out points of every curve, by rising x."""
    root = os.environ.get("JAXSCALE_DATA", "")
    if not root or not Path(root).is_dir():
        raise SystemExit("JAXSCALE_DATA names no folder of tables")
    runs: Any = pd.read_csv(Path(root) / f"revisiting_nsl_{domain.lower()}" / "runs.csv").sort_values("seen_examples")
    train, test = (
        {str(c): (g["seen_examples"].to_numpy(float), g["loss"].to_numpy(float)) for c, g in some.groupby("curve_id")}
        for some in (runs[runs["split"] == "train"], runs[runs["split"] == "test"])
    )
    return train, test


def forecast(method: str, domain: str, train: Points, test: Points) -> dict[str, dict[str, pd.DataFrame]]:
    """Method -> curve -> forecast."""
    if method == "ours":
        return {method: windows(train, test)}
    if method in TOGETHER:
        fitted = m2_and_m4(padded(list(train.values())), method, ROOFS[domain])
        return {method: estimated(fitted, train, test)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {method: {c: _point(ALONE[method](*train[c], test[c][0])) for c in train}}


def estimated(fitted: dict[str, np.ndarray], train: Points, test: Points) -> dict[str, pd.DataFrame]:
    """Curve -> forecast by the parameters of M2 or M4."""
    one = ({k: float(v[i]) for k, v in fitted.items()} for i in range(len(train)))
    return {c: _point(value(params, test[c][0])) for c, params in zip(train, one, strict=True)}


def records(domain: str, method: str, tables: dict[str, pd.DataFrame], test: Points, seconds: float) -> list[dict]:
    """A record a curve."""
    blank = _point(np.full(1, np.nan))
    return [
        {"domain": domain, "curve": c, "method": method, "held_out": len(y), "cpu_s": seconds}
        | scores(tables.get(c, blank), y)
        for c, (_, y) in test.items()
    ]


def page(kept: list[dict]) -> str:
    """The results, for people."""
    frame: Any = pd.DataFrame(kept)  # pandas' own types say too little of selections
    lines = ["# Learning curves forecast a factor of two ahead", ""]
    for domain, own in frame.groupby("domain", sort=False):
        wide = own.pivot_table(index="curve", columns="method", values="error", dropna=False)
        wide = wide[[m for m in METHODS if m in wide]]
        among = list(wide)
        cut = np.floor(wide[among].fillna(1.0) * 10**DECIMALS)
        won = cut.eq(cut.min(axis=1), axis=0)
        won = won.div(won.sum(axis=1), axis=0).mean()
        lines += [
            f"{domain}: {len(wide)} curves. `won` is the share of curves on which a method errs least, ties "
            "shared.", "",
            "| method | answered | mean log-RMSE | median | won | beats M4 | beats BNSL | coverage of 90 % | width | "
            "CPU s a curve |",
            f"|{' --- |' * 10}",
        ]  # fmt: skip
        for method in wide.columns:
            some = own[own["method"] == method]
            better = {m: _share(wide[method], wide[m]) if m in wide and m != method else "" for m in ("M4", "BNSL")}
            interval = some["coverage"].notna().any()
            lines.append(
                f"| {method} | {some['error'].notna().sum()} | {some['error'].mean():.4f} | "
                f"{some['error'].median():.4f} | {f'{100 * won[method]:.0f} %' if method in won else ''} | "
                f"{better['M4']} | {better['BNSL']} | {f'{100 * some.coverage.mean():.0f} %' if interval else ''} | "
                f"{f'{some.width.median():.3f}' if interval else ''} | {some['cpu_s'].mean():.2f} |"
            )
        lines.append("")
    return "\n".join([*lines, *_refits(frame), "    python benchmarks/forecast/curves.py", ""])


def _share(ours: Any, theirs: Any) -> str:
    return f"{100 * (ours < theirs.fillna(np.inf)).mean():.0f} %"


def _refits(frame: Any) -> list[str]:
    """The paper's table beside what its estimators gave here."""
    own = frame[frame["domain"] == "NMT"].copy()
    own["model"] = own["curve"].str.split("|").str[-1]
    there = [m for m in ("M1", "M2", "M3", "M4") if m in set(own["method"])]
    lines = ["Translation, log-RMSE as published / as refitted:", "", f"| model | {' | '.join(there)} |"]
    lines.append(f"|{' --- |' * (len(there) + 1)}")
    for model, published in PUBLISHED.items():
        here = own[own["model"] == model].set_index("method")["error"]
        cells = [
            f"{p:.3f} / {here[m]:.3f}" for m, p in zip(("M1", "M2", "M3", "M4"), published, strict=True) if m in here
        ]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return [*lines, ""]


def _point(middle: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"q50": middle, "new_q05": np.nan, "new_q95": np.nan})


if __name__ == "__main__":
    sys.exit(main())
