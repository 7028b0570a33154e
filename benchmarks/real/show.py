"""The page and the figure of results: run.py's document in Markdown and as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from health import STAGES

COLOURS = {
    "HMC": "#1b4965", "importance": "#3a7ca5", "collapsed importance": "#81b5d4", "longer HMC": "#e9c46a",
    "NUTS": "#e07a3f",
}  # fmt: skip
REFUSED = {
    "not_converged": "#8d1b3d", "too_few_runs": "#9a9a9a", "cannot_be_read": "#5a5a5a",
    "cannot_be_identified": "#c4c4c4",
}  # fmt: skip
ODD = "#000000"  # a reason that is not among these
NARROW = 0.035  # of the width: a piece below this has no room for its number


def page(document: Mapping[str, Any]) -> str:
    """Health, cost, what the fits say, and how to read it."""
    done = [r for r in document["tables"] if "skipped" not in r]
    machine, options = document["machine"], document["options"]
    call = "python benchmarks/real/run.py" + "".join(f" --{k} {v}" for k, v in options.items() if v is not None)
    versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
    parts = [
        f"# Real learning curves\n\nWritten by `{call}`: {versions}; {machine['cores']} cores, {machine['device']}.",
    ]
    if done:
        parts.append("![Share of curves by the stage that passed](health.svg)")
        parts += ["## Health\n\n" + markdown([health_row(r) for r in done]) + "\n\n" + HEALTH]
        parts += ["## Cost\n\n" + markdown([cost_row(r) for r in done]) + "\n\n" + COST]
    parts += ["## What was fitted, and what the fits say", *map(section, document["tables"])]
    return "\n\n".join(parts) + "\n"


def health_row(record: Mapping[str, Any]) -> dict[str, str]:
    """How many curves passed, by stage, and why the others did not."""
    rows, total = record["rows"], record["curves"]
    refused = ", ".join(f"{n} {code}" for code, n in record["refused"].items()) or "0"
    shares = {stage: f"{n / total:.1%}" if n else "0" for stage, n in record["stages"].items()}
    return {
        "table": record["name"],
        "law": record["law"],
        "curves": str(total),
        "rows a curve": f"{rows['least']} to {rows['most']}, median {rows['median']:.0f}",
        "fitted": f"{record['fitted']} ({record['fitted'] / total:.1%})",
        "refused": refused,
        **shares,
    }


def cost_row(record: Mapping[str, Any]) -> dict[str, str]:
    """Seconds of the warm-up and of the fits."""
    warm, cost, total = record["warm_up"], record["cost"], record["curves"]
    return {
        "table": record["name"],
        "CPU s": f"{cost['cpu_s']:.1f}",
        "wall s": f"{cost['wall_s']:.1f}",
        "CPU s a curve": f"{cost['cpu_s'] / total:.3f}",
        "wall s a curve": f"{cost['wall_s'] / total:.3f}",
        "programs compiled meanwhile": f"{cost['compiled']} ({cost['compiling_s']:.0f} s)",
        "load": f"{cost['load']:.1f}",
        "warm-up: shapes, curves": f"{len(warm['buckets'])}, {warm['curves']}",
        "warm-up: CPU s": f"{warm['cpu_s']:.0f}",
        "warm-up: wall s": f"{warm['wall_s']:.0f}",
        "warm-up: programs compiled": f"{warm['compiled']} ({warm['compiling_s']:.0f} s)",
    }


def section(record: Mapping[str, Any]) -> str:
    """One table in words."""
    head = f"### {record['name']}\n\n{record['about']}\n\n"
    if "skipped" in record:
        return head + f"- Skipped: {record['skipped']}"
    lines = record["says"]
    if record["failed_on"]:
        failed = ", ".join(f"{kind} {n}" for kind, n in record["failed_on"].items())
        lines = [*lines, f"What the last stage failed on, in curves that did not converge: {failed}."]
    return head + "\n".join(f"- {line}" for line in lines)


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """A table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def figure(document: Mapping[str, Any], path: Path) -> None:
    """Stacked bars: the share of each table's curves by the stage that passed, or the reason that none did."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "health", "font.size": 9})
    done = [r for r in document["tables"] if "skipped" not in r][::-1]
    codes = sorted({code for r in done for code in r["refused"]}, key=lambda c: [*REFUSED, c].index(c))
    sheet = Figure(figsize=(9.0, 1.6 + 0.48 * len(done)), layout="constrained")
    axes = sheet.subplots()
    left = [0.0] * len(done)
    for name in (*STAGES, *codes):
        refused = name in codes
        counts = [r["refused" if refused else "stages"].get(name, 0) for r in done]
        width = [100.0 * n / r["curves"] for n, r in zip(counts, done, strict=True)]
        colour = REFUSED.get(name, ODD) if refused else COLOURS[name]
        label = f"refused: {name.replace('_', ' ')}" if refused else name
        bars = axes.barh(
            range(len(done)), width, left=left, color=colour, label=label, edgecolor="white", linewidth=0.5
        )
        texts = [str(n) if w > 100 * NARROW else "" for n, w in zip(counts, width, strict=True)]
        dark = name in ("collapsed importance", "longer HMC", "NUTS", "too_few_runs", "cannot_be_identified")
        axes.bar_label(bars, texts, label_type="center", color="black" if dark else "white", fontsize=8)
        left = [a + b for a, b in zip(left, width, strict=True)]
    names = [f"{r['name']}\n{r['law']}, {r['curves']} curves" for r in done]
    axes.set_yticks(range(len(done)), names)
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of curves, by the stage whose draws passed the gate (number of curves in each piece)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    sheet.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    sheet.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None, dpi=150)


HEALTH = """A curve is fitted when its draws passed the gate; shares by stage are of all curves of a table. Every curve
that is sampled goes through short HMC; the stages to its right are for those that fail it, in this order. A reason is
the code of the fit's status; what could not be read, or had too few rows, was never sampled."""

COST = """CPU seconds are the process's, over all threads; wall seconds depend on who else used the cores (load: the
machine's, at the end). The warm-up fits up to eight curves of each shape (rows are padded to 16, 32, 48, 64, 80, ...)
and keeps no compiled program from earlier runs, so that its cost is mostly compiling. A later stage to which no curve
of the warm-up went is compiled among the fits: how many programs, with the seconds that threads spent on them, is
said, and these are part of the fits' seconds. Programs of one law and shape serve every table."""
