"""Do our posteriors match those of a second engine? Blackjax's NUTS on the same density, and nothing else shared.

    python benchmarks/reference/run.py [--only NAME ...] [--cache FOLDER] [--until SECONDS]

Needs blackjax (`pip install blackjax`), and for the real tables JAXSCALE_DATA or a network. A table's reference is four
chains of 2 500 draws or more, from starts spread twice as wide as the posterior about a mode of its own finding, after
window adaptation; ours is FITS fits at default settings with keys of their own, pooled, so that their scatter is their
Monte Carlo error. What is done is kept in the cache folder, references in references.json beside this file, too; a
rerun does what is missing, or was made of another posterior. `--until` begins no table after that many seconds. Writes
references.json and results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import zlib
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import blackjax  # pyright: ignore[reportMissingImports]
import jax
import jax.numpy as jnp
import numpy as np
import platformdirs
from blackjax.adaptation.base import get_filter_adapt_info_fn  # pyright: ignore[reportMissingImports]
from judge import DIGITS, FULL, checked, differences, faults, judged, misses, of_chains, of_fits, worst
from scipy.optimize import minimize
from tables import CASES, Case, fingerprint, posterior

import jaxscale as js
from jaxscale.errors import JaxscaleError
from jaxscale.model import Model
from jaxscale.runtime import at_the_door

HERE = Path(__file__).parent
SEED = 20_240_229  # of keys that no fit of ours has
CHAINS, WARM_UP, EACH, MOST = 4, 1000, 2500, 16  # EACH draws of a chain at a time, at most so many times
WANTED = 20_000  # effective draws of every parameter, at which sampling stops
SEARCHES = 24  # for the mode, from draws of the prior
SPREAD = 2.0  # of the starts, in posterior sds
TARGETS = 0.9, 0.99  # acceptance; the second where a chain has diverged under the first
FITS, DRAWS = 16, 4000  # of ours
FAR = 0.15  # sd: of a single fit's mean, as in tests


def main() -> None:
    """Sample what is missing, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(CASES), metavar="NAME", default=list(CASES))
    parser.add_argument("--cache", type=Path, default=Path(platformdirs.user_cache_dir("jaxscale")) / "reference")
    parser.add_argument("--until", type=float, default=float("inf"), help="seconds after which no table is begun")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    begun, store = time.monotonic(), HERE / "references.json"
    published = json.loads(store.read_text()) if store.exists() else {}
    records = {}
    for name, case in CASES.items():
        file = options.cache / f"{name}.json"
        record = {k: published[name] for k in ["reference"] if name in published}
        record |= json.loads(file.read_text()) if file.exists() else {}
        try:
            runs = case.runs()
            stands = fingerprint(case, runs)
        except JaxscaleError as error:  # a real table that is not at hand keeps what is known of it
            print(f"{name}: {error}", flush=True)
            runs, stands = None, record.get("reference", {}).get("density", [])
        record = {k: v for k, v in record.items() if np.allclose(v["density"], stands, rtol=1e-6)}
        for part, make in {"reference": second, "ours": ours}.items():
            if runs and part not in record and name in options.only and time.monotonic() - begun < options.until:
                record[part] = {"density": [float(f"{d:.{DIGITS}g}") for d in stands], **make(case, runs)}
                file.write_text(json.dumps(record))
                print(
                    name, part, {k: v for k, v in record[part].items() if k not in ("parameters", "each")}, flush=True
                )
        records[name] = record
    kept = {name: r["reference"] for name, r in records.items() if "reference" in r}
    store.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in kept.items()) + "\n}\n")
    (HERE / "results.md").write_text(page(records))


# ---- the second engine ---------------------------------------------------------------------------


