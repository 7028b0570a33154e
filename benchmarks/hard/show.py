"""The page of the results, from what results.json holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from compare import NAMES
from ours import COVERED, STAGES

RMS_BAR, WORST_BAR = 0.05, 0.3
MOST_LISTED = 12
SHOWN = ("E", "alpha", "log sigma")
HEAD = """# Hard tables, against long NUTS

Written by `python benchmarks/hard/run.py` ({options}).

Chinchilla's law with Student-t(4) noise on log loss: `easy` 100 runs, sd 0.01; `small` 30 runs, 0.02; `narrow` 30
runs, 0.02, N over a factor 8 and D over a factor 10; `dirty` 60 runs, 0.01, 8 % of them too high by exp(0.1 |z|);
`narrow_dirty` 30 runs, 0.02, both. Shifts are ours minus the reference's mean in units of the reference's sd; `noise`
is what the effective draws of both sides let expect, so rms z is 1 where there is no bias.
"""


def page(document: Mapping[str, Any]) -> str:
    """All of it, in Markdown."""
    options = document["options"]
    text = HEAD.format(options=", ".join(f"{k} {options[k]}" for k in ("tables", "reference", "most", "repeats")))
    scenarios = document["scenarios"]
    text += section("What the cascade did", map(_did, scenarios))
    text += (
        "\nCoverage is of the 90 % intervals of the fits that are ok, at one truth; its standard error is "
        + f"{max(s['coverage_error'] for s in scenarios):.3f} or less. The compile column is what the first call cost "
        "more than the second (a cold cache unless JAXSCALE_CACHE is set).\n"
    )
    text += section("Means against NUTS: rms of the shift over tables, one fit each", map(_means, scenarios))
    text += f"\nThe bar: each rms at most {RMS_BAR}, no shift above {WORST_BAR} in a fit that is called ok.\n"
    for key, title in (("single", "By stage, one fit a table"), ("repeated", "By stage, repeats with other keys")):
        text += section(title, [_stage(k, v) for k, v in document["stages"][key].items()])
    signed = [{"stage": k, "fits": v["fits"], **_signed(v)} for k, v in document["stages"]["repeated"].items()]
    text += section("Mean shift / geometric mean of the sd ratio, by stage, over repeats", signed)
    text += section("Stages by themselves: what passes the gate, and what it stops", map(_gate, document["gate"]))
    text += section("Importance sampling by Pareto k, whatever the gate says", map(_bin, document["pareto_k"]))
    text += _largest(document["biases"])
    return text


def section(title: str, rows: Iterable[Mapping[str, Any]]) -> str:
    """A heading and a table."""
    rows = list(rows)
    if not rows:
        return ""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(v) for v in row.values()] for row in rows)]
    return f"\n## {title}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _did(scenario: Mapping[str, Any]) -> dict[str, Any]:
    shares = {k: f"{100 * scenario['shares'][k]:.3g} %" for k in (*STAGES, "refused")}
    coverage = {f"covers {p}": scenario["coverage"][p] for p in COVERED}
    cost = {"CPU s a fit": scenario["cpu_s_a_fit"], "compile CPU s": scenario["compile_cpu_s"]}
    return {"scenario": scenario["name"], "tables": scenario["tables"], **shares, **cost, **coverage}


def _means(scenario: Mapping[str, Any]) -> dict[str, Any]:
    found = scenario["accuracy"]
    rms = {p: f"{found['rms'][p]:.3f} ({found['noise'][p]:.3f})" for p in NAMES}
    met = max(found["rms"].values()) <= RMS_BAR and abs(found["worst"][2]) <= WORST_BAR
    return {
        "scenario": scenario["name"],
        "references (dropped)": f"{len(scenario['referred'])} ({len(scenario['dropped'])})",
        **{f"{p}: rms (noise)": v for p, v in rms.items()},
        "rms z": found["rms_z"],
        "worst": _worst(found),
        "bar": "met" if met else "missed",
    }


def _worst(found: Mapping[str, Any]) -> str:
    table, name, shift, z = found["worst"]
    return f"{shift:+.3f}, {name} of {table} (z {z:+.1f})"


def _spread(found: Mapping[str, Any]) -> dict[str, Any]:
    low, high = found["ratio_q05_q95"]
    return {
        "rms shift": found["rms_all"],
        "noise": found["noise_all"],
        "beyond noise": found["beyond_noise"],
        "rms z": found["rms_z"],
        "fits above 0.3": f"{100 * found['above_0.3']:.2g} %",
        "worst shift": _worst(found),
        "sd ratio 5-95 %": f"{low:.3f}-{high:.3f}",
        "noise of ratio": found["ratio_noise"],
        "narrowest": _at(found["narrowest"]),
        "widest": _at(found["widest"]),
    }


def _at(found: Sequence[Any]) -> str:
    table, name, ratio = found
    return f"{ratio:.2f}, {name} of {table}"


def _stage(stage: str, found: Mapping[str, Any]) -> dict[str, Any]:
    return {"stage": stage, "fits": found["fits"], "tables": found["tables"], **_spread(found)}


def _signed(found: Mapping[str, Any]) -> dict[str, Any]:
    return {p: f"{found['mean'][p]:+.3f} / {found['ratio'][p]:.3f}" for p in NAMES}


def _gate(found: Mapping[str, Any]) -> dict[str, Any]:
    return {"stage": found["stage"], "ok": "yes" if found["ok"] else "no", "fits": found["fits"], **_narrowed(found)}


def _narrowed(found: Mapping[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in _spread(found).items() if k not in ("widest", "fits above 0.3")}
    return kept | {f"{p}: mean shift / ratio": v for p, v in _signed(found).items() if p in SHOWN}


def _bin(found: Mapping[str, Any]) -> dict[str, Any]:
    low, high = (f"{found[k]:g}".replace("inf", "") for k in ("from", "to"))
    return {"stage": found["stage"], "Pareto k": f"{low} to {high}", "fits": found["fits"], **_narrowed(found)}


def _largest(found: Sequence[Mapping[str, Any]]) -> str:
    """Tables and parameters whose repeats are off on average, the farthest first."""
    rows = []
    for one in found:
        for i, name in enumerate(NAMES):
            said = {k: np.asarray(one[k], float)[i] for k in ("shift", "shift_error", "ratio", "ratio_error")}
            rows.append({**{k: one[k] for k in ("table", "stage", "repeats", "pareto_k")}, "parameter": name, **said})
    text = ""
    for what, nought in (("shift", 0.0), ("ratio", 1.0)):
        sure = [r for r in rows if abs(r[what] - nought) > 4 * r[f"{what}_error"]]
        sure.sort(key=lambda r: -abs(r[what] - nought))
        shown = [
            {
                **{k: r[k] for k in ("table", "stage", "repeats", "pareto_k", "parameter")},
                what: f"{r[what]:+.3f} ± {r[f'{what}_error']:.3f}" if what == "shift" else f"{r[what]:.3f}",
                "z": (r[what] - nought) / r[f"{what}_error"],
            }
            for r in sure[:MOST_LISTED]
        ]
        title = {"shift": "Biased means", "ratio": "Biased sds (ratio to the reference's)"}[what]
        text += section(f"{title}: repeats of one table that agree on it, of {len(sure)} beyond z 4", shown)
    return text
