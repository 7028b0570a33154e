"""The public tables as curves: id -> Runs, with the law that each is fitted with and what was done to its columns.

Only `sft_rectified` is registered with js.datasets; the others are read from the folder that JAXSCALE_DATA names.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import says
from blocks import independent_blocks

import jaxscale as js

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FEWEST_PROBLEMS = 100  # as in the table's own runs.csv
RETRIEVAL = "image_retrieval_recall_at_5"
Curves = dict[str, js.Runs]


@dataclass(frozen=True)
class Real:
    """One public table.

    Attributes:
        name: what results are filed under.
        folder: of the mirror.
        law: fitted to every curve.
        curves: reads them.
        says: fits and curves -> what the fits say, as sentences.
        about: what a curve is, what was turned into what, and what to keep in mind.
    """

    name: str
    folder: str
    law: str
    curves: Callable[[], Curves]
    says: Callable[[js.Fits, Curves], list[str]]
    about: str


def mirror() -> Path | None:
    """The folder of tables; where JAXSCALE_DATA is not set, the one beside the checkout, if it is there."""
    if "JAXSCALE_DATA" not in os.environ and SHARED.is_dir():
        os.environ["JAXSCALE_DATA"] = str(SHARED)
    folder = os.environ.get("JAXSCALE_DATA")
    return Path(folder) if folder and Path(folder).is_dir() else None


def missing(table: Real) -> str:
    """Why a table cannot be read here; empty where it can."""
    folder = mirror()
    if folder is None:
        return "JAXSCALE_DATA names no folder of tables."
    return "" if (folder / table.folder).is_dir() else f"The mirror has no folder {table.folder}."


def read(folder: str, file: str = "runs.csv") -> pd.DataFrame:
    """A table of the mirror as it stands."""
    found = mirror()
    assert found is not None
    return pd.read_csv(found / folder / file)


def lcdb() -> Curves:
    frame = read("lcdb_accuracy")
    frame["curve"] = frame.openmlid.astype(str) + "|" + frame.learner
    columns = {"m": "size_train", "loss": "error_test_mean"}
    return js.read_runs(frame, columns=columns, group="curve").groups()


def few_shot() -> Curves:
    columns = {"m": "seen_examples", "loss": "loss"}
    return js.datasets.load("revisiting_nsl_ic", columns=columns, group="curve_id").groups()


def fine_tuning() -> Curves:
    zero_shot = {"finetune_examples == 0": "zero-shot: the law is for D > 0"}
    found: Curves = {}
    for corpus in ("flan", "wmt19"):
        runs = js.datasets.load("sft_rectified", where=f"dataset == '{corpus}'", exclude=zero_shot)
        found |= {f"{corpus}|{model}": curve for model, curve in runs.groups().items()}
    return found


def coverage() -> Curves:
    problems = read("llm_monkeys_coverage", "problem_counts.csv")
    found: Curves = {}
    for name, rows in problems.groupby(problems.source_file + "|" + problems.model, sort=True):
        if len(rows) >= FEWEST_PROBLEMS:
            rng = np.random.default_rng(len(found))
            blocks = independent_blocks(rows.num_samples.to_numpy(), rows.num_correct.to_numpy(), rng)
            found[str(name)] = js.read_runs(blocks, columns={"k": "k"})
    return found


def zero_shot() -> Curves:
    frame = read("openclip_zeroshot")
    score = frame.acc1.fillna(frame[RETRIEVAL]).fillna(frame.mean_average_precision)
    frame["error"] = 1.0 - score
    frame["curve"] = frame.downstream_dataset + "|" + frame.upstream_dataset
    columns = {"N": "gmacs_per_sample", "D": "samples_seen", "loss": "error"}
    return js.read_runs(frame, columns=columns, group="curve").groups()


def zero_shot_epochs() -> Curves:
    frame = read("openclip_zeroshot", "imagenet_learning_curves.csv")
    frame["error"] = 1.0 - frame.imagenet_top1
    return js.read_runs(frame, columns={"m": "samples_seen", "loss": "error"}, group="run").groups()


TABLES = (
    Real(
        "lcdb_accuracy", "lcdb_accuracy", "hestness", lcdb, says.power_law,
        "A curve is one data set and one learner: the mean test error rate over the repeats (mostly 25) at 8 to 36 "
        "sizes of the training set, no size twice. The response is an error rate already. A rate of exactly zero has "
        "no logarithm; it is left in, so that its curve is refused as a user would see it. Splits of one data set are "
        "nested, and sizes share test points, so that rows of a curve err together.",
    ),
    Real(
        "revisiting_nsl_ic", "revisiting_nsl_ic", "hestness", few_shot, says.power_law,
        "A curve is one few-shot task and one model: the error rate after 13 to 780 numbers of images seen in one "
        "pre-training, training and test part of the benchmark together. Its points are one run's evaluations, so "
        "that the intervals are too narrow by far.",
    ),
    Real(
        "sft_rectified", "sft_rectified", "rectified_ft", fine_tuning, says.rectified,
        "A curve is one base model on FLAN or WMT19: test loss at 14 sizes of the fine-tuning set. The fifteenth row, "
        "zero-shot, is taken out, as the paper does.",
    ),
    Real(
        "llm_monkeys_coverage", "llm_monkeys_coverage", "coverage_exp_power", coverage, says.coverage,
        "A curve is one model or checkpoint on one benchmark. The published shares at different k come from the same "
        "samples, so that they are no counts; from the samples and correct ones of each problem, disjoint blocks of "
        "k = 1, 2, 4, ... samples are dealt, up to a quarter of what the problem with fewest has. Checkpoints with "
        "fewer than 100 problems are left out, as in the published table. For checkpoints the number of samples may "
        "depend on success; no more than the fewest is used of any problem.",
    ),
    Real(
        "openclip_zeroshot", "openclip_zeroshot", "chinchilla", zero_shot, says.two_inputs,
        "A curve is one downstream set and one upstream data set: 11 models for LAION-2B, 9 for LAION-400M and for "
        "LAION-80M, 3 for CLIP-WIT, fewer than parameters. The error is 1 - acc1, for retrieval 1 - recall@5 of "
        "images, for voc2007_multilabel 1 - mean average precision. N is GMAC a sample, for B/16 and B/32 have about "
        "the same number of parameters; D is samples seen. Three sets are averages of others (vtab, vtab+, "
        "imagenet_robustness).",
    ),
    Real(
        "openclip_epochs", "openclip_zeroshot", "hestness", zero_shot_epochs, says.power_law,
        "A curve is one of 29 pre-trainings: 1 - ImageNet top-1 after each of 6 to 428 epochs. The learning rate "
        "decays along it, so the law is wrong here, and the points are one run's: a test of what the gate does.",
    ),
)  # fmt: skip
