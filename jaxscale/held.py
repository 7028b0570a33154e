"""The table that a fit holds, as runs again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jaxscale.result import Fit
from jaxscale.runs import Runs

RUN = "checkpoint_of"  # no name of a run: rows keep the labels that they had


def runs_of(fit: Fit) -> Runs:
    """The table behind a fit, under canonical names; what is read from it are the numbers of the fit, to the bit."""
    constant = fit.data["constant_data"].to_dataset()
    response = fit.law.response
    table: dict[str, Any] = fit.law.by_column({s: constant[s].to_numpy() for s in fit.law.inputs})
    table[response.column] = fit.data["observed_data"][response.column].to_numpy()
    if response.trials and "trials" in constant:
        table[response.trials] = constant["trials"].to_numpy()
    for name, column in (("sd", f"{response.column}_sd"), ("annealed", "annealed"), ("run", RUN)):
        if f"row_{name}" in constant:
            table[column] = constant[f"row_{name}"].to_numpy()
    names = [str(v) for v in constant["label"].to_numpy()]
    if all(n.startswith("run ") for n in names):
        table["run_id"] = [n.removeprefix("run ") for n in names]
    excluded = pd.DataFrame(fit.about["excluded"], columns=["row", "reason"])
    rows = np.asarray(constant["row"].to_numpy(), dtype=np.int64)
    columns = {"run": RUN} if RUN in table else {}
    return Runs(pd.DataFrame(table), columns, source=fit.about["source"], rows=rows, excluded=excluded)
