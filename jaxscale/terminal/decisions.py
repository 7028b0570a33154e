"""What a plan says to a person, whatever the law."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jaxscale.terminal.console import paragraphs, table
from jaxscale.words import by_name, human, plain, spread

if TYPE_CHECKING:
    from jaxscale.decide.plan import Plan

QUANTITIES = {
    "N": "parameters", "D": "training tokens", "tokens_per_param": "tokens per parameter", "C": "training FLOP",
    "M": "tokens per parameter", "loss": "loss", "cost": "FLOP spent", "cost_to_target": "spent until the target",
    "decay_steps": "steps of the decay", "decay_share": "share of the run", "rest": "share of the rest",
}  # fmt: skip


def plan_document(plan: Plan) -> dict[str, Any]:
    """Everything that `jaxscale plan` says, as data."""
    return {
        "budget": plan.budget,
        "summary": plan.summary(),
        "recommended": plan.recommended,
        "valley": plan.valley(),
        "chosen": plan.chosen,
        "notes": plan.notes,
    }


def plan_text(plan: Plan) -> str:
    """The optimum with its interval, the one choice to make, how flat it is, and what was assumed."""
    rows = []
    for name, row in plan.summary().to_dict("index").items():
        sd = spread(row["q05"], row["q95"])
        quantiles = [by_name(str(name), row[q], sd) for q in ("q05", "q50", "q95")]
        rows.append([label(plan, str(name)), *quantiles])
    header, wide = ["", "5 %", "median", "95 %"], uncertain(plan)
    if not wide:
        header, rows = ["", "value"], [[r[0], r[2]] for r in rows]
    notes = "\n".join(f"- {note}" for note in plan.notes)
    return paragraphs(plan.asked, table(header, rows), "\n".join(_choice(plan, wide)), notes)


def uncertain(plan: Plan) -> bool:
    """Whether there is more than one draw; a point fit knows no risk."""
    return max(len(v) for v in plan.draws.values()) > 1


def label(plan: Plan, name: str) -> str:
    """A quantity in words; with its symbol where the law has its own."""
    if plan.asked_in != "FLOP" and name in ("cost", "cost_to_target"):
        return {"cost": "spent", "cost_to_target": "spent until the target"}[name]
    if name in plan.meanings and (name not in QUANTITIES or name == plan.response):
        said = plan.meanings[name]
        return said if name == plan.response or said == name else f"{said} ({name})"
    return QUANTITIES.get(name, name)


def _choice(plan: Plan, wide: bool) -> list[str]:
    """The one choice to make, what it risks, and how flat it is."""
    best, valley, response = plan.recommended, plan.valley(), plan.response
    if not (value := best.get(response)) and plan.chosen == (response,):
        return []
    if plan.chosen == (response,):
        return [f"Recommended: {response} = {by_name(response, float(value or 0.0))}."]
    if {"N", "D"} <= set(plan.chosen) <= {"N", "D"}:
        ratio = f"{human(best['D'] / best['N'])} tokens per parameter"
        said = f"Recommended: {human(best['N'])} parameters on {human(best['D'])} tokens ({ratio})"
    else:
        said = "Recommended: " + ", ".join(f"{s} = {by_name(s, best[s])}" for s in plan.chosen)
    if "regret_q95" not in best:
        sure = f"{100 * best['p_target']:.0f} % of the posterior reaches it" if wide else "the curve reaches it"
        return [f"{said}, with which {sure}."]
    said += f", expected {response} {by_name(response, best[response])}."
    risk = best["regret_q95"]
    if wide and risk > 0.0:
        said += f" With 95 % probability it loses less than {plain(risk, digits=2)} against the best possible choice."
    elif wide:
        said += " In 95 % of the posterior no other choice is better."
    lines = [said]
    first = plan.chosen[0]
    low, high = valley.get(f"{first}_low", np.nan), valley.get(f"{first}_high", np.nan)
    if low < high:
        what = "size" if first == "N" else first
        unit = " parameters" if first == "N" else ""
        ends = f"{by_name(first, low)} to {by_name(first, high)}{unit}"
        lines.append(f"Any {what} from {ends} costs at most 0.5 % of {response}.")
    return lines
