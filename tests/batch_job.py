"""What the tests of batches share, and a batch in a process of its own: to be killed, resumed, given other devices.

python -m tests.batch_job FOLDER --tables 40 --options '{"noise": "huber", "shard_size": 3}'
"""

import argparse
import json
import time
from collections.abc import Iterable
from pathlib import Path

import jax
import numpy as np
import pandas as pd

import jaxscale as js
from jaxscale import diagnose
from tests.conftest import TRUTH, design

ROOT = Path(__file__).resolve().parents[1]


def tables(numbers: Iterable[int]) -> dict[str, js.Runs]:
    """Simulated tables by id; every third has 28 runs instead of 40, so that two shapes are compiled."""
    return {f"table {i}": _runs(design(28 if i % 3 == 2 else 40, i), 0.01, i) for i in numbers}


def narrow(seed: int, span: float) -> js.Runs:
    """Forty runs over a factor of `span` in size and little more in tokens: the floor is hardly seen."""
    away = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, 40))
    return _runs({"N": 1e9 * span ** away[0], "D": 5e10 * (1.25 * span) ** away[1]}, 0.005, seed)


def _runs(x: dict[str, np.ndarray], sd: float, seed: int) -> js.Runs:
    """By NumPy: js.simulate would take longer than a point fit."""
    mean = TRUTH["E"] + TRUTH["A"] / x["N"] ** TRUTH["alpha"] + TRUTH["B"] / x["D"] ** TRUTH["beta"]
    loss = mean * np.exp(sd * np.random.default_rng(seed + 1000).standard_t(4, len(mean)))
    return js.read_runs(pd.DataFrame({"params": x["N"], "tokens": x["D"], "loss": loss}))


def users_law(folder: Path, name: str) -> Path:
    """The law of docs/add_a_law.md under another name: names are registered for the whole process."""
    file = folder / f"{name}.py"
    example = (ROOT / "docs" / "add_a_law.md").read_text().split("```python\n")[1].split("```")[0]
    file.write_text(example.replace("image_loss", name))
    return file


def assert_same_bits(ours: js.Fits, theirs: js.Fits, names: Iterable[str]) -> None:
    """Every number of these fits, draws too."""
    names = list(names)
    found = []
    for fits in (ours, theirs):
        summary = fits.summary()
        parts = [summary[summary.fit.isin(names)].sort_values(["fit", "parameter"])]
        parts += [fits.health().loc[names], fits.points().loc[names]]
        if "posterior" in fits.data:
            parts.append(fits.data["posterior"].sel(fit=names).to_dataset().to_dataframe())
        found.append(pd.concat([part.reset_index(drop=True).map(str) for part in parts], axis=1))
    pd.testing.assert_frame_equal(*found)


def contents(folder: Path) -> dict[str, bytes]:
    """Every result, byte for byte; a shard's name holds its key and the checksum of its bytes."""
    files = [folder / "status.parquet", folder / "summary.parquet", folder / "batch.json"]
    return {f.name: f.read_bytes() for f in [*files, *sorted((folder / "shards").glob("*.parquet"))]}


def shards(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> inode and time of every finished shard."""
    return {f.name: ((s := f.stat()).st_ino, s.st_mtime_ns) for f in (folder / "shards").glob("*.parquet")}


def errors_away(values: np.ndarray, log_weight: np.ndarray, reference: js.Fit) -> float:
    """How far weighted moments are from a fit's, in Monte Carlo standard errors of both: the largest of them.

    Of the floor and of the others' logarithms; the error of a standard deviation has the kurtosis in it.
    """
    theirs, table = np.stack(list(reference.draws().values()), axis=1), reference.summary()
    ours, theirs = (np.concatenate([d[:, :1], np.log(d[:, 1:])], axis=1) for d in (values, theirs))
    weight = np.exp(log_weight - log_weight.max())
    weight = weight / weight.sum()
    chains = np.minimum(table[["ess_bulk", "ess_tail"]].min(axis=1).to_numpy(), len(theirs))
    variance = 1 / diagnose.importance_ess(log_weight[None])[0] + 1 / chains
    mean, sd, our_mean = theirs.mean(axis=0), theirs.std(axis=0), weight @ ours
    kurtosis = ((theirs - mean) ** 4).mean(axis=0) / sd**4
    our_sd = np.sqrt(weight @ (ours - our_mean) ** 2)
    means = np.abs(our_mean - mean) / (sd * np.sqrt(variance))
    return max(*means, *np.abs(np.log(our_sd / sd)) / np.sqrt((kurtosis - 1) / 4 * variance))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--tables", type=int)
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before each shard is handed over")
    parser.add_argument("--options", type=json.loads, default={})
    given = parser.parse_args()
    print(jax.local_device_count(), "devices")
    from jaxscale.engine import local

    compute = local.compute

    def slowly(shard):
        payload = compute(shard)
        time.sleep(given.pause)
        return payload

    local.compute = slowly
    js.fit_many(tables(range(given.tables)), out=given.folder, **given.options)


if __name__ == "__main__":
    main()
