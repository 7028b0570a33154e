"""DataFrames of pandas, polars, pyarrow and whatever else narwhals knows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from jaxscale.errors import ConfigError
from jaxscale.readers.sheet import Sheet, refuse, unique

SOURCE = "<DataFrame>"


def read_frame(frame: Any, source: str = SOURCE, typed: bool = False) -> Sheet:
    """Takes the columns of a frame; rows are numbered by position, from 0.

    Raises:
        ConfigError: this is no frame.
        DataError: it has no rows, or cannot be taken over.
    """
    table = frame if isinstance(frame, pd.DataFrame) else _to_pandas(frame, source)
    try:
        table.isna()
    except Exception as error:  # a signalling NaN, say: what pandas cannot even look at, no later step can
        refuse(source, f"a cell cannot be handled ({error!r})", "give the frame columns of numbers and text")
    if not len(table.columns) or not len(table):
        what = "no rows" if len(table.columns) else "no columns"
        refuse(source, f"the table has {what}", "give one row for each run", expected="at least one run")
    places, problems = unique([str(name) for name in table.columns])
    cells = {name: table.iloc[:, i].reset_index(drop=True) for name, i in places.items()}
    return Sheet(source, cells, np.arange(len(table)), tuple(problems), typed=typed)


def _to_pandas(frame: Any, source: str) -> pd.DataFrame:
    import narwhals as nw

    try:
        known = nw.from_native(frame)
    except TypeError:
        raise ConfigError(
            f"read_runs takes the path of a file or a DataFrame (pandas, polars, pyarrow), not {type(frame).__name__}."
        ) from None
    # Other libraries convert here and may object with any exception of theirs.
    except Exception as error:
        refuse(source, f"the frame cannot be taken over ({error})", "give each column one name of its own")
    try:
        return (known.collect() if isinstance(known, nw.LazyFrame) else known).to_pandas()
    except Exception as error:
        refuse(
            source, f"the frame cannot become a pandas one ({error})", "convert its columns to plain numbers and text"
        )
