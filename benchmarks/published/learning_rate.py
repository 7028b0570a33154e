"""Published numbers of the learning-rate laws, those of curves computed from the public table."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import numpy as np
import pandas as pd
from published import Check, at

import jaxscale as js
from jaxscale.law import positive
from jaxscale.schedules import NODES, areas, constant, cosine, prepare, wsd

PEAK, WARMUP = 3e-4, 2160
COSINE = [3.6696, 3.3254, 3.1908, 3.1159, 3.0605, 3.0204, 2.9881, 2.9612, 2.9395, 2.9196,
          2.9030, 2.8882, 2.8768, 2.8654, 2.8565, 2.8490, 2.8436, 2.8399, 2.8381, 2.8376]  # fmt: skip
CONSTANT = [3.6714, 3.3256, 3.1884, 3.1119, 3.0584, 3.0211, 2.9875, 2.9608, 2.9407, 2.9241,
            2.9054, 2.8942, 2.8808, 2.8703, 2.8622, 2.8531, 2.8448, 2.8384, 2.8327, 2.8294]  # fmt: skip


def schedule(name: str) -> np.ndarray:
    """The schedules of the multi-power curves, by the names of their files."""
    kind, *numbers = name.split("_")
    first, last = int(numbers[0]), int(numbers[-1])
    if kind == "cosine":
        return cosine(PEAK, last, WARMUP, PEAK / 10)
    if kind == "wsdcon":
        return np.where(np.arange(1, 16001) < 8000, constant(PEAK, 16000, WARMUP), first * 1e-5)
    if kind == "constant":
        return constant(PEAK, last, WARMUP)
    return wsd(PEAK, last, WARMUP, last - first, PEAK / 10, "linear" if kind == "wsdld" else "exponential")


@functools.cache
def curves(size: str) -> pd.DataFrame:
    """Every point of the nine curves of a size, with the columns that the laws take."""
    runs = pd.read_csv(Path(os.environ["JAXSCALE_DATA"]) / "multipowerlaw_curves" / "runs.csv")
    parts = []
    for name, run in runs[runs["size"] == size].groupby("schedule"):
        columns = pd.DataFrame(prepare(schedule(str(name)), np.asarray(run["step"])), index=run.index)
        parts.append(pd.concat([run, columns], axis=1))
    return pd.concat(parts, ignore_index=True)


def held_out(size: str) -> float:
    """Mean over the six held-out schedules of the mean absolute error of multi_power as published."""
    table = curves(size)
    law = js.get_law("multi_power")
    vectors = (
        np.stack([table[f"{v}:{j}"].to_numpy() for j in range(NODES)], axis=1) for v in ("lr_drop", "lr_at", "lr_after")
    )
    mean = law(table["lr_sum"].to_numpy(), *vectors, **law.published[f"luo2025_{size.lower()}"])
    off = np.abs(mean - table["loss"])[table["split"] == "test"]
    return float(off.groupby(table["schedule"]).mean().mean())


@functools.cache
def demo(decay: float) -> js.Fit:
    """The script's demo data; it counts steps from 0, so that a thousand and one have been taken at step 1000."""
    steps = np.arange(1000, 20001, 1000) + 1
    table = pd.concat(
        [
            pd.DataFrame(areas(np.append(lr, lr[-1]), steps, decay=decay) | {"loss": loss})
            for lr, loss in ((cosine(2e-4, 20000, 500), COSINE), (constant(2e-4, 20000, 500), CONSTANT))
        ],
        ignore_index=True,
    )
    wide = {"C": positive(1.0, 2.0)} if decay != 0.999 else None
    return js.fit(table, "lr_annealing", noise="huber", priors=wide, progress=False)


@functools.cache
def annealing(size: str) -> js.Fit:
    """lr_annealing on the three training curves: least squares of the loss, the warm-up at its own rate in S1."""
    table = curves(size).query("split == 'fit'").reset_index(drop=True)
    table = pd.DataFrame({"forward_area": table["lr_sum"]} | {c: table[c] for c in ("annealing_area", "loss")})
    return js.fit(table, "lr_annealing", noise="least_squares/raw", progress=False)


