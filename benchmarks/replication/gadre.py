"""Gadre et al. 2024: the repository's five-run least squares, then a posterior on all runs."""

from __future__ import annotations

from show import Section, data, interval, point, residuals, rms

import jaxscale as js

NAMES = ("E", "a", "b", "eta")
SETS = {"c4_original": "c4", "rpj": "redpajama", "rw_original": "refinedweb"}
FIVE = "(chinchilla_multiplier == 1 and params < 5e8) or (chinchilla_multiplier == 16 and params < 2e7)"


def replicate() -> Section:
    section = Section("gadre: over-training law, C4 evaluation loss (Gadre et al. 2024)")
    path = data("gadre_overtraining")
    if path is None:
        section.remarks.append("Skipped: JAXSCALE_DATA is not set.")
        return section
    law = js.get_law("gadre")
    columns = {"loss": "loss_c4_val"}
    largest, outside = 0.0, list[str]()
    for name, preset in SETS.items():
        five = js.read_runs(path, columns=columns, where=f"dataset == '{name}' and ({FIVE})")
        ours = js.fit(five, law, noise="least_squares/raw", method="point")
        published = law.published[preset]
        section.rows.append({"data set": name, "fit": "published recipe, 5 runs", **published})
        section.rows.append({"data set": name, "fit": f"ours, same recipe, {len(five)} runs", **point(ours, NAMES)})
        largest = max([largest, *(abs(ours.point[p] / published[p] - 1.0) for p in NAMES)])
        whole = js.read_runs(path, columns=columns, where=f"dataset == '{name}'")
        fit = js.fit(whole, law)
        section.rows.append(
            {"data set": name, "fit": f"Student-t posterior, {len(whole)} runs", **interval(fit, NAMES)}
        )
        outside += [f"{name} {p}" for p in NAMES if fit.has_draws and not within(fit, p, published[p])]
        sigma, size = interval(fit, ("sigma",))["sigma"], rms(residuals(fit))
        section.remarks.append(f"{name}, all runs: noise sigma {sigma}, RMS of log residuals {size:.2%}. {fit.status}")
    mixed = js.fit(js.read_runs(path, columns=columns), law)
    section.rows.append({"data set": "all three", "fit": "Student-t posterior, 104 runs", **interval(mixed, NAMES)})
    section.remarks += [
        f"The recipe's coefficients are reproduced to {largest:.1e} (relative, the worst of 12).",
        f"All 104 runs in one fit: RMS of log residuals {rms(residuals(mixed)):.2%}, noise sigma "
        f"{interval(mixed, ('sigma',))['sigma']}. The three data sets have different losses on C4 at one N and D, so "
        "this mixes an offset into the noise: the fit is a description of none of them.",
        "Five runs of small models fix four coefficients without a residual to speak of. Outside the 90 % intervals "
        f"from all runs of their data set lie: {', '.join(outside) or 'none of them'}.",
    ]
    return section


def within(fit: js.Fit, param: str, value: float) -> bool:
    """Whether a value lies in the 90 % interval."""
    row = fit.summary().loc[param]
    return bool(row.q05 <= value <= row.q95)
