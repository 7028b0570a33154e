"""The text of a file, or a clear word on why it has none."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from jaxscale.names import nearest
from jaxscale.readers.sheet import refuse

GZIP = b"\x1f\x8b"
NOT_TEXT = {b"PK\x03\x04": "an Excel workbook or zip archive", b"PAR1": "a Parquet file", b"%PDF": "a PDF"}
SAVE_UTF8 = "save the file as UTF-8, for instance with iconv -f {0} -t UTF-8"


def read_bytes(path: Path, source: str) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: no such file, a folder, no permission, or whatever else the system objects to.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        beside = nearest(path.name, (p.name for p in path.parent.glob("*"))) if path.parent.is_dir() else None
        hint = f"did you mean {str(path.with_name(beside))!r}?" if beside else "check the path"
        refuse(source, "there is no such file", hint)
    except IsADirectoryError:
        refuse(source, "this is a folder, not a file", "name the file in it that holds the table")
    except PermissionError:
        refuse(source, "no permission to read this file", "change its permissions, or copy it")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        refuse(source, f"the file cannot be read ({getattr(error, 'strerror', None) or error})", "check the path")


def read_text(path: Path, source: str) -> tuple[str, tuple[str, ...]]:
    """The text of a file of UTF-8, unpacked if it is gzip, and notes on it.

    Raises:
        DataError: unreadable, truncated, not UTF-8, with NUL bytes, or empty.
    """
    data = read_bytes(path, source)
    if data.startswith(GZIP):
        data = _unpack(data, source)
    elif path.suffix.lower() == ".gz" and data:
        refuse(
            source, "the name ends in .gz but this is no gzip file", "remove .gz from its name, or compress it again"
        )
    for magic, kind in NOT_TEXT.items():
        if data.startswith(magic):
            refuse(source, f"this is {kind}, not text", "export it as CSV, or give the file its right ending")
    text, notes = _decode(data, source)
    if not text.strip():
        refuse(source, "the file is empty", "write a header line and one line for each run", expected="a table")
    return text, notes


def _unpack(data: bytes, source: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        what = "the gzip file is cut off" if isinstance(error, EOFError) else f"the gzip file is damaged ({error})"
        refuse(source, what, "copy or compress the file again")


def _decode(data: bytes, source: str) -> tuple[str, tuple[str, ...]]:
    # UTF-16 without a mark still shows: every other byte of ASCII text is NUL.
    head = data[:200]
    halves = max(head[::2].count(0), head[1::2].count(0)) > len(head) // 4
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or halves:
        refuse(source, "the file is UTF-16", SAVE_UTF8.format("UTF-16"), row=1, got="UTF-16", expected="UTF-8")
    if (where := data.find(0)) >= 0:
        row = _line(data, where)
        refuse(source, "a NUL byte", "the file is damaged or not text: export the table again", row, expected="text")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The codec has cut off a byte order mark, if there is one, before it counts.
        start = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        got = f"byte 0x{data[start]:02x}" if start < len(data) else "a cut character"
        refuse(
            source, "the file is not UTF-8", SAVE_UTF8.format("LATIN1"), _line(data, start), got=got, expected="UTF-8"
        )
    bom = data.startswith(b"\xef\xbb\xbf")
    return text, ("The file starts with a byte order mark, which was skipped.",) if bom else ()


def _line(data: bytes, where: int) -> int:
    before = data[:where].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1
