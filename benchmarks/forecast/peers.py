"""The same held-out runs of the same ladders, forecast by what others use.

    python -m venv .peers && .peers/bin/pip install -r benchmarks/forecast/peers.txt
    .peers/bin/python benchmarks/forecast/peers.py [--only TEXT] [--peer NAME ...] [--hold-out 0.2] [--out DIR]

Nothing here needs jaxscale; a peer whose package is missing is recorded as not available. Writes peers.json beside
this file, with the fields of results.json; what stands there is not computed again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from ladders import ladders
from scipy.optimize import least_squares as solve
from scipy.optimize import minimize
from scoring import scores, split

HERE = Path(__file__).parent
HUBER = 1e-3
POLISHED = 20  # ends that are run on to tight tolerances
INPUTS = ["params", "tokens"]
Z90 = 1.6448536269514722


def chinchilla_least_squares(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """E + A / N^alpha + B / D^beta by least squares on log loss, the best of 486 starts; no interval.

    Inputs are centred, and E, A and B carried as logarithms, so that every start is well scaled.
    """
    (n, d), y = np.log(train[INPUTS].to_numpy()).T, np.log(train.loss.to_numpy())
    centre = n.mean(), d.mean()
    n, d = n - centre[0], d - centre[1]
    floor, scale = y.min(), np.exp(y.mean())
    floors, exponents = floor + np.log([0.02, 0.4, 0.7, 0.85, 0.95, 0.99]), (0.1, 0.3, 0.8)
    amounts = np.log(scale * np.array([0.02, 0.1, 0.4]))
    starts = itertools.product(floors, amounts, amounts, exponents, exponents)

    def residual(x: np.ndarray) -> np.ndarray:
        return _log_loss(x, n, d) - y

    def slope(x: np.ndarray) -> np.ndarray:
        terms = _terms(x, n, d)
        share = np.exp(terms - np.logaddexp.reduce(terms))
        return np.stack([*share, -n * share[1], -d * share[2]], axis=1)

    bounds = [-30.0, -30.0, -30.0, 0.0, 0.0], [30.0, 30.0, 30.0, 10.0, 10.0]
    how: dict[str, Any] = {"jac": slope, "bounds": bounds}
    best = min((solve(residual, np.array(s), **how) for s in starts), key=lambda r: r.cost)
    best = solve(residual, best.x, **how, xtol=1e-14, ftol=1e-14, gtol=1e-14, max_nfev=2000)
    far = np.log(test[INPUTS].to_numpy()).T - np.array(centre)[:, None]
    return _point(np.exp(_log_loss(best.x, *far)))


def chinchilla_huber(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """The fit of Hoffmann et al. (2022) as Besiroglu et al. (2024) correct it; no interval.

    L-BFGS from their 4 500 starts on the summed Huber loss of log residuals; the best ends go on to tight tolerances.
    """
    (n, d), y = np.log(train[INPUTS].to_numpy()).T, np.log(train.loss.to_numpy())
    exponents, amounts = np.arange(0, 2.01, 0.5), np.arange(0, 25.1, 5)
    grid = itertools.product(np.arange(-1, 1.01, 0.5), amounts, amounts, exponents, exponents)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        terms = _terms(x, n, d)
        total = np.logaddexp.reduce(terms)
        error = total - y
        pull = np.clip(error, -HUBER, HUBER)
        parts = pull * np.exp(terms - total)
        value = float(np.sum(pull * (error - pull / 2)))
        return value, np.array([*parts.sum(axis=1), -parts[1] @ n, -parts[2] @ d])

    ends = [minimize(objective, np.array(start), jac=True, method="L-BFGS-B") for start in grid]
    ends = sorted((e for e in ends if np.isfinite(e.fun)), key=lambda e: e.fun)[:POLISHED]
    tight = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 20_000, "maxfun": 40_000}
    ends = [minimize(objective, e.x, jac=True, method="L-BFGS-B", options=tight) for e in ends]
    best = min(ends, key=lambda e: e.fun)
    return _point(np.exp(_log_loss(best.x, *np.log(test[INPUTS].to_numpy()).T)))


def simple_scaling_laws(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """The package of that name with its defaults: the same form, 1 000 bootstrap refits, its interval for a new run."""
    import polars as pl  # pyright: ignore[reportMissingImports]
    import simple_scaling_laws as library  # pyright: ignore[reportMissingImports]

    names, target = dict(zip(INPUTS, ("model_size__n_params", "dataset_size__n_tokens"), strict=True)), "test_loss__ce"
    points = {names[c]: train[c].to_numpy() for c in INPUTS} | {target: train.loss.to_numpy()}
    model = library.fit(pl.DataFrame({"training_run_id": [str(k) for k in range(len(train))], **points}), seed=0)
    at = pl.DataFrame({names[c]: test[c].to_numpy() for c in INPUTS})
    said = model.predict(at, kind="new-run", quantiles=(0.05, 0.5, 0.95))
    low, middle, high = (said[f"{target}__{q}"].to_numpy() for q in ("q050", "median", "q950"))
    return pd.DataFrame({"q50": middle, "new_q05": low, "new_q95": high})


def gaussian_process(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """A line in log inputs and a smooth error about it, both with normal priors, of log loss; scikit-learn."""
    from sklearn.gaussian_process import GaussianProcessRegressor  # pyright: ignore[reportMissingImports]
    from sklearn.gaussian_process.kernels import (  # pyright: ignore[reportMissingImports]
        RBF,
        ConstantKernel,
        DotProduct,
        WhiteKernel,
    )

    x, far = np.log(train[INPUTS].to_numpy()), np.log(test[INPUTS].to_numpy())
    middle, spread = x.mean(axis=0), x.std(axis=0)
    line = ConstantKernel(1.0, (1e-4, 1e4)) * DotProduct(1.0, (1e-3, 1e3))
    smooth = ConstantKernel(0.1, (1e-6, 1e3)) * RBF([1.0, 1.0], (0.05, 100.0))
    noise = WhiteKernel(1e-3, (1e-8, 1.0))
    model = GaussianProcessRegressor(line + smooth + noise, normalize_y=True, n_restarts_optimizer=8, random_state=0)
    model.fit((x - middle) / spread, np.log(train.loss.to_numpy()))
    mean, sd = model.predict((far - middle) / spread, return_std=True)
    return pd.DataFrame({"q50": np.exp(mean), "new_q05": np.exp(mean - Z90 * sd), "new_q95": np.exp(mean + Z90 * sd)})


def boosted_trees(train: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Gradient-boosted trees on log parameters, tokens and compute, of log loss; three quantiles; scikit-learn.

    Leaves of three runs: ladders have tens of runs, and the library's twenty would leave one leaf.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor  # pyright: ignore[reportMissingImports]

    def features(runs: pd.DataFrame) -> np.ndarray:
        x = np.log(runs[INPUTS].to_numpy())
        return np.column_stack([x, x.sum(axis=1)])

    found = {}
    for column, quantile in (("q50", 0.5), ("new_q05", 0.05), ("new_q95", 0.95)):
        model = HistGradientBoostingRegressor(
            loss="quantile", quantile=quantile, min_samples_leaf=3, max_iter=200, learning_rate=0.1, random_state=0
        )
        found[column] = np.exp(model.fit(features(train), np.log(train.loss.to_numpy())).predict(features(test)))
    ordered = np.sort(np.column_stack([found[c] for c in ("new_q05", "q50", "new_q95")]), axis=1)  # fits may cross
    return pd.DataFrame(ordered, columns=["new_q05", "q50", "new_q95"])


PEERS = {
    "least squares": chinchilla_least_squares,
    "Huber": chinchilla_huber,
    "simple-scaling-laws": simple_scaling_laws,
    "Gaussian process": gaussian_process,
    "boosted trees": boosted_trees,
}


def main() -> int:
    """Measure what is missing, write the numbers, and print their means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="ladders whose name holds this")
    parser.add_argument("--peer", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--hold-out", type=float, default=0.2)
    parser.add_argument("--out", type=Path, default=HERE)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "peers.json"
    kept = json.loads(file.read_text()) if file.exists() else []
    done = {(r["ladder"], r["hold_out"], r["law"]) for r in kept if r["status"] != "not available"}
    for name, runs in ladders().items():
        for peer in options.peer:
            if options.only in name and (name, options.hold_out, peer) not in done:
                mine = (name, options.hold_out, peer)
                kept = [r for r in kept if (r["ladder"], r["hold_out"], r["law"]) != mine]
                kept.append(study(name, runs, peer, options.hold_out))
                file.write_text(json.dumps(kept, indent=0) + "\n")
    print(means(kept).to_string(float_format=lambda v: f"{v:.4f}"))
    return 0


def study(name: str, runs: pd.DataFrame, peer: str, hold_out: float) -> dict:
    """One record of one peer on one ladder."""
    train, test, reach = split(runs, hold_out)
    about = {"ladder": name, "hold_out": hold_out, "runs": len(runs), "held_out": len(test), "reach": reach,
             "law": peer}  # fmt: skip
    clock, status = time.process_time(), "ok"
    forecast = _point(np.full(len(test), np.nan))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            forecast = PEERS[peer](train, test)
    except ImportError as missing:
        status = "not available"
        print(f"{peer}: {missing}; see benchmarks/forecast/peers.txt", file=sys.stderr)
    except (ValueError, ArithmeticError, np.linalg.LinAlgError, RuntimeError) as error:
        status = f"failed: {error}"
    record = {**about, "status": status, **scores(forecast, test.loss.to_numpy()),
              "cpu_s": time.process_time() - clock}  # fmt: skip
    print({k: round(v, 4) if isinstance(v, float) else v for k, v in record.items()}, file=sys.stderr, flush=True)
    return record


def means(records: list[dict]) -> pd.DataFrame:
    """Of each peer, the ladders of one source sharing its weight."""
    frame: Any = pd.DataFrame(records)
    frame["source"] = frame["ladder"].str.split("|").str[0]
    rows = {}
    for key, own in frame.groupby(["hold_out", "law"]):
        of_source = own.pivot_table(index="source", values=["error", "coverage", "width", "cpu_s"]).mean().to_dict()
        rows[key] = {**of_source, "answered": own["error"].count(), "ladders": len(own)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _terms(x: np.ndarray, n: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Logarithms of E, A / N^alpha and B / D^beta, (3, runs), at x = (log E, log A, log B, alpha, beta)."""
    return np.stack([np.full_like(n, x[0]), x[1] - x[3] * n, x[2] - x[4] * d])


def _log_loss(x: np.ndarray, n: np.ndarray, d: np.ndarray) -> np.ndarray:
    return np.logaddexp.reduce(_terms(x, n, d))


def _point(middle: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"q50": middle, "new_q05": np.nan, "new_q95": np.nan})


if __name__ == "__main__":
    sys.exit(main())
