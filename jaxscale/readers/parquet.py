"""Parquet files."""

from __future__ import annotations

import io
from pathlib import Path

from jaxscale.readers.frame import read_frame
from jaxscale.readers.sheet import Sheet, refuse
from jaxscale.readers.text import read_bytes


def read_parquet(path: Path, source: str) -> Sheet:
    """Reads a Parquet file; it has no lines, so its rows are numbered by position, from 0.

    Raises:
        DataError: not Parquet, damaged, or without rows.
    """
    import pyarrow.parquet

    data = read_bytes(path, source)
    if not data:
        refuse(source, "the file is empty", "write the table again", expected="a Parquet file")
    if not data.startswith(b"PAR1"):
        got = repr(data[:8])
        refuse(
            source, "this is no Parquet file", "give it its right ending, such as .csv", got=got, expected="PAR1 ..."
        )
    # A damaged file can raise nearly anything in the decoder.
    try:
        table = pyarrow.parquet.read_table(io.BytesIO(data)).to_pandas(ignore_metadata=True, timestamp_as_object=True)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        refuse(source, f"the Parquet file is damaged ({reason})", "write or copy the file again")
    return read_frame(table, source, typed=True)
