"""Kaplan's law on runs with non-embedding parameters, beside chinchilla on the same runs."""

from __future__ import annotations

from show import Section, data, interval, residuals, rms

import jaxscale as js


def replicate() -> Section:
    section = Section("kaplan_nd beside chinchilla: C4 models of Gadre et al. (no published fit)")
    path = data("gadre_overtraining")
    if path is None:
        section.remarks.append("Skipped: JAXSCALE_DATA is not set.")
        return section
    preset = js.get_law("kaplan_nd").published["kaplan2020"]
    sizes = {}
    for law, column in (("kaplan_nd", "params_no_embed"), ("chinchilla", "params_no_embed"), ("chinchilla", "params")):
        runs = js.read_runs(path, columns={"N": column, "loss": "loss_c4_val"}, where="dataset == 'c4_original'")
        fit = js.fit(runs, law)
        sizes[law, column] = rms(residuals(fit))
        coefficients = ", ".join(f"{p} {v}" for p, v in interval(fit, fit.law.params).items())
        section.rows.append({
            "law": law, "N": column, "posterior": coefficients, "RMS of log residuals": sizes[law, column],
            "sigma": interval(fit, ("sigma",))["sigma"], "status": fit.status.code,
        })  # fmt: skip
    ratio = sizes["kaplan_nd", "params_no_embed"] / sizes["chinchilla", "params_no_embed"]
    section.remarks += [
        f"Kaplan et al. on WebText2: {', '.join(f'{p} {v:.3g}' for p, v in preset.items())}; another data set and "
        "tokenizer, so the coefficients need not agree.",
        f"Without a floor the residuals are {ratio:.2f} times those of chinchilla on the same non-embedding N.",
    ]
    return section
