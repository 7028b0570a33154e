"""Chen et al. 2025: parallel streams, by the paper's Huber loss and by a posterior."""

from __future__ import annotations

import numpy as np
from show import Section, data, interval, point, residuals

import jaxscale as js
from jaxscale.noise import Huber

NAMES = ("E", "A", "alpha", "k")
PUBLISHED = {  # corpus -> coefficients and R2 as in the table's description
    "stack_v2_python": {"E": 0.691207, "A": 0.011307e9, "alpha": 0.189358, "k": 0.393457, "R2": 0.9978},
    "pile": {"E": 1.288588, "A": 0.197517e9, "alpha": 0.196281, "k": 0.334442, "R2": 0.9987},
}


def replicate() -> Section:
    section = Section("parscale: loss against parameters and streams (Chen et al. 2025)")
    path = data("parscale")
    if path is None:
        section.remarks.append("Skipped: JAXSCALE_DATA is not set.")
        return section
    columns = {"N": "non_embedding_params", "P": "num_parallel_streams"}
    for corpus, published in PUBLISHED.items():
        runs = js.read_runs(path, columns=columns, where=f"corpus == '{corpus}'")
        huber = js.fit(runs, "parscale", noise=Huber("log", delta=1e-3), method="point")
        fit = js.fit(runs, "parscale")
        section.rows += [
            {"corpus": corpus, "fit": "published", **published},
            {"corpus": corpus, "fit": "ours, Huber 1e-3", **point(huber, NAMES), "R2": explained(huber)},
            {"corpus": corpus, "fit": "Student-t posterior", **interval(fit, NAMES), "R2": explained(fit)},
        ]
        section.remarks.append(f"{corpus}: {fit.status}")
    section.remarks.append(
        "R2 is 1 - SS(residuals) / SS(about the mean), of the loss itself (not its logarithm), over the 24 runs."
    )
    return section


def explained(fit: js.Fit) -> float:
    """R2 of the loss."""
    y = fit.data["observed_data"]["loss"].to_numpy()
    left = y - y / np.exp(residuals(fit))
    return float(1.0 - np.sum(left**2) / np.sum((y - y.mean()) ** 2))
