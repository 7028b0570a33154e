"""Readers of public tables: one function a table, raw file(s) as published -> a tidy DataFrame, one row a run.

They rename, derive and order columns and drop nothing but what the raw files repeat. What the columns mean and which
files a reader takes, in which order, stands in `jaxscale.datasets`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# The replication (arXiv 2404.10102) leaves out its five runs of the highest loss.
BESIROGLU_EXCLUDED = 5
# Sequence length of every run of Step Law, in tokens.
STEPLAW_SEQUENCE = 2048
# Above this the smoothed loss of a run is far above its initial plateau: the run has diverged.
STEPLAW_DIVERGED = 4.0
# Characters to tokens, as a share, by a parabola in ln(vocabulary): fitted by the paper (arXiv 2407.13623).
TOKENS_PER_CHARACTER = (0.00639222, -0.15811069, 1.20470122)


def _nine_digits(frame: pd.DataFrame) -> pd.DataFrame:
    """Round floats to nine significant digits.

    The tidy copies of these tables in circulation carry nine digits. Rounding alike makes a fit of the raw file and a
    fit of such a copy the same to the bit, at a cost (5e-9) far below any noise.
    """
    floats = frame.select_dtypes("float").columns
    return frame.assign(**{c: frame[c].map(lambda v: float(f"{v:.9g}")) for c in floats})


def chinchilla_epoch(raw: Path) -> pd.DataFrame:
    """245 Chinchilla runs, digitised from a figure; tokens = flops / (6 params) as in the source's notebook."""
    import pandas as pd

    source = pd.read_csv(raw)
    params, flops, loss = source["Model Size"], source["Training FLOP"], source["loss"]
    frame = pd.DataFrame(
        {
            "run_id": range(len(source)),
            "params": params,
            "tokens": flops / (6 * params),
            "flops": flops,
            "loss": loss,
            "excluded_by_besiroglu": (loss.rank(ascending=False, method="first") <= BESIROGLU_EXCLUDED).astype(int),
        }
    )
    return _nine_digits(frame)


def steplaw_dense(raw: Path) -> pd.DataFrame:
    """1911 dense runs over a grid of learning rate and batch size; `loss` is the smoothed final loss."""
    import pandas as pd

    source = pd.read_csv(raw)
    frame = pd.DataFrame(
        {
            "run": source["exp_name"],
            "params": source["N"],
            "tokens": source["D"],
            "lr": source["lr"],
            "batch_size_seqs": source["bs"],
            "batch_size_tokens": source["bs"] * STEPLAW_SEQUENCE,
            "steps": source["ti"],
            "d_model": source["h"],
            "d_ffn": source["ffnh"],
            "n_heads": source["numh"],
            "n_layers": source["numl"],
            "loss": source["smooth loss"],
            "loss_last": source["loss"],
            "diverged": (source["smooth loss"] > STEPLAW_DIVERGED).astype(int),
        }
    )
    return _nine_digits(frame)


def vocab_scaling(raw: Path) -> pd.DataFrame:
    """1200 checkpoints of 60 models; `tokens` follows from characters and the true vocabulary size.

    The release evaluates its conversion with the vocabulary in thousands, a slip of units; here it is in raw units.
    """
    import numpy as np
    import pandas as pd

    # The source writes counts as 4096.0.
    source = pd.read_csv(raw).astype({"vocab_size": "int64", "embed_dim": "int64"})
    log_vocab = np.log(source["vocab_size"])
    a, b, c = TOKENS_PER_CHARACTER
    frame = pd.DataFrame(
        {
            "params_non_vocab": source["Non_vocab_parameters"],
            "vocab_size": source["vocab_size"],
            "embed_dim": source["embed_dim"],
            "params_vocab": source["vocab_size"] * source["embed_dim"],
            "characters": source["num_characters"],
            "tokens": source["num_characters"] * (a * log_vocab**2 + b * log_vocab + c),
            "flops": source["FLOPs"],
            "loss_u": source["Lossu"],
        }
    )
    return _nine_digits(frame)


def regmix_mixture(train_mixture: Path, train_loss: Path, test_mixture: Path, test_loss: Path) -> pd.DataFrame:
    """768 models of 1M parameters: 17 sampling weights (`w_*`) and 13 validation losses (`loss_*`) each."""
    import pandas as pd

    parts = []
    for split, mixture, loss in (("train", train_mixture, train_loss), ("test", test_mixture, test_loss)):
        weights = pd.read_csv(mixture).rename(columns=lambda c: c.replace("train_the_pile_", "w_"))
        losses = pd.read_csv(loss).rename(
            columns=lambda c: c.replace("metric/the_pile_", "loss_").removesuffix("_val_loss")
        )
        part = weights.merge(losses, on="index", validate="one_to_one").rename(columns={"index": "mixture_index"})
        part.insert(0, "split", split)
        part.insert(0, "model_size_label", "1M")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def routed_lm_clark2022(raw: Path) -> pd.DataFrame:
    """5799 evaluations of 223 dense and routed models; `is_final` marks the last logged step of each."""
    import pandas as pd

    source = pd.read_csv(raw).rename(columns={"flops_per_step": "forward_flops_per_step"})
    counts = ["total_parameter_count", "dense_parameter_count"]
    source[counts] = source[counts].astype("int64")
    source["is_final"] = (source["step"] == source.groupby("hyper_id")["step"].transform("max")).astype(int)
    order = (
        "hyper_id step is_final router_type num_experts k routing_frequency flop_increase d_model num_blocks num_heads"
    )
    order += " kqv_size seed model_size_label total_parameter_count dense_parameter_count forward_flops_per_step"
    losses = ["validation", "c4", "curation_corpus", "lambada", "pile", "wikitext103"]
    return source.loc[:, [*order.split(), *(f"loss_{name}" for name in losses)]]


def sft_rectified(flan: Path, wmt19: Path) -> pd.DataFrame:
    """900 fine-tunings: 30 base models, 15 sizes of the fine-tuning set (0 is zero-shot), 2 data sets."""
    import pandas as pd

    names = {"config name": "base_model", "family": "model_family", "size": "model_params"}
    parts = []
    for dataset, path in (("flan", flan), ("wmt19", wmt19)):
        wide = pd.read_csv(path).rename(columns=names)
        long = wide.melt([*names.values()], var_name="finetune_examples", value_name="test_loss")
        long.insert(0, "dataset", dataset)
        parts.append(long)
    frame = pd.concat(parts, ignore_index=True)
    frame["finetune_examples"] = frame["finetune_examples"].astype("int64")
    return frame.sort_values(["dataset", "base_model", "finetune_examples"], ignore_index=True)


READERS: Mapping[str, Callable[..., pd.DataFrame]] = {
    reader.__name__: reader
    for reader in (chinchilla_epoch, steplaw_dense, vocab_scaling, regmix_mixture, routed_lm_clark2022, sft_rectified)
}
