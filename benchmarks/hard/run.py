"""Narrow, small and dirty batches through fit_many, and their error against long NUTS.

    python benchmarks/hard/run.py [--tables 200] [--reference 24] [--repeats 16] [--scenario NAME ...] [--cache FOLDER]

Writes results.md and results.json beside this file. References are kept in the cache folder, outside of the
repository: a rerun for ours alone takes minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs

os.environ.setdefault("JAXSCALE_CACHE", "off")  # so that the first call shows what compiling costs

import numpy as np
import ours
from judge import Judged, accuracy, against, biases, by_gate, by_pareto_k, grouped, stacked
from reference import Reference, references
from show import page
from stages import forced
from tables import SCENARIOS, Scenario, batch

HERE = Path(__file__).parent


def main() -> None:
    """Run every scenario, write the page and the numbers behind it."""
    options = read_options()
    document: dict[str, Any] = {"options": {k: v for k, v in vars(options).items() if k != "cache"}}
    document |= {"machine": machine(), "scenarios": []}
    fits: dict[str, list[Judged]] = {"single": [], "repeated": [], "forced": []}
    for scenario in SCENARIOS:
        if scenario.name in options.scenario:
            document["scenarios"].append(studied(scenario, options, fits))
    document["stages"] = {k: _by_stage(v) for k, v in fits.items() if k != "forced"}
    document["biases"] = biases(fits["repeated"] + [f for f in fits["forced"] if f.ok])
    document["gate"] = by_gate(fits["forced"])
    document["pareto_k"] = by_pareto_k([f for f in fits["forced"] if f.effective > 400])
    document["single"] = [_told(f) for f in fits["single"]]
    text = json.dumps(document, indent=1, default=_plain)
    (HERE / "results.json").write_text(text + "\n")
    written = page(json.loads(text))
    (HERE / "results.md").write_text(written)
    print(written)


def studied(scenario: Scenario, options: argparse.Namespace, fits: dict[str, list[Judged]]) -> dict[str, Any]:
    """One scenario; what was judged is added to `fits`."""
    tables = batch(scenario, options.tables)
    first = ours.fitted(tables)
    again = ours.fitted(tables)
    tell(f"{scenario.name}: {again.cpu / len(tables):.3f} CPU s a fit, {ours.shares(again)}")
    referred = ours.chosen(again, options.reference, options.most)
    found: dict[str, Reference] = {}
    for name, reference in references({name: tables[name] for name in referred}, options.cache):
        found[name] = reference
        tell(f"{name}: R-hat {reference.r_hat:.4f}, {reference.ess:.0f} effective, {reference.divergences} divergent")
    good = {name: r for name, r in found.items() if r.good}
    single = against(again, good)
    fits["single"] += single
    ids = {f"{name}#{i}": tables[name] for name in good for i in range(options.repeats)}
    repeated = ours.fitted(ids) if ids else None
    judged = against(repeated, good) if repeated else []
    fits["repeated"] += judged
    fits["forced"] += forced(tables, good, options.repeats)
    tell(f"{scenario.name}: repeats done")
    covered = again.covers.mean()
    return {
        "name": scenario.name,
        "rows": scenario.rows,
        "scale": scenario.scale,
        "tables": len(tables),
        "shares": ours.shares(again),
        "refused": list(again.health.index[~again.health.ok]),
        "same_twice": bool((first.health["method"] == again.health["method"]).all()),
        "cpu_s_a_fit": again.cpu / len(tables),
        "compile_cpu_s": first.cpu - again.cpu,
        "coverage": covered.to_dict(),
        "coverage_error": np.sqrt(0.9 * 0.1 / len(again.covers)),
        "referred": {name: _about(r) for name, r in found.items()},
        "dropped": [name for name in found if name not in good],
        "repeats_refused": float(1.0 - repeated.health.ok.mean()) if repeated else None,
        "accuracy": accuracy(single) if single else None,
        "accuracy_repeated": accuracy(judged) if judged else None,
        "by_stage": _by_stage(single),
    }


def _by_stage(fits: list[Judged]) -> dict[str, Any]:
    groups = grouped(fits, lambda f: f.stage)
    return {stage: accuracy(groups[stage]) for stage in ours.STAGES if stage in groups}


def _about(reference: Reference) -> dict[str, Any]:
    return {k: getattr(reference, k) for k in ("r_hat", "ess", "divergences", "each")}


def _told(fit: Judged) -> dict[str, Any]:
    numbers = {k: stacked([fit], k)[0] for k in ("shift", "shift_error", "ratio", "ratio_error")}
    return {"table": fit.table, "stage": fit.stage, "pareto_k": fit.pareto_k, "effective": fit.effective, **numbers}


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays, rounded, for JSON."""
    if isinstance(value, np.ndarray):
        return [_plain(v) for v in value]
    return float(f"{value:.4g}") if isinstance(value, np.floating) else value.item()


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [s.name for s in SCENARIOS]
    cache = Path(platformdirs.user_cache_dir("jaxscale")) / "hard"
    parser.add_argument("--tables", type=int, default=200, help="of each scenario")
    parser.add_argument("--reference", type=int, default=24, help="tables of each scenario that NUTS answers too")
    parser.add_argument("--most", type=int, default=10, help="of these, from one stage of the cascade")
    parser.add_argument("--repeats", type=int, default=16, help="fits of each such table with other keys")
    parser.add_argument("--scenario", nargs="+", default=names, choices=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--cache", type=Path, default=cache, help="folder for the references")
    return parser.parse_args()


def machine() -> dict[str, Any]:
    """What the numbers depend on, without names of machines or folders."""
    packages = {name: version(name) for name in ("jaxscale", "jax", "numpyro", "numpy")}
    return {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version(), **packages}


def tell(what: str) -> None:
    """A line for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