@functools.cache
def near_best(response: str) -> np.ndarray:
    """Exponents of N and D by least squares in logs, on the runs within 0.25 % of the best of their (N, D)."""
    runs = pd.read_csv(Path(os.environ["JAXSCALE_DATA"]) / "steplaw_dense" / "runs.csv")
    best = np.asarray(runs.groupby(["params", "tokens"])["loss"].transform("min"))
    near = runs[np.asarray(runs["loss"]) <= 1.0025 * best]
    inputs = ["params", "tokens"] if response == "lr" else ["tokens"]
    design = np.column_stack([np.ones(len(near)), np.log(near[inputs])])
    return np.linalg.lstsq(design, np.log(near[response]), rcond=None)[0][1:]


def _of(fit, key, parameter):
    return lambda: float(fit(key).point[parameter])


CHECKS = [
    *(
        Check("multi_power", f"{size}, error on six held-out schedules", paper, functools.partial(held_out, size), 5)
        for size, paper in (("25M", 0.00376), ("100M", 0.00434), ("400M", 0.00485))
    ),
    *(
        Check("lr_annealing", f"demo data, {name}", paper, _of(demo, 0.999, name), 3)
        for name, paper in (("L0", 2.628), ("A", 0.430), ("C", 0.411), ("alpha", 0.550))
    ),
    Check("lr_annealing", "demo data, lambda = 0.99, C", 3.92, _of(demo, 0.99, "C"), 2),
    Check("lr_annealing", "demo data, lambda = 0.995, C", 1.97, _of(demo, 0.995, "C"), 2),
    Check("lr_annealing", "demo data, lambda = 0.9995, C", 0.221, _of(demo, 0.9995, "C"), 3),
    Check("lr_annealing", "demo data, lambda = 0.99, L0", 2.621, _of(demo, 0.99, "L0"), 3),
    Check("lr_annealing", "demo data, lambda = 0.995, L0", 2.621, _of(demo, 0.995, "L0"), 3),
    Check(
        "lr_annealing", "demo data, lambda = 0.9995, L0", 2.634, _of(demo, 0.9995, "L0"), 3,
        note="0.0006 lower here; the Huber sum is flat along L0 and alpha",
    ),
    *(
        Check("lr_annealing", f"25M curves, {name}", paper, _of(annealing, "25M", name), digits)
        for name, paper, digits in (("L0", 3.176, 3), ("A", 0.495, 3), ("C", 0.399, 3), ("alpha", 0.54, 2))
    ),
    *(
        Check(
            "lr_annealing", f"{size} curves, {name}", paper, _of(annealing, size, name), rel=0.006,
            note="which rows were used is not stated",
        )
        for size, values in (("100M", (2.794, 0.587, 0.482, 0.46)), ("400M", (2.524, 0.654, 0.569, 0.42)))
        for name, paper in zip(("L0", "A", "C", "alpha"), values, strict=True)
    ),
    Check("step_law", "lr(1e9, 1e11)", 1.632e-3, lambda: at("step_law", "li2025", 1e9, 1e11), 6),
    Check("step_law", "lr(7e9, 1.4e12)", 9.17e-4, lambda: at("step_law", "li2025", 7e9, 1.4e12), 6),
    Check("step_law_batch", "B(1e11)", 1.108e6, lambda: at("step_law_batch", "li2025", 1e11), -3),
    Check("step_law_batch", "B(1.4e12)", 5.0e6, lambda: at("step_law_batch", "li2025", 1.4e12), -5),
    *(
        Check(
            law, f"exponent of {name}, from the public runs", paper, lambda r=response, i=i: float(near_best(r)[i]), 4,
            note="129 runs by the rule described; the paper's numbers are the means of the repository's own resamples",
        )
        for law, name, paper, response, i in (
            ("step_law", "N", -0.7129, "lr", 0),
            ("step_law", "D", 0.3075, "lr", 1),
            ("step_law_batch", "D", 0.5709, "batch_size_tokens", 0),
        )
    ),
    Check("power_scheduler", "lr(1e9, 128)", 1.3e-2, lambda: at("power_scheduler", "shen2024", 1e9, 128.0), 3),
    Check("power_scheduler", "lr(1e10, 128)", 4.07e-3, lambda: at("power_scheduler", "shen2024", 1e10, 128.0), 5),
    Check("power_scheduler", "lr(1e11, 128)", 1.26e-3, lambda: at("power_scheduler", "shen2024", 1e11, 128.0), 5),
    Check("porian_hp", "B(108e6), rounded 160", 160.0, lambda: at("porian_hp", "porian2024", 108e6), rel=0.05),
    Check("porian_lr", "lr(108e6), rounded 0.0047", 0.0047, lambda: at("porian_lr", "porian2024", 108e6), rel=0.05),
]  # fmt: skip
