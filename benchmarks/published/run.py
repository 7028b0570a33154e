"""Every published number that a law must give: the paper's, ours, and the difference.

    python benchmarks/published/run.py

Takes the lists CHECKS of the modules beside it; those that need a public table are skipped with a reason where
JAXSCALE_DATA does not have it. Writes results.md; ends with 1 where a miss has no explanation.
"""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path

from published import Check

HERE = Path(__file__).parent


def main() -> int:
    """Compute every check, write the page."""
    rows, missed, unexplained, skipped = [], 0, 0, []
    for module in sorted(HERE.glob("*.py")):
        if module.stem in ("run", "published"):
            continue
        checks: list[Check] = importlib.import_module(module.stem).CHECKS
        for check in checks:
            try:
                ours = check.ours()
            except FileNotFoundError as absent:
                skipped.append(f"{check.law}, {check.quantity}: {absent}")
                continue
            # not "difference > allowed", which a NaN would pass
            miss = not abs(ours - check.paper) <= check.allowed
            missed, unexplained = missed + miss, unexplained + (miss and not check.note)
            rows.append(_row(check, ours, miss))
    text = "\n".join(
        [
            "# Published numbers", "",
            f"{len(rows)} numbers, {missed} missed, {unexplained} of these unexplained. A miss is a difference of more "
            "than half a unit of the last printed digit, or more than the paper's wording allows.", "",
            "| law | quantity | paper | ours | difference | | note |", "| --- | --- | --- | --- | --- | --- | --- |",
            *rows, *(["", "## Skipped", "", *(f"- {s}" for s in skipped)] if skipped else []),
            "", "    python benchmarks/published/run.py", "",
        ]
    )  # fmt: skip
    if not skipped:
        (HERE / "results.md").write_text(text)
    print(text)
    return int(unexplained > 0)


def _row(check: Check, ours: float, miss: bool) -> str:
    relative = (ours - check.paper) / abs(check.paper) if check.paper else ours
    rounds = check.digits is not None and check.digits >= 0 and math.isfinite(ours)
    shown = f"{ours:.{check.digits}f}" if rounds else f"{ours:.5g}"
    return (
        f"| {check.law} | {check.quantity} | {check.paper:g} | {shown} | {100 * relative:+.2g} % | "
        f"{'miss' if miss else ''} | {check.note} |"
    )


if __name__ == "__main__":
    sys.exit(main())