@at_the_door
def second(case: Case, runs: js.Runs) -> dict[str, Any]:
    """Blackjax's NUTS: how the table is made, settings, checks, and each parameter's moments."""
    clock = time.perf_counter()
    model, lane = posterior(case, runs)
    density = jax.jit(jax.value_and_grad(lambda u: model.log_density(u, lane)))
    key = jax.random.fold_in(jax.random.key(SEED), np.uint32(zlib.crc32(repr(case).encode())))
    centre, factor = map(jnp.asarray, _mode(model, density, jax.random.fold_in(key, 0)))

    def whitened(z: Any) -> jax.Array:
        return model.log_density(centre + factor @ z, lane)

    def warm(key: jax.Array, z: jax.Array, target: Any) -> Any:
        adaptation: Any = blackjax.window_adaptation(
            blackjax.nuts, whitened, is_mass_matrix_diagonal=False, target_acceptance_rate=target,
            adaptation_info_fn=get_filter_adapt_info_fn(),
        )  # fmt: skip
        (state, tuned), _ = adaptation.run(key, z, num_steps=WARM_UP)
        return state, {k: tuned[k] for k in ("step_size", "inverse_mass_matrix")}

    def walk(key: jax.Array, state: Any, tuned: dict[str, jax.Array]) -> Any:
        def step(state: Any, key: jax.Array) -> Any:
            state, info = blackjax.nuts.build_kernel()(key, state, whitened, **tuned)
            return state, (model.values(centre + factor @ state.position, lane), info.is_divergent)

        return jax.lax.scan(step, state, jax.random.split(key, EACH))

    warm, walk = jax.jit(jax.vmap(warm, in_axes=(0, 0, None))), jax.jit(jax.vmap(walk))
    start = SPREAD * jax.random.normal(jax.random.fold_in(key, 1), (CHAINS, model.size))
    summary, diverged, blocks, target = {}, 0, [], 0.0
    for attempt, target in enumerate(TARGETS):
        keys = jax.random.split(jax.random.fold_in(key, 2 + attempt), (MOST + 1, CHAINS))
        state, tuned = warm(keys[0], start, jnp.asarray(target))
        blocks, diverged = [], 0
        for now in keys[1:]:
            state, (values, divergent) = walk(now, state, tuned)
            blocks.append(np.asarray(values))
            diverged += int(divergent.sum())
            if diverged and target < TARGETS[-1]:
                break
            summary = {p: of_chains(x) for p, x in judged(model, np.concatenate(blocks, axis=1)).items()}
            if min(min(s["ess_bulk"], s["ess_tail"]) for s in summary.values()) > WANTED:
                break
        if not diverged:
            break
    return {
        **case.made, "rows": len(lane["y"]), "draws": CHAINS * EACH * len(blocks), "divergences": diverged,
        "target": target, "blackjax": version("blackjax"), "seconds": round(time.perf_counter() - clock, 1),
        "faults": faults(summary, diverged), "parameters": summary,
    }  # fmt: skip


