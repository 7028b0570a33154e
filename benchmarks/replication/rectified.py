"""Lin et al. 2024: 30 fine-tuning curves on FLAN, by the rectified law and by the vanilla one (hestness)."""

from __future__ import annotations

from collections import Counter

import pandas as pd
from show import Section, data, interval, residuals, rms

import jaxscale as js

GPT2 = {"E": 1.242, "B": 856.0, "Dl": 261.0, "beta": 0.5005}
UNTOLD = 0.05  # of the curve's lowest loss: a lower end of E below this is zero for every purpose


def curves() -> dict[str, js.Runs] | None:
    """The FLAN curves by model, without their zero-shot rows."""
    path = data("sft_rectified")
    if path is None:
        return None
    runs = js.read_runs(
        path,
        columns={"D": "finetune_examples", "m": "finetune_examples", "loss": "test_loss"},
        group="base_model",
        where="dataset == 'flan'",
        exclude={"finetune_examples == 0": "zero-shot: the paper fits D >= 200"},
    )
    return runs.groups()


def replicate() -> Section:
    section = Section("rectified_ft and hestness: fine-tuning on FLAN (Lin et al. 2024)")
    tables, path = curves(), data("sft_rectified", "published_rmsd.csv")
    if tables is None or path is None:
        section.remarks.append("Skipped: JAXSCALE_DATA is not set.")
        return section
    theirs = pd.read_csv(path).query("dataset == 'flan'").set_index("base_model")
    fits = {m: js.fit(t, "rectified_ft", noise="least_squares", method="point") for m, t in tables.items()}
    vanilla = {m: js.fit(t, "hestness", noise="least_squares", method="point") for m, t in tables.items()}
    ours = pd.Series({m: rms(residuals(f)) for m, f in fits.items()})
    plain = pd.Series({m: rms(residuals(f)) for m, f in vanilla.items()})
    section.rows = [
        {"law": "rectified_ft", "mean log-RMSD, published": theirs.rectified_rmsd_log.mean(), "ours": ours.mean(),
         "optima found": f"{sum(f.status.ok for f in fits.values())} of {len(fits)}", "ours above theirs by > 1e-4":
         int((ours - theirs.rectified_rmsd_log > 1e-4).sum())},
        {"law": "hestness (vanilla)", "mean log-RMSD, published": theirs.vanilla_rmsd_log.mean(), "ours": plain.mean(),
         "optima found": f"{sum(f.status.ok for f in vanilla.values())} of {len(vanilla)}",
         "ours above theirs by > 1e-4":
         int((plain - theirs.vanilla_rmsd_log > 1e-4).sum())},
    ]  # fmt: skip
    gpt2 = fits["gpt2"].point
    pairs = ", ".join(f"{p} {gpt2[p]:.4g} ({v:.4g})" for p, v in GPT2.items())
    section.remarks.append(f"gpt2, ours (the catalogue's): {pairs}.")
    worse = [m for m in vanilla if plain[m] - theirs.vanilla_rmsd_log[m] > 1e-4]
    section.remarks += [
        f"hestness on {m}: ours {plain[m]:.4f} with gamma = {vanilla[m].point['gamma']:.2g}, published "
        f"{theirs.vanilla_rmsd_log[m]:.4f}. Our floor is held at zero or more; a negative one bends the curve closer."
        for m in worse
    ]
    section.remarks += missing(fits, "rectified_ft") + missing(vanilla, "hestness")
    section.remarks += posteriors(tables)
    return section


def missing(fits: dict[str, js.Fit], law: str) -> list[str]:
    """Which point fits found no optimum, and why."""
    failed = {m: f.status for m, f in fits.items() if not f.status.ok}
    text = "{} reports no optimum on {}, where the search ended at {}: {}"
    ends = {m: ", ".join(f"{p} = {v:.3g}" for p, v in fits[m].point.items()) for m in failed}
    return [text.format(law, m, ends[m], status) for m, status in failed.items()]


def posteriors(tables: dict[str, js.Runs]) -> list[str]:
    """What 14 runs say of the floor."""
    fits = {m: js.fit(t, "rectified_ft") for m, t in tables.items()}
    shown = {m: f for m, f in fits.items() if f.has_draws}
    zero = [
        m
        for m, f in shown.items()
        if f.summary().q05["E"] < UNTOLD * float(f.data["observed_data"]["loss"].to_numpy().min())
    ]
    methods = Counter(f.health.method for f in shown.values())
    silent = [m for m, f in shown.items() if any("say little about" in note for note in f.about["notes"])]
    counts = Counter(f.status.code for f in fits.values())
    return [
        f"Posteriors of all {len(fits)} curves: {said(counts)}, by {said(methods)}. "
        f"gpt2: {', '.join(f'{p} {v}' for p, v in interval(fits['gpt2'], tuple(GPT2)).items())}.",
        f"In {len(zero)} of {len(shown)} the 5 % end of E is below {UNTOLD:.0%} of the lowest loss: the floor cannot "
        f"be told from zero. In {len(silent)} some interval is the prior's.",
    ]


def said(counts: Counter) -> str:
    """Counts, for a sentence."""
    return ", ".join(f"{n} {k}" for k, n in counts.most_common())
