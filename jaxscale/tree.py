"""Draws and data -> xarray.DataTree in ArviZ layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from jaxscale.batch import Table
    from jaxscale.diagnose import Convergence
    from jaxscale.law import Law
    from jaxscale.runs import Runs


def data_tree(
    table: Table,
    runs: Runs,
    law: Law,
    draws: Mapping[str, np.ndarray] | None,
    convergence: Mapping[str, Convergence] | None,
    log_likelihood: np.ndarray | None,
    sample_stats: Mapping[str, np.ndarray] | None,
) -> xr.DataTree:
    """The groups of a fit; posterior, sample_stats and log_likelihood only where there are draws.

    Args:
        table: inputs and response in the law's units.
        runs: where the table came from, for labels and line numbers.
        law: names the inputs and the response.
        draws: parameter -> (chain, draw).
        convergence: parameter -> what the gate saw; None for draws that are not chains.
        log_likelihood: (chain, draw, run), of the response in its own unit.
        sample_stats: name -> (chain, draw).
    """
    run = np.arange(len(table))
    groups: dict[str, xr.Dataset] = {
        "observed_data": xr.Dataset({law.response.column: ("run", table.y)}, {"run": run}),
        "constant_data": xr.Dataset(
            {
                s: (["run", f"{s}_place"][: v.ndim], v, {"column": law.inputs[s].column, "unit": law.inputs[s].unit})
                for s, v in table.x.items()
            },
            {"run": run, "row": ("run", np.asarray(runs.rows)), "label": ("run", [runs.label(int(i)) for i in run])},
        ),
    }
    if table.trials is not None:
        groups["constant_data"]["trials"] = ("run", table.trials)
    for name, values in table.beside.items():
        groups["constant_data"][f"row_{name}"] = ("run", values)
    if draws is not None:
        posterior = xr.Dataset({p: (("chain", "draw"), v) for p, v in draws.items()})
        groups["posterior"] = _numbered(posterior).assign_attrs(diagnostics=json.dumps(_diagnostics(convergence)))
    if sample_stats is not None:
        groups["sample_stats"] = _numbered(xr.Dataset({k: (("chain", "draw"), v) for k, v in sample_stats.items()}))
    if log_likelihood is not None:
        likelihood = xr.Dataset({law.response.column: (("chain", "draw", "run"), log_likelihood)}, {"run": run})
        groups["log_likelihood"] = _numbered(likelihood)
    return xr.DataTree.from_dict(groups)


def _numbered(group: xr.Dataset) -> xr.Dataset:
    return group.assign_coords({d: np.arange(group.sizes[d]) for d in ("chain", "draw")})


def _diagnostics(convergence: Mapping[str, Convergence] | None) -> dict[str, dict[str, float]]:
    return {p: {k: float(v) for k, v in found._asdict().items()} for p, found in (convergence or {}).items()}
