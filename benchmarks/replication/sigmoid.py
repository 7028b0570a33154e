"""Sigmoids of compute: contrastive RL by depth (real), and ScaleRL's coefficients (simulated)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from show import Section, data, interval, rms

import jaxscale as js

NAMES = ("R0", "A", "Cmid", "B")
DEPTHS = (4, 16, 64)


def replicate() -> Section:
    section = Section("rl_sigmoid: success against compute (no published fit for the real table)")
    for preset in ("scalerl_8b", "scalerl_scout"):
        section.rows += simulated(preset, section)
    path = data("crl_depth_scaling")
    if path is None:
        section.remarks.append("Real table skipped: JAXSCALE_DATA is not set.")
        return section
    whole = pd.read_csv(path).query("figure == 'fig1_main' and env == 'humanoid'")
    for depth in DEPTHS:
        curve = whole[whole.network_depth == depth]
        frame = pd.DataFrame({
            "compute": (curve.epoch_index + 1) / curve.num_epochs, "score": curve.score_mean / 1000.0,
        })  # fmt: skip
        fit = js.fit(js.read_runs(frame), "rl_sigmoid")
        section.rows.append({"curve": f"humanoid, depth {depth}, {len(curve)} evaluations", **interval(fit, NAMES)})
        text = f"Humanoid, depth {depth}: {fit.status}"
        if fit.has_draws:
            left = frame.score.to_numpy() - fit.predict({"C": frame["compute"].to_numpy()})["q50"].to_numpy()
            echo = float(np.corrcoef(left[1:], left[:-1])[0, 1])
            text += f" RMS residual {rms(left):.3f}; neighbouring residuals correlate {echo:.2f}"
            text += ", so the intervals are too narrow." if echo > 0.3 else "."
        section.remarks.append(text)
    section.remarks.append(
        "Compute is the share of the run's environment steps, so Cmid is a share of the run; above 1 the table ends "
        "before its own midpoint."
    )
    return section


def simulated(preset: str, section: Section) -> list[dict[str, object]]:
    """Published coefficients, and what a posterior says of runs simulated from them."""
    law = js.get_law("rl_sigmoid")
    truth = {"R0": 0.25, **law.published[preset]}
    at = {"C": np.geomspace(200.0, 16_000.0, 40)}
    fit = js.fit(js.simulate(law, truth, at, noise="normal", sd=0.01, seed=1), law, noise="normal")
    if fit.has_draws:
        s = fit.summary()
        inside = [p for p in NAMES if s.q05[p] <= truth[p] <= s.q95[p]]
        section.remarks.append(
            f"{preset}: the 90 % intervals hold {', '.join(inside)} of {', '.join(NAMES)}. {fit.status}"
        )
    else:
        section.remarks.append(f"{preset}: {fit.status}")
    return [
        {"curve": f"{preset}, published (R0 = 0.25 is ours)", **truth},
        {"curve": f"{preset}, 40 simulated points, sd 0.01", **interval(fit, NAMES)},
    ]
