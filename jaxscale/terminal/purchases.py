"""What a list of runs to buy and a comparison of two recipes say to a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from jaxscale.terminal.console import count, paragraphs, table
from jaxscale.words import human, plain

EXTRA = ("cost", "expected_sd_after", "gain", "expected_regret_after", "candidate", "checked_sd_after")


def suggestion_text(bought: pd.DataFrame, target: str, response: str, spend: float) -> str:
    """The runs in order, what each leaves, and what they buy together.

    Args:
        bought: of `js.suggest`.
        target: what they are for, as the user put it.
        response: what the fit predicts.
        spend: what there was to spend.
    """
    about = bought.attrs
    notes = "\n".join(f"- {note}" for note in about["notes"])
    if not len(bought):
        said = "No run among these is worth buying: none takes 1 % off what is not known."
        return paragraphs(f"Runs to buy next, for {target}", said, notes)
    inputs = [c for c in bought.columns if c not in EXTRA]
    risky = "expected_regret_after" in bought
    after, now = ("expected_regret_after", "regret_now") if risky else ("expected_sd_after", "sd_now")
    header = ["", *inputs, "cost", "regret left" if risky else "sd left", "gain"]
    rows = [
        [i, *(human(r[s]) for s in inputs), plain(r["cost"]), plain(r[after]), plain(r["gain"], digits=2)]
        for i, r in enumerate(bought.to_dict("records"), 1)
    ]
    what = f"expected regret of the choice, in {response}," if risky else f"standard deviation of the {response} there"
    share = 100.0 * (1.0 - bought[after].iloc[-1] / about[now])
    said = (
        f"{count(len(bought), 'run')} for {plain(about['spent'])} of {plain(spend)}: the {what} falls from "
        f"{plain(about[now])} to {plain(bought[after].iloc[-1])} ({share:.0f} % less)."
    )
    if risky:
        last = bought["expected_sd_after"].iloc[-1]
        said += f" The best size is known to {_factor(about['sd_now'])} now and to {_factor(last)} then."
    return paragraphs(f"Runs to buy next, for {target}", table(header, rows, left=0), said, notes)


def speedup_text(rows: pd.DataFrame, names: Sequence[str]) -> str:
    """How many times the compute a needs, at each scale, and where the curves cross.

    Args:
        rows: of `js.speedup`.
        names: of a and b, as the user put them.
    """
    points = [s for s in ("N", "D") if s in rows]
    header = [*points, "compute of b", "5 %", "median", "95 %", "P(b better)", "loss a", "loss b"]
    shown = [
        [
            *(human(r[s]) for s in points),
            plain(r["scale"]),
            *(_times(r[q]) for q in ("q05", "q50", "q95")),
            f"{100.0 * r['p_b_better']:.0f} %",
            *(plain(r[c], digits=4) for c in ("loss_a", "loss_b")),
        ]
        for r in rows.to_dict("records")
    ]
    first = f"a is {names[0]}, b is {names[1]}: how many times the compute of b brings a to b's loss"
    notes = "\n".join(f"- {note}" for note in rows.attrs["notes"])
    return paragraphs(first, table(header, shown, left=0), _crossing(rows.attrs["crossing"]), notes)


def _crossing(found: dict[str, Any] | None) -> str | None:
    if found is None:
        return None
    low, high = plain(found["searched_from"], digits=2), plain(found["searched_to"], digits=2)
    beyond = f"at {high} FLOP b is better with probability {100.0 * found['p_b_better_beyond']:.0f} %"
    if found["share"] == 0.0:
        return f"Between {low} and {high} FLOP the curves do not cross; {beyond}."
    where = f"{plain(found['q50'], digits=2)} FLOP (90 %: {plain(found['q05'], digits=2)} to "
    where += f"{plain(found['q95'], digits=2)})"
    return (
        f"Between {low} and {high} FLOP the curves cross in {100.0 * found['share']:.0f} % of the posterior, there at "
        f"{where}; {beyond}."
    )


def _times(value: float) -> str:
    return "never" if np.isinf(value) else plain(value)


def _factor(sd: float) -> str:
    """Standard deviation of a logarithm, as people say it."""
    return f"{100.0 * sd:.0f} %" if sd < 0.5 else f"a factor of {plain(float(np.exp(sd)), digits=2)}"
