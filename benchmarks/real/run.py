"""Every curve of five public tables, fitted by fit_many: how many pass, by which stage, and what it costs.

    python benchmarks/real/run.py [--only NAME] [--most N] [--out DIR]

Writes results.md, results.json and health.svg beside this file, or into DIR; a part of the curves is written only into
a DIR, and shown. The tables are read from the folder that
JAXSCALE_DATA names; one that is not there is skipped with a reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAXSCALE_CACHE", "off")  # so that the warm-up shows what compiling costs
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # arrays of a hundred numbers gain nothing by more

import jax
from health import listen, measure
from show import figure, page
from tables import TABLES

HERE = Path(__file__).parent
PACKAGES = ("jaxscale", "jax", "jaxlib", "numpyro", "numpy")


def main() -> int:
    """Measure, and write page, numbers and figure."""
    options = read_options()
    whole = options.only is None and options.most is None
    out = options.out or (HERE if whole else None)  # a part does not overwrite the results of all
    listen()
    chosen = [table for table in TABLES if options.only in (None, table.name)]
    document = {"options": {"only": options.only, "most": options.most}, "machine": machine(), "tables": []}
    for table in chosen:
        document["tables"].append(measure(table, options.most))
        if out is not None and any("skipped" not in record for record in document["tables"]):
            write(document, out)
    print(page(document))
    return 0


def write(document: dict, out: Path) -> None:
    """Numbers, page and figure of the tables so far."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")
    (out / "results.md").write_text(page(document))
    figure(document, out / "health.svg")


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", choices=[t.name for t in TABLES], metavar="NAME", help=", ".join(t.name for t in TABLES)
    )
    parser.add_argument("--most", type=int, metavar="N", help="curves of each table at most, spread evenly over it")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go; beside this file by default")
    options = parser.parse_args()
    if options.most is not None and options.most < 1:
        parser.error("--most must be 1 or more")
    return options


def machine() -> dict:
    """What the numbers depend on, without names of machines or folders."""
    versions = {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    return {"cores": os.cpu_count(), "device": jax.devices()[0].platform, "versions": versions}


if __name__ == "__main__":
    sys.exit(main())
