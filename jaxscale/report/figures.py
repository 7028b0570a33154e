"""The figures of a page, in order, with what is said under each."""

from __future__ import annotations

from typing import Any

import pandas as pd
from markupsafe import Markup

from jaxscale.decide.plan import Plan
from jaxscale.report import plots
from jaxscale.report.style import svg
from jaxscale.result import Fit

CAPTIONS = {
    "compute": "Each point is a run, coloured by model size. The line is the loss of the best model at each budget, as "
    "the law has it.",
    "curve": "Each point is a run; the line is the law.",
    "size": "Left, the best model size at each budget; right, the tokens per parameter that go with it. Points are the "
    "runs. Where the line runs beside them rather than through them, no run was near the best size.",
    "valley": "Above, what other sizes on this budget would lose against the best size: the median, with 90 % of the "
    "posterior in the band. Grey, the sizes that hardly matter. Below, where the posterior has the best size.",
    "valley of a point": "What other sizes on this budget would lose against the best size. Grey, those that hardly "
    "matter.",
    "isoflop": "Loss against model size, one budget a curve; points are the runs within 25 % of it, and a diamond is "
    "the best size.",
    "fan": "Each fold fits smaller runs and forecasts the next larger ones. Zero is the forecast, a bar holds a new "
    "run with 90 % probability, hollow points fell outside, triangles lie beyond the axis. A drift away from zero "
    "means that the law bends.",
    "pairs": "What the runs say of each parameter and of each pair. Narrow ridges are normal: a coefficient and its "
    "exponent trade off, which is why published coefficients need all their digits.",
}
NOT_DRAWN = "No law is drawn: the fit was refused."
BANDS = " The band holds it with 90 % probability, and the diamond is the target."


def figures(fit: Fit, target: float | None, planned: Plan | None, points: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Each as svg, caption and number.

    Args:
        fit: any fit.
        target: training FLOP; None where the law does not split compute.
        planned: the plan for it, if there is one.
        points: of the backtest.
    """
    drawn = []
    if target is not None:
        said = CAPTIONS["compute"] if fit.status.ok else f"The runs, coloured by model size. {NOT_DRAWN}"
        drawn.append((plots.loss_against_compute(fit, target), said + (BANDS if fit.has_draws else "")))
        if fit.status.ok:
            drawn.append((plots.optimal_size(fit, budget=target), CAPTIONS["size"]))
        if planned is not None and planned.chosen == ("N", "D"):
            wide = " Its bar and the bands hold 90 %." if fit.has_draws else ""
            said = CAPTIONS["valley" if fit.has_draws else "valley of a point"]
            drawn += [(plots.valley(planned), said), (plots.isoflop(fit, budget=target), CAPTIONS["isoflop"] + wide)]
    else:
        said = CAPTIONS["curve"] if fit.status.ok else f"The runs. {NOT_DRAWN}"
        drawn.append((plots.curve(fit), said + (" The band holds it with 90 % probability." if fit.has_draws else "")))
    if points is not None and len(points):
        drawn.append((plots.backtest_fan(points), CAPTIONS["fan"]))
    if fit.has_draws:
        drawn.append((plots.posterior_pairs(fit), CAPTIONS["pairs"]))
    return [
        {"svg": Markup(svg(figure, f"figure{i}", caption)), "caption": caption, "number": i}
        for i, (figure, caption) in enumerate(drawn, 1)
    ]
