"""Times one peer on simulated tables, inside the peers' environment; run.py calls it.

    python peers.py PEER [--n 100] [--tables 3] [--seed 0] [--starts 400] [--narrow] [--dirty]

Prints one JSON document. `tables` holds a record for each table: cpu_s and wall_s as a user pays them, setup_cpu_s and
setup_wall_s the part of them that is compiling where it can be told apart, and what the peer found. `first` is a fit
of another table before all others: what a process pays once (imports apart) shows there and in no other record.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from importlib.metadata import version

from environment import variables

os.environ.update(variables())  # before anything loads NumPy, JAX or matplotlib

import points
import samplers
from tables import table

PEERS = {
    "simple_scaling_laws_point": points.simple_scaling_laws_point,
    "simple_scaling_laws_bootstrap": points.simple_scaling_laws_bootstrap,
    "nutpie": samplers.nutpie,
    "numpyro": samplers.numpyro,
    "numpyro_jit_model_args": samplers.numpyro_jit_model_args,
    "numpyro_reused": samplers.numpyro_reused,
    "chinchilla": points.chinchilla,
    "scipy_grid": points.scipy_grid,
}
PACKAGES = (
    "simple-scaling-laws",
    "nutpie",
    "pymc",
    "pytensor",
    "numba",
    "numpyro",
    "jax",
    "chinchilla",
    "scipy",
    "numpy",
)
NO_WARM_UP = ("chinchilla", "scipy_grid")  # nothing is compiled, and a fit takes long
FIRST = 10_000  # a table that nobody is timed on


def measure(options: argparse.Namespace) -> dict:
    """All records of one peer."""
    fit, about = PEERS[options.peer](seed=options.seed, starts=options.starts)

    def record(i: int) -> dict:
        return {"table": i, **fit(table(i, options.n, narrow=options.narrow, dirty=options.dirty))}

    first = None if options.peer in NO_WARM_UP else record(FIRST)
    timed = [record(i) for i in range(options.tables)]
    asked = {k: getattr(options, k) for k in ("peer", "n", "seed", "narrow", "dirty")}
    return {**asked, **about, "versions": {p: version(p) for p in PACKAGES}, "first": first, "tables": timed}


def main() -> None:
    """Read the options, measure, print the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--n", type=int, default=100, help="runs in a table")
    parser.add_argument("--tables", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the sampler; the tables are always the same")
    parser.add_argument("--starts", type=int, help="of the peers with a grid: scipy_grid 400, chinchilla all (0)")
    parser.add_argument("--narrow", action="store_true")
    parser.add_argument("--dirty", action="store_true")
    options = parser.parse_args()
    if options.starts is None:
        options.starts = 400 if options.peer == "scipy_grid" else 0
    with contextlib.redirect_stdout(sys.stderr):  # whatever a peer prints must not end up in the document
        document = measure(options)
    print(json.dumps(document, indent=1))


if __name__ == "__main__":
    main()
