"""jaxscale's side of the comparison: many tables by one call, in three kinds of fit."""

from __future__ import annotations

from typing import Any

import pandas as pd
from clock import Clock
from tables import table

import jaxscale as js

KINDS: dict[str, dict[str, Any]] = {
    "posterior": {},
    "point": {"method": "point"},
    "huber": {"noise": "huber", "method": "point"},
}
JUDGED = ("E", "alpha", "beta", "sigma")  # as for the peers: sigma is the scale of the noise
COMPARED = ("E", "alpha", "beta")


def read(count: int, n: int, narrow: bool, dirty: bool) -> dict[str, js.Runs]:
    """Tables 0 to count - 1, by number."""
    tables = {}
    for i in range(count):
        columns = zip(("params", "tokens", "loss"), table(i, n, narrow=narrow, dirty=dirty), strict=True)
        tables[str(i)] = js.read_runs(pd.DataFrame(dict(columns)))
    return tables


def measure(kind: str, tables: dict[str, js.Runs], keep: int = 0) -> dict:
    """One call for all tables: seconds, fits that are ok, effective draws of these, and what the first `keep` found.

    The effective draws of a fit are the fewest among the judged parameters. A fit that failed its gate costs its
    seconds and brings none.
    """
    clock = Clock()
    fits = js.fit_many(tables, law="chinchilla", **KINDS[kind])
    status: Any = fits.status().astype({"ok": bool})
    record = {"kind": kind, "fits": len(tables), **clock.read(), "ok": int(status["ok"].sum())}
    record["methods"] = {str(k): int(v) for k, v in status["method"].value_counts().items()}
    if kind == "posterior":
        summary: Any = fits.summary()
        judged = summary[summary["parameter"].isin(JUDGED) & summary["fit"].isin(status.index[status["ok"]])]
        fewest = judged.groupby("fit")[["ess_bulk", "ess_tail"]].min()
        record |= {f"{k}_sum": float(fewest[k].sum()) for k in fewest}
        found = summary[summary["parameter"].isin(COMPARED)].set_index(["fit", "parameter"])
        first = {i: i in found.index.get_level_values("fit") for i in map(str, range(keep))}
        record["found"] = {i: found.loc[i][["mean", "sd"]].to_dict() for i, there in first.items() if there}
    return record
