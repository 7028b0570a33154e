"""How simulated_ladder.csv was made: `python -m jaxscale.data.make_ladder` writes it again, to the digit.

Sixty runs that follow the published coefficients of Besiroglu et al. (2024) with Student-t noise (0.6 %, 10 degrees of
freedom), on a ladder of ten sizes and six token counts each; two of them are under-tuned, and so too high.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import jaxscale as js

FILE = Path(__file__).parent / "simulated_ladder.csv"
SIZES = np.geomspace(4e7, 3e9, 10)
TOKENS_PER_PARAM = np.array([3.0, 8.0, 20.0, 50.0, 120.0, 300.0])
UNDER_TUNED = {"440M-20x": 1.08, "1.1B-8x": 1.05}


def ladder() -> pd.DataFrame:
    """The table: run, params, tokens, loss."""
    n = np.repeat(SIZES, len(TOKENS_PER_PARAM)).round(-5)
    ratio = np.tile(TOKENS_PER_PARAM, len(SIZES))
    d = (n * ratio).round(-6)
    law = js.get_law("chinchilla")
    runs = js.simulate(law, law.published["besiroglu2024"], {"N": n, "D": d}, sd=0.006, nu=10.0, seed=2024).table
    names = [f"{_short(size)}-{tokens:.0f}x" for size, tokens in zip(n, ratio, strict=True)]
    factor = np.array([UNDER_TUNED.get(name, 1.0) for name in names])
    assert np.sum(factor > 1.0) == len(UNDER_TUNED)
    return pd.DataFrame({"run": names, "params": n, "tokens": d, "loss": (runs["loss"] * factor).round(4)})


def _short(size: float) -> str:
    return f"{size / 1e9:.1f}B" if size >= 1e9 else f"{size / 1e6:.0f}M"


if __name__ == "__main__":
    ladder().to_csv(FILE, index=False)
