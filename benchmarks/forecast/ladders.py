"""Public ladders with parameters, tokens and a final loss: name -> table; what stands before the bar is the source."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

GADRE = ("loss_c4_val", "loss_open_lm_val", "loss_paloma_redpajama")
OLMO = ("loss_c4", "loss_pile", "loss_dolma_cc", "loss_dolma_books", "loss_dolma_wiki", "loss_dolma_stack")
ONE_EPOCH = 1.01


def ladders() -> dict[str, pd.DataFrame]:
    """Every ladder of the folder that JAXSCALE_DATA names; columns params, tokens, loss."""
    found: dict[str, pd.DataFrame] = {}
    runs = _read("gadre_overtraining")
    for corpus, own in runs.groupby("dataset"):
        found |= {f"gadre|{corpus}|{loss}": own.assign(loss=own[loss]) for loss in GADRE}
    found |= {f"porian|{name}": own for name, own in _read("porian_isoflop").groupby("experiment")}
    runs = _read("olmo_ladder")
    last = runs.loc[(runs.is_last == 1) & ~runs.run.str.contains("rerun")]
    found |= {f"olmo|{loss}": last.assign(loss=last[loss]) for loss in OLMO}
    runs = _read("misfitting")
    found["misfitting"] = _best(runs.loc[runs.is_final == 1], ["model", "total_steps"])
    runs = _read("steplaw_dense")
    found["steplaw"] = _best(runs.loc[runs.diverged == 0], ["params", "tokens"])
    runs = _read("gemstones")
    found["gemstones"] = runs.loc[runs.phase == "cooldown_end"]
    runs = _read("datablations_repetition")
    found["datablations"] = runs.loc[runs.epochs <= ONE_EPOCH]
    found["llama3"] = _read("llama3_isoflop")
    found["epoch"] = _read("chinchilla_epoch")
    return {name: _plain(runs) for name, runs in found.items()}


def _read(folder: str) -> pd.DataFrame:
    root = os.environ.get("JAXSCALE_DATA", "")
    if not root or not Path(root).is_dir():
        raise SystemExit("JAXSCALE_DATA names no folder of tables")
    return pd.read_csv(Path(root) / folder / "runs.csv")


def _best(runs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The lowest loss of each point: what a well-tuned run reaches."""
    return runs.sort_values("loss").groupby(by, as_index=False).first()


def _plain(runs: pd.DataFrame) -> pd.DataFrame:
    return runs.reindex(columns=["params", "tokens", "loss"]).astype(float).dropna().reset_index(drop=True)
