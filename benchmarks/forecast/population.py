"""How large the own error of laws is on public ladders: the prior that the package ships.

    python benchmarks/forecast/population.py [--law NAME ...]

Each ladder gives a likelihood of tau, the error a decade, from three forecasts of its larger runs from its smaller
ones, as `jaxscale.discrepancy` has it for any table. Over ladders, sources weighted equally, a log-normal population is
fitted to these: median and log sd, once for each law, once for all, and with each source left out. Writes
population.json and population.md here; `jaxscale/population.py` has what is used, by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import numpy as np
from ladders import ladders

import jaxscale as js
from jaxscale.batch import table_of
from jaxscale.discrepancy import SCALES, TEMPER, sized
from jaxscale.model import Model
from jaxscale.noise import get_noise
from jaxscale.population import prior_of
from jaxscale.runtime import float64, keep_compiled_programs

HERE = Path(__file__).parent
LAWS = ("chinchilla", "coupled", "gadre", "kaplan_nd")
MEDIANS, SPREADS = np.geomspace(0.002, 0.1, 80), np.linspace(0.2, 2.0, 37)


def main() -> int:
    """Measure, and write page and numbers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--law", nargs="*", default=LAWS)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    keep_compiled_programs()
    began, kept = time.process_time(), []
    with float64():
        for name, frame in ladders().items():
            for law in options.law:
                found = likelihood(js.read_runs(frame), law)
                if found is not None:
                    kept.append({"ladder": name, "law": law, "runs": len(frame), "log_p": found.tolist()})
            print(name, file=sys.stderr, flush=True)
    text = page(kept, time.process_time() - began)
    (options.out / "population.json").write_text(json.dumps(kept) + "\n")
    (options.out / "population.md").write_text(text)
    print(text)
    return 0


def likelihood(runs: js.Runs, name: str) -> np.ndarray | None:
    """Log likelihood of each of SCALES; None where no origin can be judged."""
    law = js.get_law(name)
    model = Model(law, get_noise(None, law.response))
    beyond = sized(model, table_of(runs, law, model.noise))
    if beyond is None:
        return None
    median, spread = prior_of(name)
    prior = -0.5 * (np.log(SCALES / median) / spread) ** 2
    found = (np.log(np.maximum(beyond.weights, 1e-300)) - prior) / TEMPER
    return found - found.max()


def population(kept: list[dict], temper: float = TEMPER) -> tuple[float, float]:
    """Median and log sd that make the ladders likeliest; each source counts as one ladder."""
    sources = [k["ladder"].split("|")[0] for k in kept]
    weight = np.array([1.0 / sources.count(s) for s in sources])
    likely = np.exp(temper * np.array([k["log_p"] for k in kept]))
    best, found = -np.inf, (np.nan, np.nan)
    for median in MEDIANS:
        z = np.log(SCALES / median)[None] / SPREADS[:, None]
        prior = np.exp(-0.5 * z**2)
        prior /= prior.sum(axis=1, keepdims=True)
        score = np.log(likely @ prior.T).T @ weight
        if score.max() > best:
            best, found = score.max(), (float(median), float(SPREADS[score.argmax()]))
    return found


def page(kept: list[dict], seconds: float) -> str:
    """For people."""
    lines = ["# The own error of laws on public ladders", "",
             "tau, the error a decade beyond the data: the likeliest median and log sd of a log-normal population, "
             f"sources weighted equally, likelihoods tempered by {TEMPER:g} (origins overlap).", "",
             "| law | ladders | median | log sd | median, each source left out |",
             "| --- | --- | --- | --- | --- |"]  # fmt: skip
    laws = list(dict.fromkeys(k["law"] for k in kept))
    for name, own in [*((law, [k for k in kept if k["law"] == law]) for law in laws), ("all", kept)]:
        median, spread = population(own)
        sources = sorted({k["ladder"].split("|")[0] for k in own})
        without = [population([k for k in own if k["ladder"].split("|")[0] != s])[0] for s in sources]
        lines.append(
            f"| {name} | {len(own)} | {median:.4f} | {spread:.2f} | {min(without):.4f} to {max(without):.4f} |"
        )
    lines += ["", "The likeliest tau of each ladder:", "", "| ladder | runs | " + " | ".join(laws) + " |",
              f"|{' --- |' * (len(laws) + 2)}"]  # fmt: skip
    for ladder in dict.fromkeys(k["ladder"] for k in kept):
        own = {k["law"]: k for k in kept if k["ladder"] == ladder}
        cells = [f"{SCALES[int(np.argmax(own[law]['log_p']))]:.4f}" if law in own else "none" for law in laws]
        lines.append(f"| {ladder} | {next(iter(own.values()))['runs']} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", f"{seconds:.0f} CPU s.", "", "    python benchmarks/forecast/population.py", ""])


if __name__ == "__main__":
    sys.exit(main())
