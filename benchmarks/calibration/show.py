"""The page and the pictures of what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from bugs import BUGS, SETTINGS, setting_of
from coverage import Coverage
from matplotlib.figure import Figure
from sbc import Ranks, together
from scenarios import SCENARIOS
from store import BLOCK

from jaxscale.calibration import ecdf, envelope

FAMILY = 1e-3  # chance of one false alarm in a page
EACH = 1e-4  # of one quantity, in the short version
MOST_REFUSED = 0.5  # a study that accepts fewer fits speaks of a minority, and fails
PANELS = 12  # laws of a picture
QUIET, LOUD, BAND = "#9aa7b4", "#c1121f", "#dbe7f0"
KINDS = {"curve": "#c9550a", "log": "#04785a"}  # forecasts and the log-likelihood; coordinates are blue
BLUE = "#2471a8"
mpl.rcParams.update({"svg.hashsalt": "calibration", "font.size": 8.5, "svg.fonttype": "none", "axes.linewidth": 0.6})


def caught(found: Ranks, threshold: float = EACH) -> bool:
    """Whether a study fails: a quantity's ranks leave the envelope, or the gate refuses most fits."""
    return found.accepted < MOST_REFUSED or found.worst[1] < threshold


# ---- calibration -------------------------------------------------------------------------------


def sbc(done: Mapping[str, Ranks], cost: Mapping[str, float], left: Sequence[str], count: int, here: Path) -> None:
    """The section and the picture of calibration with this many simulations."""
    if not done:
        raise SystemExit("\n".join(["nothing was computed", *left]))
    quantities = sum(len(r.names) for r in done.values())
    threshold = FAMILY / quantities
    alarms = [f"{law}: {name} (p = {p:.1e})" for law, r in done.items() for name, p in r.p.items() if p < threshold]
    refusing = [f"{law} ({100 * r.accepted:.0f} % accepted)" for law, r in done.items() if r.accepted < MOST_REFUSED]
    rows = []
    for law, r in done.items():
        held = r.inside(0.9)
        low, high = (min(held, key=lambda n: held[n]), max(held, key=lambda n: held[n]))
        rows.append({
            "law": law, "quantities": str(len(r.names)), "accepted": f"{len(r.ranks)} of {r.simulations}",
            "refused": _counts(r.codes), "by stage": _counts(r.methods), "least p": f"{r.worst[1]:.2g}, {r.worst[0]}",
            "90 % intervals hold": f"{100 * held[low]:.1f} % ({low}) to {100 * held[high]:.1f} % ({high})",
            "CPU s": f"{cost[law]:.0f}",
        })  # fmt: skip
    name = f"sbc-{count}.svg"
    (_by_quantity if len(done) == 1 else _by_law if len(done) <= PANELS else _p_values)(done, here / name)
    n = min(len(r.ranks) for r in done.values())
    text = [
        f"{len(done)} laws, {count} simulations each, {quantities} quantities: each coordinate, the curve at 3, 10 and "
        "100 times the compute of the largest run, and the log-likelihood. Exact p-values of the simultaneous ECDF "
        f"envelope; with one false alarm in {1 / FAMILY:.0f} such pages allowed, p < {threshold:.1e} is an alarm. "
        f"**{'No alarm.' if not alarms else 'Alarms: ' + '; '.join(alarms) + '.'}**",
        "Refused fits print no interval and are counted apart; the gate sees data and draws and never the truth, so "
        "ranks of the others are uniform all the same."
        + (f" Fewer than half were accepted of {', '.join(refusing)}." if refusing else ""),
        f"The standard error of a coverage of 90 % is {30 / np.sqrt(max(1, n)):.1f} points or less.",
        f"![ranks of the truths]({name})", table(rows), *(["Not done: " + "; ".join(left)] if left else []),
    ]  # fmt: skip
    write(here, f"Simulation-based calibration, S = {count}", text)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{k} {v}" for k, v in sorted(counts.items(), key=lambda i: -i[1])) or "0"


