"""Where finished shards are kept: in memory, or in a folder as files that are whole or not there.

A file's name holds the shard's content address and a checksum of its bytes, so one rename publishes
both, a file that was changed or cut short is told by its name, and two processes that compute the same
shard write the same file.
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from jaxscale.errors import DataError, Problem


class Store(Protocol):
    """Finished shards by key."""

    def has(self, key: str) -> bool:
        """Whether a shard stands, unharmed."""
        ...

    def put(self, key: str, payload: bytes) -> None:
        """Keep a finished shard."""
        ...

    def payload(self, key: str) -> bytes:
        """A shard as it was put."""
        ...

    def read(self, key: str, columns: list[str] | None = None) -> pa.Table:
        """Some columns of a shard."""
        ...


class Memory:
    """Shards of this process."""

    def __init__(self):
        self._shards: dict[str, bytes] = {}

    def has(self, key: str) -> bool:
        """Whether a shard stands."""
        return key in self._shards

    def put(self, key: str, payload: bytes) -> None:
        """Keep a finished shard."""
        self._shards[key] = payload

    def payload(self, key: str) -> bytes:
        """A shard as it was put."""
        return self._shards[key]

    def read(self, key: str, columns: list[str] | None = None) -> pa.Table:
        """Some columns of a shard."""
        return pq.read_table(io.BytesIO(self._shards[key]), columns=columns)


class Folder:
    """Shards as files `shards/<key>.<checksum>.parquet`."""

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._sound: dict[str, Path] = {}

    def has(self, key: str) -> bool:
        """Whether a shard stands, unharmed. One that is harmed is set aside as `.harmed`, to be computed again."""
        if key in self._sound and self._sound[key].is_file():
            return True
        for file in sorted((self.path / "shards").glob(f"{key}.*.parquet")):
            if checksum(file.read_bytes()) == file.name.split(".")[1]:
                self._sound[key] = file
                return True
            file.rename(file.with_suffix(".harmed"))
        return False

    def put(self, key: str, payload: bytes) -> None:
        """Keep a finished shard."""
        file = self.path / "shards" / f"{key}.{checksum(payload)}.parquet"
        write_whole(file, payload)
        self._sound[key] = file

    def payload(self, key: str) -> bytes:
        """A shard as it was put; errors as of `read`."""
        return self._file(key).read_bytes()

    def read(self, key: str, columns: list[str] | None = None) -> pa.Table:
        """Some columns of a shard.

        Raises:
            DataError: the shard is not there, or not what was written.
        """
        return pq.read_table(self._file(key), columns=columns)

    def _file(self, key: str) -> Path:
        if not self.has(key):
            problem = Problem(
                f"shard {key} is missing or harmed", fix="run the same `jaxscale batch` again: it computes that alone"
            )
            raise DataError(str(self.path), [problem])
        return self._sound[key]


def checksum(payload: bytes) -> str:
    """The part of a file's name that tells whether it is what was written."""
    return hashlib.sha256(payload).hexdigest()[:16]


def write_whole(file: Path, payload: bytes) -> None:
    """Write a file so that it is there whole, or not at all, whenever the process or the machine stops.

    Raises:
        DataError: the file cannot be written.
    """
    name = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # a temporary file is private, a result is not
        os.replace(name, file)
        folder = os.open(file.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    except OSError as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        problem = Problem(
            f"cannot write {file.name}", got=error.strerror or str(error),
            fix="make room or give another folder, and run the same command again: what stands is skipped",
        )  # fmt: skip
        raise DataError(str(file.parent), [problem]) from None
