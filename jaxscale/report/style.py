"""How every figure and number of the report looks: one colour one meaning, ticks and digits for people."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import patheffects, style
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator, NullLocator

from jaxscale import words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# One colour, one meaning, in every figure (after Okabe & Ito, so that colour-blind readers can tell them apart).
# The page turns each into a CSS variable of the same name, which is how figures follow its dark mode.
COLOURS = {
    "ink": "#1c1e21",
    "soft": "#666b73",
    "line": "#d9dce1",
    "paper": "#fefefe",
    "data": "#2471a8",
    "law": "#c9550a",
    "target": "#04785a",
    "outlier": "#a3195c",
}
INK, SOFT, LINE, PAPER, DATA, LAW, TARGET, OUTLIER = COLOURS.values()
SIZES = ("#a6d4ec", "#83bfe0", "#62a8d2", "#448fc1", "#2b76ad", "#1a5d93", "#0e4474")  # runs, small to large models
SLICES = ("#c98a1c", "#d96f1e", "#bf4a33", "#973349", "#6a2a5c", "#3d2257")  # budgets, small to large
DARK = {
    "ink": "#e9eaec",
    "soft": "#a3a8b1",
    "line": "#3a3e46",
    "paper": "#17191d",
    "data": "#6db3e3",
    "law": "#f28b4b",
    "target": "#2fc79b",
    "outlier": "#ef7fb4",
}
DARK_SIZES = ("#2f6c99", "#3d80ae", "#4f95c3", "#65a9d5", "#80bde3", "#a0d1ef", "#c6e6fa")
DARK_SLICES = ("#c98f2e", "#e08a45", "#ee8f72", "#f09aa0", "#e3aacb", "#d6bff0")


def _named(single: Mapping[str, str], **ramps: Sequence[str]) -> dict[str, str]:
    return dict(single) | {f"{name}{i}": c for name, ramp in ramps.items() for i, c in enumerate(ramp)}


EVERY = _named(COLOURS, size=SIZES, slice=SLICES)  # name of a CSS variable -> its colour
EVERY_DARK = _named(DARK, size=DARK_SIZES, slice=DARK_SLICES)
BAND = {"color": LAW, "alpha": 0.2, "linewidth": 0}
RC = {
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "text.color": INK,
    "figure.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "jaxscale",
}
WIDTH = 7.6  # inches, of every figure; a page shows it about 900 pixels wide


def styled[**P](draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a figure's function: the report's style inside, the user's matplotlib settings untouched."""

    @functools.wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with style.context(["default", RC]):
            return draw(*args, **kwargs)

    return inside


def canvas(height: float) -> Figure:
    """An empty figure of the report's width; height in inches."""
    return Figure(figsize=(WIDTH, height), layout="constrained")


def halo() -> list[Any]:
    """Keeps a label readable where it crosses points."""
    return [patheffects.withStroke(linewidth=2.6, foreground=PAPER)]


# ---- numbers for people -------------------------------------------------------------------------

MINUS, THIN_SPACE, DASH = "\u2212", "\u2009", "\u2013"


def human(value: float, sd: float | None = None) -> str:
    """`words.human`, set in type."""
    return typeset(words.human(value, sd))


def plain(value: float, sd: float | None = None, digits: int = 3) -> str:
    """`words.plain`, set in type."""
    return typeset(words.plain(value, sd, digits=digits))


def interval(low: float, high: float) -> str:
    """`words.interval`, set in type."""
    return typeset(words.interval(low, high))


def typeset(text: str) -> str:
    """Numbers of `words` with a proper minus sign, thousands apart from five digits on, a dash for what is missing."""
    if text == words.MISSING:
        return DASH
    apart = re.sub(r"(?<![\d.])\d{5,}", lambda whole: f"{int(whole[0]):,}".replace(",", THIN_SPACE), text)
    return apart.replace("-", MINUS)


# ---- axes ---------------------------------------------------------------------------------------

SHORT = 0.7  # decades of a log axis, below which ticks are evenly spaced