def _colour(name: str) -> str:
    return next((c for start, c in KINDS.items() if name.startswith(start)), BLUE)


def _difference(axes: Any, found: Ranks, names: Sequence[str], colour: str | None = None, band: bool = True) -> None:
    """Distribution functions of ranks minus the uniform's, over the envelope that 99 % of them stay in."""
    n, draws = len(found.ranks), found.ranked
    x = np.arange(1, draws + 1) / (draws + 1)
    if band and n:
        low, high = envelope(n, draws, 0.99)
        axes.fill_between(x, low / n - x, high / n - x, color=BAND, linewidth=0)
    axes.axhline(0.0, color="#666b73", linewidth=0.5)
    for name in names if n else ():
        y = ecdf(found.ranks[:, found.names.index(name)], draws) / n - x
        axes.plot(x.round(4), y.round(5), color=colour or _colour(name), linewidth=0.9)
    axes.set_xlim(0, 1)
    axes.spines[["top", "right"]].set_visible(False)


def _grid(count: int, across: int, height: float = 1.75) -> tuple[Figure, list[Any]]:
    down = -(-count // across)
    sheet = Figure(figsize=(2.3 * across, height * down + 0.5), layout="constrained")
    panels = list(np.atleast_1d(sheet.subplots(down, across, sharex=True)).ravel())
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[max(0, count - across) : count]:
        axes.tick_params(labelbottom=True)
    return sheet, panels


def _save(sheet: Figure, path: Path) -> None:
    sheet.savefig(path, metadata={"Date": None, "Creator": None})
    # a hundredth of a point is fine enough for lines; numbers in the text stay
    lines = (
        re.sub(r"(\.\d\d)\d+", r"\1", s) if re.match(r"[ML] |.* d=\"M", s) else s for s in path.read_text().split("\n")
    )
    path.write_text("\n".join(lines))


def _by_quantity(done: Mapping[str, Ranks], path: Path) -> None:
    (law, found), *_ = done.items()
    sheet, panels = _grid(len(found.names), 4)
    for axes, name in zip(panels, found.names, strict=False):
        _difference(axes, found, [name])
        axes.set_title(f"{name}, p = {found.p[name]:.2g}", fontsize=8.5, loc="left")
    sheet.suptitle(
        f"{law}: ECDF of {len(found.ranks)} ranks minus uniform, with the 99 % simultaneous envelope", size=9
    )
    _save(sheet, path)


def _by_law(done: Mapping[str, Ranks], path: Path) -> None:
    sheet, panels = _grid(len(done), 4)
    for axes, (law, found) in zip(panels, done.items(), strict=False):
        _difference(axes, found, found.names)
        axes.set_title(f"{law}\nleast p {found.worst[1]:.2g}", fontsize=8.0, loc="left")
    said = "blue coordinates, orange forecasts, green the log-likelihood"
    sheet.suptitle(f"ECDF of ranks minus uniform, with the 99 % simultaneous envelope of one: {said}", size=9)
    _save(sheet, path)


def _p_values(done: Mapping[str, Ranks], path: Path) -> None:
    """All p-values in order against those of as many calibrated quantities."""
    p = np.sort([p for r in done.values() for p in r.p.values() if np.isfinite(p)])
    expected = (np.arange(1, len(p) + 1) - 0.5) / len(p)
    sheet = Figure(figsize=(4.6, 3.6), layout="constrained")
    axes = sheet.subplots()
    axes.loglog(expected, expected, color="#666b73", linewidth=0.6)
    axes.axhline(FAMILY / len(p), color=LOUD, linewidth=0.8, linestyle="--")
    axes.loglog(expected.round(6), np.maximum(p, 1e-13), ".", color=BLUE, markersize=2.5)
    axes.set_xlabel("p-value expected of a calibrated quantity")
    axes.set_ylabel("p-value found")
    axes.set_title(
        f"{len(p)} quantities of {len(done)} laws; below the dashed line is an alarm", fontsize=8.5, loc="left"
    )
    axes.spines[["top", "right"]].set_visible(False)
    _save(sheet, path)


# ---- coverage ----------------------------------------------------------------------------------


def coverage(done: Mapping[tuple[str, str], Coverage], left: Sequence[str], count: int, here: Path) -> None:
    """The section and the picture of coverage."""
    rows = []
    for (scenario, noise), c in done.items():
        shares = {name: f"{100 * share:.1f}" for name, share in c.shares.items()}
        rows.append({
            "world": scenario, "fitted": noise, "accepted": f"{len(c.inside)} of {c.simulations}",
            **{name: shares.get(name, "") for name in c.names},
            "width at 10x": f"{100 * np.median(c.width):.1f} %" if len(c.width) else "",
            "bias at 10x": f"{100 * np.median(c.off):+.2f} %" if len(c.off) else "", "CPU s": f"{c.cpu_s:.0f}",
        })  # fmt: skip
    if rows:
        _coverage_picture(done, here / "coverage.svg")
    worlds = [f"- {name}: {s.what}" for name, s in SCENARIOS.items()]
    text = [
        f"The Chinchilla law, truths from its prior, {count} simulations a row: how often, in %, the 90 % interval "
        "held the truth, of each parameter, of the curve and of a new run at 3, 10 and 100 times the compute of the "
        "largest run. The standard error is "
        f"{30 / np.sqrt(count):.1f} points. Refused fits print no interval and are counted apart. The width is the "
        "curve's interval one decade out, relative to its median; the bias, the median of the forecast there over the "
        "truth, less one.",
        "\n".join(worlds), *(["![coverage](coverage.svg)", table(rows)] if rows else []),
        *(["Not done: " + "; ".join(left)] if left else []),
    ]  # fmt: skip
    write(here, "Coverage where the world is not the noise", text)


def _coverage_picture(done: Mapping[tuple[str, str], Coverage], path: Path) -> None:
    sheet = Figure(figsize=(6.4, 0.9 + 0.27 * len(done)), layout="constrained")
    axes = sheet.subplots()
    axes.axvspan(88.0, 92.0, color=BAND, linewidth=0)
    axes.axvline(90.0, color="#666b73", linewidth=0.6)
    for i, c in enumerate(done.values()):
        for name, share in c.shares.items():
            if name.startswith("curve 10x"):
                error = 100 * 1.96 * c.error
                axes.errorbar(100 * share, i, xerr=error, color=KINDS["curve"], fmt="o", markersize=4, zorder=3)
            elif not name.startswith(("curve", "new")):
                axes.plot(100 * share, i, ".", color=BLUE, markersize=4)
            elif name == "new run 10x":
                axes.plot(100 * share, i, "x", color=KINDS["log"], markersize=4)
    axes.set_yticks(range(len(done)), [f"{world}: {noise}" for world, noise in done])
    axes.set_ylim(len(done) - 0.4, -0.6)
    axes.set_xlabel("% of truths in 90 % intervals: parameters (blue),\nthe curve at 10x (orange), a new run there (x)")
    axes.spines[["top", "right"]].set_visible(False)
    _save(sheet, path)


# ---- bugs --------------------------------------------------------------------------------------


def bugs(done: Mapping[tuple[str, str], list[Ranks]], left: Sequence[str], count: int, here: Path) -> None:
    """The section and the picture of planted bugs; a short study is one or two blocks."""
    rows = []
    for name in [*(f"none, {s}" for s in SETTINGS), *BUGS]:
        size = BUGS[name].simulations // BLOCK if name in BUGS else 2
        row = {"bug": name, "what": BUGS[name].what if name in BUGS else "the engine as it is",
               "looked for in": setting_of(name).name}  # fmt: skip
        for gate, head in (("gate", "gate"), ("open", "gate open")):
            short = _studies(done.get((name, gate), []), size)
            whole = _pooled(done[name, gate]) if (name, gate) in done else None
            row[f"{head}: accepted"] = f"{100 * whole.accepted:.0f} %" if whole else ""
            row[f"{head}: caught"] = f"{sum(map(caught, short))} of {len(short)}"
            row[f"{head}: median least p"] = _median_p(short)
        rows.append(row)
    _bugs_picture(done, here / "bugs.svg")
    text = [
        "Each bug is planted in the engine itself, in a setting where it matters, and the short version's study "
        f"(200 or 400 simulations) is run again and again: caught is a quantity with p < {EACH:.0e}, or fewer than "
        "half of the fits accepted. With the gate open every fit is accepted that has draws, which shows what the gate "
        "keeps from users. The first rows are the engine without a bug; with its gate open even it need not be "
        "calibrated.",
        "![ranks with and without each bug](bugs.svg)", table(rows),
        *(["Not done: " + "; ".join(left)] if left else []),
    ]  # fmt: skip
    write(here, "Eight planted bugs", text)


def _studies(found: Sequence[Ranks], size: int) -> list[Ranks]:
    """Whole studies of `size` blocks."""
    return [_pooled(found[i : i + size]) for i in range(0, len(found) - size + 1, size)]


def _pooled(found: Sequence[Ranks]) -> Ranks:
    return together([r.kept() for r in found])


def _median_p(short: Sequence[Ranks]) -> str:
    least = [r.worst[1] for r in short if len(r.ranks)]
    return _p(float(np.median(least))).removeprefix("p = ") if least else ""


def _p(value: float) -> str:
    """A p-value, which is exact to 1e-12."""
    return f"p = {value:.1e}" if value > 1e-12 else "p < 1e-12"


def _bugs_picture(done: Mapping[tuple[str, str], list[Ranks]], path: Path) -> None:
    """Of each bug the quantity that shows it best: with the bug, and without."""
    sheet, panels = _grid(len(BUGS), 4, 1.9)
    for axes, name in zip(panels, BUGS, strict=False):
        setting = setting_of(name)
        alike = (s for s, other in SETTINGS.items() if (other.law, other.noise) == (setting.law, setting.noise))
        base = f"none, {next(alike)}"
        if not {(name, "gate"), (name, "open"), (base, "gate")} <= done.keys():
            continue
        gate = "gate" if len(_pooled(done[name, "gate"][:2]).ranks) > 200 else "open"
        wrong, right = _pooled(done[name, gate][:2]), _pooled(done[base, "gate"][:2])
        quantity = wrong.worst[0]
        _difference(axes, right, [quantity], QUIET)
        _difference(axes, wrong, [quantity], LOUD, band=False)
        opened = ", gate open" if gate == "open" else ""
        axes.set_title(f"{name}{opened}\n{quantity}, {_p(wrong.p[quantity])}", fontsize=8, loc="left")
    sheet.suptitle(
        "ECDF of 400 ranks minus uniform: the engine (grey) with its 99 % envelope, and with a bug (red)", size=9
    )
    _save(sheet, path)


# ---- the page ----------------------------------------------------------------------------------


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown; columns of all rows, in the order in which they appear."""
    heads = list(dict.fromkeys(k for row in rows for k in row))
    lines = [heads, ["---"] * len(heads), *([row.get(h, "") for h in heads] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(here: Path, title: str, paragraphs: Sequence[str]) -> None:
    """Put one section in results.md, in its place if it was there, and print it."""
    file = here / "results.md"
    old = file.read_text() if file.exists() else "# Calibration\n"
    head, *sections = old.rstrip().split("\n\n## ")
    known = {s.partition("\n")[0]: s.partition("\n")[2].strip("\n") for s in sections}
    known[title] = "\n\n".join(p for p in paragraphs if p)
    file.write_text("\n\n## ".join([head, *(f"{t}\n\n{s}" for t, s in known.items())]) + "\n")
    print(known[title])
