"""What a fit costs, ours and the peers': CPU seconds, and effective draws for them, on the same simulated tables.

    python benchmarks/speed/run.py [--tables 1024] [--n 100] [--peer-tables 3] [--skip PEER] [--narrow] [--dirty]

Measures in turn (ours, a peer, ours, the next peer, ...), so that a busy machine is as busy for both, and writes
results.md and results.json beside this file. The first call builds the peers' environment (environment.py).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from environment import python, variables

os.environ.update(variables())  # before anything loads NumPy or JAX
os.environ.setdefault("JAXSCALE_CACHE", "off")  # so that the first call shows what compiling costs

import ours
from show import page

HERE = Path(__file__).parent
# Which of our fits answers the same question, in the order of measuring.
AGAINST = {
    "nutpie": "posterior",
    "simple_scaling_laws_point": "point",
    "numpyro": "posterior",
    "scipy_grid": "huber",
    "numpyro_jit_model_args": "posterior",
    "chinchilla": "huber",
    "numpyro_reused": "posterior",
    "simple_scaling_laws_bootstrap": "posterior",
}
ONE_TABLE = ("chinchilla",)  # a fit takes more than a minute
FEW = 4  # tables of the warm-up


def main() -> None:
    """Measure in turn, write the page and the numbers behind it."""
    options = read_options()
    interpreter = python()
    chosen = {peer: kind for peer, kind in AGAINST.items() if peer not in options.skip}
    kinds = dict.fromkeys(chosen.values()) or dict.fromkeys(ours.KINDS)
    tables = ours.read(options.tables, options.n, options.narrow, options.dirty)
    few = dict(list(tables.items())[:FEW])
    document = {"options": vars(options), "machine": machine(), "warm_up": [], "ours": [], "peers": [], "failed": []}

    def run_ours(kind: str) -> None:
        document["ours"].append(ours.measure(kind, tables, keep=options.peer_tables))
        tell("ours", kind, document["ours"][-1])

    for kind in kinds:
        document["warm_up"].append(ours.measure(kind, few))
        tell("ours, compiling", kind, document["warm_up"][-1])
    for peer, kind in chosen.items():
        run_ours(kind)
        if found := run_peer(interpreter, peer, options):
            document["peers"].append({"against": kind, **found})
            tell(peer, kind, found["tables"][-1])
        else:
            document["failed"].append(peer)
    for kind in kinds:
        while sum(record["kind"] == kind for record in document["ours"]) < options.repeats:
            run_ours(kind)
    stem = "_".join(["results", *(k for k in ("narrow", "dirty") if getattr(options, k))])
    (HERE / f"{stem}.json").write_text(json.dumps(document, indent=1) + "\n")
    text = page(document)
    (HERE / f"{stem}.md").write_text(text)
    print(text)


def run_peer(interpreter: Path, peer: str, options: argparse.Namespace) -> dict | None:
    """The document of peers.py for one peer, from the peers' environment; none where it fails, and stderr says so."""
    count = 1 if peer in ONE_TABLE else options.peer_tables
    command = [str(interpreter), str(HERE / "peers.py"), peer, "--n", str(options.n), "--tables", str(count)]
    command += [f"--{flag}" for flag in ("narrow", "dirty") if getattr(options, flag)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f"{peer} failed and is left out:\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return None
    return json.loads(done.stdout)


def read_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=int, default=1024, help="tables that ours fits in one call")
    parser.add_argument("--n", type=int, default=100, help="runs in a table")
    parser.add_argument("--peer-tables", type=int, default=3, help="tables that a peer fits, the first of ours")
    parser.add_argument("--repeats", type=int, default=3, help="of each kind of fit of ours, at least")
    parser.add_argument("--skip", action="append", default=[], choices=AGAINST, metavar="PEER", help=", ".join(AGAINST))
    parser.add_argument("--narrow", action="store_true", help="tables that identify only sums of terms")
    parser.add_argument("--dirty", action="store_true", help="tables of which 8 %% of the losses are outliers")
    options = parser.parse_args()
    if options.tables < options.peer_tables:
        parser.error("--tables must be at least --peer-tables: peers fit the first of our tables")
    return options


def machine() -> dict:
    """What the numbers depend on, without names of machines or folders."""
    packages = {name: version(name) for name in ("jaxscale", "jax", "numpyro", "numpy")}
    return {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version(), **packages}


def tell(who: str, kind: str, record: dict) -> None:
    """A line for whoever waits."""
    spent = f"{record['cpu_s']:.3g} CPU s, {record['wall_s']:.3g} s"
    load = os.getloadavg()[0]
    print(f"{time.strftime('%H:%M:%S')} {who} ({kind}): {spent}, load {load:.1f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