def _mode(model: Model, density: Callable, key: jax.Array) -> tuple[np.ndarray, np.ndarray]:
    """The highest point that quasi-Newton searches find, and a square root of the covariance there."""

    def down(u: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = density(jnp.asarray(u))
        return -float(value), -np.nan_to_num(np.asarray(slope))

    starts = np.asarray(jax.vmap(model.draw_prior)(jax.random.split(key, SEARCHES)))
    best = min((minimize(down, u, jac=True, method="BFGS") for u in starts), key=lambda found: found.fun).x
    steps = 1e-4 * np.eye(model.size)
    bends = np.stack([(down(best + s)[1] - down(best - s)[1]) / 2e-4 for s in steps])
    curvature, axes = np.linalg.eigh(0.5 * (bends + bends.T))
    return best, axes / np.sqrt(np.maximum(curvature, 0.1))


# ---- ours ----------------------------------------------------------------------------------------


def ours(case: Case, runs: js.Runs) -> dict[str, Any]:
    """FITS fits of one table at default settings: their stages, and each parameter's moments over all that passed."""
    clock = time.perf_counter()
    fits = js.fit_many({f"fit {i}": runs for i in range(FITS)}, case.law, case.noise, keep=DRAWS, progress=False)
    status = fits.status()
    found = {
        "stages": dict(Counter(status.method[status.ok])), "refused": int((~status.ok).sum()),
        "seconds": round(time.perf_counter() - clock, 1), "parameters": {}, "each": [],
    }  # fmt: skip
    draws = [fits.draws(name) for name in fits if status.ok[name]]
    if len(draws) > 1:
        model = fits.recipe.model
        values = np.stack([np.stack([d[p] for p in model.params], axis=-1) for d in draws])
        together = judged(model, values)
        found["parameters"] = {p: of_fits(x) for p, x in together.items()}
        found["each"] = [{p: float(x[i].mean()) for p, x in together.items()} for i in range(len(draws))]
    return found


# ---- the page ------------------------------------------------------------------------------------


def page(records: dict[str, dict]) -> str:
    """Comparison, misses, references."""
    rows, said, checks, absent = [], [], [], []
    for name, record in records.items():
        reference, our = record.get("reference"), record.get("ours")
        if reference is None or our is None:
            absent.append(name)
        if reference is not None:
            checks.append(checked(name, reference))
        if reference is None or our is None:
            continue
        stages = ", ".join(f"{k} {v}" for k, v in our["stages"].items())
        stages += f", refused {our['refused']}" if our["refused"] else ""
        begins = f"| {name} | {reference['law']}, {reference['noise']} | {stages} |"
        if reference["faults"]:
            rows.append(f"{begins} | | | | | not judged |")
        elif not our["parameters"]:
            rows.append(f"{begins} | | | | | refused |")
        else:
            found = differences(our["parameters"], reference["parameters"])
            wrong = misses(found, FULL)
            rows.append(f"{begins} {worst(found, our, reference)} | {'miss' if wrong else 'pass'} |")
            said += [f"- {name}: {'; '.join(wrong)}. {_why(name, our, reference)}".strip()] if wrong else []
    verdicts = Counter(row.rsplit("|", 2)[1].strip() for row in rows)
    missing = f" Still missing: {', '.join(absent)}." if absent else ""
    return "\n".join([
        "# Against a second engine", "",
        f"The reference is NUTS of blackjax {version('blackjax')}, {CHAINS} chains; ours, {FITS} fits of {DRAWS} draws "
        f"at default settings, pooled. The bar: each mean within {FULL.mcse:g} combined Monte Carlo errors and "
        f"{FULL.mean:g} sd, each sd within {100 * FULL.ratio:g} %, each 5 and 95 % quantile within {FULL.quantile:g} "
        "sd; coefficients and scales by their logarithms. "
        f"Of {len(rows)} tables {verdicts['pass']} pass, {verdicts['miss']} miss, {verdicts['not judged']} have no "
        f"reference that passes its own checks, and {verdicts['refused']} are refused by ours.{missing}", "",
        "| table | law and noise | ours, by stage | worst mean, sd | worst mean, Monte Carlo errors | sd ratio | "
        "worst quantile, sd | one fit's worst mean, sd | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |", *rows, "",
        "## What misses", "", *(said or ["Nothing."]), "",
        "## The references", "",
        "Worst over the parameters; the last column says why one is not used.", "",
        "| table | rows | draws | R-hat | bulk ESS | tail ESS | divergences | acceptance | s | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |", *checks, "",
        "    python benchmarks/reference/run.py", "",
    ])  # fmt: skip


def _why(name: str, our: dict, reference: dict) -> str:
    """How many fits lie elsewhere or were refused, and what is known of the cause."""
    known = reference["parameters"]
    far = sum(any(abs(fit[p] - s["mean"]) > FAR * s["sd"] for p, s in known.items()) for fit in our["each"])
    found = [f"{far} of {FITS} fits have a mean more than {FAR} sd off."] if far else []
    found += [f"{our['refused']} of {FITS} fits were refused, and are not among these."] if our["refused"] else []
    return " ".join(found)


if __name__ == "__main__":
    main()