def log_ticks(low: float, high: float, most: int = 8) -> np.ndarray:
    """Round numbers between two positive ends: decades; 1, 2, 5; or evenly spaced where the range is short."""
    decades = math.log10(high / low)
    if decades < SHORT:
        found = np.asarray(MaxNLocator(nbins=min(most, 5), steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
        found = found[(found >= low * (1 - 1e-9)) & (found <= high * (1 + 1e-9)) & (found > 0)]
        return _apart(found, math.log(high / low) / (1.5 * most))
    powers = np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for step, digits in ((1, (1, 2, 5)), (1, (1, 3)), (1, (1,)), (2, (1,)), (3, (1,)), (5, (1,))):
        found = np.array([m * 10.0**p for p in powers[::step] for m in digits])
        found = found[(found >= low * (1 - 1e-9)) & (found <= high * (1 + 1e-9))]
        if len(found) <= most:
            break
    return found


def _apart(ticks: np.ndarray, least: float) -> np.ndarray:
    """Ticks whose logarithms are `least` apart, from the first on."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or math.log(tick / kept[-1]) >= least:
            kept.append(float(tick))
    return np.array(kept)


def log_axis(axes: Axes, which: str, low: float, high: float, kind: str = "count", most: int = 8) -> None:
    """Put a log scale with round ticks on one axis ("x" or "y"), from `low` to `high`; kind "count" or "compute"."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    ticks = log_ticks(low, high, most)
    axis.set_major_locator(FixedLocator(list(ticks)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(
        FixedFormatter(_even([(plain if kind == "compute" else human)(t) for t in ticks], low, high))
    )


def _even(labels: list[str], low: float, high: float) -> list[str]:
    """As many decimals in each label of a short axis: 2.0 beside 2.5."""
    if math.log10(high / low) >= SHORT or not all(t.replace(".", "", 1).isdigit() for t in labels):
        return labels
    most = max((len(t.partition(".")[2]) for t in labels), default=0)
    return [f"{float(t):.{most}f}" for t in labels]


def padded(values: Sequence[float] | np.ndarray, share: float = 0.06) -> tuple[float, float]:
    """Ends of a log axis that leave some air around positive values."""
    values = np.asarray(values, dtype=np.float64)
    low, high = np.log(np.nanmin(values)), np.log(np.nanmax(values))
    air = max(high - low, 0.1) * share
    return float(np.exp(low - air)), float(np.exp(high + air))


# ---- files --------------------------------------------------------------------------------------

DPI = 160


def save(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure made by a styled function, whole or not at all; the same figure gives the same bytes.

    Args:
        figure: what to write.
        path: ends in .svg, .png or .pdf.
    """
    path = Path(path)
    kind = path.suffix.lower().removeprefix(".")
    part = path.with_name(f".{path.name}.{os.getpid()}")
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    try:
        with style.context(["default", RC]):
            figure.savefig(part, format=kind, dpi=DPI, metadata=undated)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


# ---- SVG for a page -----------------------------------------------------------------------------


def svg(figure: Figure, prefix: str, title: str) -> str:
    """A figure as an inline SVG element: its own id space, colours as CSS variables, nothing loaded.

    Args:
        figure: made by a styled function.
        prefix: put before every id, so that several figures share one page.
        title: read by screen readers.
    """
    import html
    import io

    text = io.StringIO()
    with style.context(["default", RC]):
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", drawn).replace("xlink:href", "href")
    drawn = re.sub(r'\bid="', f'id="{prefix}-', drawn)
    drawn = re.sub(r'href="#', f'href="#{prefix}-', drawn)
    drawn = re.sub(r"url\(#", f"url(#{prefix}-", drawn)
    names = {v: k for k, v in EVERY.items()}
    drawn = re.sub(r"#[0-9a-f]{6}\b", lambda m: f"var(--{names[m[0]]}, {m[0]})" if m[0] in names else m[0], drawn)
    label = f'<svg role="img" aria-label="{html.escape(title, quote=True)}"'
    return re.sub(r'^<svg width="[^"]*" height="[^"]*"', label, drawn)
