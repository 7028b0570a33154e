"""The own error of laws on public ladders: the prior of `jaxscale.discrepancy`, and what it is of.

tau is the error a decade beyond the data, relative. `benchmarks/forecast/population.py` takes its likelihood from three
forecasts within each ladder and fits a log-normal to all of them, nine sources weighted equally. In 2026 the likeliest
median and log sd were .0088 and .85 over four laws: .0072 and .50 for chinchilla and for gadre, .0046 and .75 for
coupled, .0215 and .60 for kaplan_nd, which has no floor. With any one source left out the medians are .0062 to .0084,
.0059 to .0088, .0038 to .0057 and .0205 to .0263. A law that was not measured may be worse than those that were; so the
prior of all laws is wider to the right than the ladders ask for, and only a law that is worse than it has its own.
"""

from __future__ import annotations

USUAL = (0.012, 0.8)  # median and log sd of tau
OWN = {"kaplan_nd": (0.0215, 0.6)}
LADDERS = {  # source -> ladders it gave, and where its runs are from
    "gadre": (9, "arXiv:2403.08540"),
    "porian": (15, "arXiv:2406.19146"),
    "olmo": (6, "arXiv:2412.04403"),
    "misfitting": (1, "arXiv:2502.18969"),
    "steplaw": (1, "arXiv:2503.04715"),
    "gemstones": (1, "arXiv:2502.06857"),
    "datablations": (1, "arXiv:2305.16264"),
    "llama3": (1, "arXiv:2407.21783, read from its figure 2"),
    "epoch": (1, "arXiv:2203.15556, read from its figures by arXiv:2404.10102"),
}


def prior_of(law: str) -> tuple[float, float]:
    """Median and log sd of tau before a table has a record, for a law by name."""
    return OWN.get(law, USUAL)
