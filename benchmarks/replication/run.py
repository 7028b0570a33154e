"""Published numbers beside ours, on real tables: JAXSCALE_DATA=... python benchmarks/replication/run.py [topic ...]."""

from __future__ import annotations

import sys
from pathlib import Path

import coverage
import gadre
import kaplan
import parscale
import rectified
import sigmoid
from show import timed

TOPICS = {
    "gadre": gadre.replicate,
    "rectified": rectified.replicate,
    "parscale": parscale.replicate,
    "coverage": coverage.replicate,
    "sigmoid": sigmoid.replicate,
    "kaplan": kaplan.replicate,
}
RESULTS = Path(__file__).with_name("results.md")


def main(names: list[str]) -> int:
    if unknown := set(names) - set(TOPICS):
        print(f"No topic is called {', '.join(sorted(unknown))}; there are {', '.join(TOPICS)}.", file=sys.stderr)
        return 2
    texts = ["# Replication", "Written by `benchmarks/replication/run.py`; see README.md beside it."]
    for name in names or TOPICS:
        text = str(timed(TOPICS[name]))
        print(text, end="\n\n", flush=True)
        texts.append(text)
    if not names:
        RESULTS.write_text("\n\n".join(texts) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
