"""Tables that cannot be right: 30 kinds, ten of each, with what an error must name."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pandas as pd

from jaxscale.words import quoted

VARIANTS = 10
HEADER = ["run", "family", "params", "tokens", "flops", "loss"]
NUMBERS = HEADER[2:]
LINES = 12


@dataclass(frozen=True)
class Malformed:
    """One file, and what its error names; `clean` marks a file that looks odd and must be read all the same."""

    name: str
    data: bytes | None = None
    row: int | None = None
    column: str | None = None
    got: str | None = None
    what: str = ""
    options: dict = field(default_factory=dict)
    clean: bool = False

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        if self.data is not None:
            path.write_bytes(self.data)
        elif self.what == "folder":
            path.mkdir()
        return path


def good() -> list[list[str]]:
    """A healthy table, header first; line i + 1 of the file is item i."""
    lines = [HEADER]
    for i in range(LINES):
        n, d = 1e8 * 1.6**i, 2e9 * 1.7**i
        lines.append([f"r{i}", "ab"[i % 2], f"{n:.6g}", f"{d:.6g}", f"{6 * n * d:.6g}", f"{4 - 0.15 * i:.4f}"])
    return lines


def text(lines: list[list[str]], delimiter: str = ",") -> bytes:
    return "".join(delimiter.join(line) + "\n" for line in lines).encode()


def place(v: int) -> int:
    """The line that variant v spoils."""
    return 2 + (5 * v + 1) % LINES


def with_cell(v: int, column: str, cell: str, what: str = "", **options) -> Malformed:
    lines, row = good(), place(v)
    lines[row - 1][HEADER.index(column)] = cell
    return Malformed("runs.csv", text(lines), row, column, cell, what, options)


def without(lines: list[list[str]], *columns: str) -> list[list[str]]:
    keep = [i for i, name in enumerate(HEADER) if name not in columns]
    return [[line[i] for i in keep] for line in lines]


def renamed(old: str, new: str) -> bytes:
    lines = without(good(), *({"flops"} - {old}))
    lines[0] = [new if name == old else name for name in lines[0]]
    return text(lines)


def missing_column(v: int) -> Malformed:
    column = ("params", "tokens", "loss")[v % 3]
    gone = (column,) if column == "loss" else (column, "flops")
    return Malformed("runs.csv", text(without(good()[: 5 + v], *gone)), None, column, what="no column")


def duplicate_column(v: int) -> Malformed:
    column = HEADER[v % 6]
    at = HEADER.index(column)
    lines = [[*line, line[at]] if v < 6 else [line[at], *line] for line in good()]
    return Malformed("runs.csv", text(lines), None, column, what="two columns")


def near_miss(v: int) -> Malformed:
    names = ["toknes", "parms", "losss", "tokns", "praams", "lsos", "token", "parames", "flps", "flosp"]
    meant = ["tokens", "params", "loss", "tokens", "params", "loss", "tokens", "params", "flops", "flops"]
    return Malformed("runs.csv", renamed(meant[v], names[v]), None, names[v], meant[v], "nearly")


def empty(v: int) -> Malformed:
    data = [b"", b"\n", b"\r\n", b"  \n\n", b"\xef\xbb\xbf", b"\t", b"", b"", b"\n\n", b""][v]
    name = {6: "runs.tsv", 7: "runs.jsonl", 8: "runs.txt", 9: "runs.parquet"}.get(v, "runs.csv")
    return Malformed(name, data, what="empty")


def header_only(v: int) -> Malformed:
    data = text([HEADER[v % 5 :]], "\t" if v % 2 else ",") + b"\n" * (v // 2)
    return Malformed("runs.tsv" if v % 2 else "runs.csv", data, what="no rows")


def wrong_delimiter(v: int) -> Malformed:
    delimiter, got = [(";", "semicolons"), ("\t", "tabs"), ("|", "bars"), (" ", "spaces"), (",", "commas")][v % 5]
    name = "runs.tsv" if delimiter == "," else "runs.csv"
    return Malformed(name, b"\n" * (v // 5) + text(good(), delimiter), 1 + v // 5, None, got, "delimiter")


def decimal_comma(v: int) -> Malformed:
    cell = ["2,51", "1,5e9", "3,1", "0,25", "12,5"][v % 5]
    return replace(with_cell(v, NUMBERS[v % 4], f'"{cell}"', "comma"), got=cell)


def latin_1(v: int) -> Malformed:
    lines, row = good(), place(v)
    lines[row - 1][v % 2] = ["modèle", "größe", "año", "Señor", "é"][v % 5]
    return Malformed("runs.csv", text(lines).decode().encode("latin-1"), row, got="byte 0x", what="not UTF-8")


def utf_16(v: int) -> Malformed:
    data = text(good()[: 3 + v]).decode().encode(["utf-16", "utf-16-le", "utf-16-be"][v % 3])
    return Malformed(["runs.csv", "runs.txt"][v % 2], data, None, got="UTF-16", what="UTF-16")


def byte_order_mark(v: int) -> Malformed:
    delimiter, name = [(",", "runs.csv"), ("\t", "runs.tsv")][v % 2]
    return Malformed(name, b"\xef\xbb\xbf" + text(good()[: 3 + v], delimiter), clean=True)


def nan(v: int) -> Malformed:
    return with_cell(v, NUMBERS[v % 4], ["nan", "NaN", "", "NA", "null"][v % 5], "no value")


def inf(v: int) -> Malformed:
    return with_cell(v, NUMBERS[v % 4], ["inf", "-inf", "Infinity", "+Inf", "-infinity"][v % 5], "infinite")


def negative_loss(v: int) -> Malformed:
    return with_cell(v, "loss", ["-2.5", "-0.1", "-1000", "-3", "-0.01"][v % 5], "negative")


def zero_params(v: int) -> Malformed:
    return replace(with_cell(v, "params", ["0", "0.0", "0e9", "-0", "00"][v % 5], "zero"), got="0")


def text_in_number(v: int) -> Malformed:
    cell = ["abc", "n/a?", "diverged", "~2.5", "2.1.3", "1e9e9", "--", "#REF!", "2.5*", "<1e9"][v]
    return with_cell(v, NUMBERS[v % 4], cell, "text")


def bad_suffix(v: int) -> Malformed:
    cell = ["1.5X", "350Q", "3Z", "2.5e3W", "7BB", "1.5 Mio", "12bn", "1.5E", "9G", "4 mil"][v]
    return with_cell(v, NUMBERS[v % 2], cell, "suffix")


def unit_mix(v: int) -> Malformed:
    cell = ["70", "124", "350", "1.3", "6900", "0.5", "1400", "410", "2.8", "999"][v]
    case = with_cell(v, ("params", "tokens")[v % 2], cell, "two units")
    lines = [line.split(",") for line in (case.data or b"").decode().splitlines()]
    return replace(case, data=text(without(lines, "flops")))


def duplicate_run(v: int) -> Malformed:
    lines, row = good(), place(v) if place(v) > 2 else 3
    name = ("run", "run_id", "name")[v % 3]
    lines[row - 1] = [lines[1][0], lines[1][1], *(lines[1] if v % 2 else lines[row - 1])[2:5], "3.99"]
    lines[0] = [name, *HEADER[1:]]
    return Malformed("runs.csv", text(lines), row, name if v % 2 else "params", what="run")


def conflicting_group(v: int) -> Malformed:
    lines, row = good(), max(place(v), 3)
    _, _, n, d, _, _ = lines[row - 2]
    lines[row - 1][:5] = [lines[row - 2][0], f"other{v}", n, f"{float(d) * 2:.6g}", f"{12 * float(n) * float(d):.6g}"]
    return Malformed("runs.csv", text(lines), row, "family", f"other{v}", "group", {"group": "family"})


def flops_off(v: int) -> Malformed:
    flops = float(good()[place(v) - 1][4]) * [11, 1e3, 0.09, 1e-3, 1e6, 1 / 15, 30, 1e-5, 100, 0.05][v]
    return replace(with_cell(v, "flops", f"{flops:.6g}", "6 params tokens"), got=quoted(flops, 4))


def huge_integer(v: int) -> Malformed:
    return replace(with_cell(v, NUMBERS[v % 4], str(1 + v % 9) * (310 + 50 * v), "float64"), got=str(1 + v % 9) * 20)


def boolean_column(v: int) -> Malformed:
    lines, column = good(), NUMBERS[v % 4]
    for i, line in enumerate(lines[1:]):
        truth = bool((i + v) % 3)
        line[HEADER.index(column)] = str(truth) if v % 2 else str(truth).lower()
    return Malformed("runs.csv", text(lines), 2, column, what="truth")


def date_in_column(v: int) -> Malformed:
    day = date(2024, 1 + v, 3 + v)
    cell = [day.isoformat(), f"{day:%d/%m/%Y}", f"{day:%d-%b}", f"{day:%b-%y}", f"{day.isoformat()} 12:00"][v % 5]
    return with_cell(v, NUMBERS[v % 4], cell, "date")


def ragged_row(v: int) -> Malformed:
    lines, row = good(), place(v)
    lines[row - 1] = [*lines[row - 1], *["1"] * (v // 2)] if v % 2 and v > 1 else lines[row - 1][: 1 + v // 2]
    return Malformed("runs.csv", text(lines), row, got="cell", what="ragged")


def unclosed_quote(v: int) -> Malformed:
    lines, row = good(), place(v)
    lines[row - 1][v % 6] = '"' + lines[row - 1][v % 6]
    return Malformed("runs.csv", text(lines), row, what="quote")


def nul_bytes(v: int) -> Malformed:
    case = with_cell(v, HEADER[v % 6], "\0" * (1 + v % 3))
    return Malformed("runs.csv", case.data, case.row, what="NUL")


def truncated_gzip(v: int) -> Malformed:
    data = gzip.compress(text(good()), mtime=0)
    name = ["runs.csv.gz", "runs.tsv.gz", "runs.csv"][v % 3]
    return Malformed(name, data[: len(data) * (v + 1) // (VARIANTS + 1)], what="gzip")


def unreadable_path(v: int) -> Malformed:
    names = ["gone.csv", "no/such/runs.csv", "x" * 300 + ".csv", "nul\0.csv", "gone.parquet", "gone.jsonl"]
    return Malformed([*names, "gone.tsv.gz", "gone.txt", "gone", "gone.xlsx"][v])


def a_folder(v: int) -> Malformed:
    endings = [".csv", ".tsv", ".txt", ".parquet", ".jsonl", ".csv.gz", "", ".ndjson", ".pq", ".xlsx"]
    return Malformed(f"runs{endings[v]}", what="folder")


def wrong_parquet(v: int) -> Malformed:
    if v >= 7:
        data = [text(good()), b"PAR1" + bytes(40) + b"PAR1", b"PAR1 and then not"][v - 7]
        return Malformed("runs.parquet", data, what="Parquet")
    frame = pd.DataFrame(good()[1:], columns=HEADER).astype(dict.fromkeys(NUMBERS, float))
    column = NUMBERS[v % 4]
    odd = [
        frame[column].astype(str),
        frame[column] > 0,
        pd.to_datetime("2024-01-01") + pd.to_timedelta(range(LINES), unit="D"),
        [[1.0]] * LINES,
        [b"bytes"] * LINES,
        [{"a": 1}] * LINES,
        ["1.5X"] * LINES,
    ][v]
    frame[column] = odd
    out = io.BytesIO()
    frame.to_parquet(out)
    return Malformed("runs.parquet", out.getvalue(), None, column)


KINDS: dict[str, Callable[[int], Malformed]] = {
    "missing column": missing_column,
    "duplicate column": duplicate_column,
    "near-miss name": near_miss,
    "empty file": empty,
    "header only": header_only,
    "wrong delimiter": wrong_delimiter,
    "decimal comma": decimal_comma,
    "latin-1": latin_1,
    "UTF-16": utf_16,
    "BOM": byte_order_mark,
    "NaN": nan,
    "inf": inf,
    "negative loss": negative_loss,
    "zero params": zero_params,
    "text in a number": text_in_number,
    "bad suffix": bad_suffix,
    "unit mix": unit_mix,
    "duplicate run": duplicate_run,
    "conflicting group": conflicting_group,
    "flops off": flops_off,
    "huge integer": huge_integer,
    "boolean column": boolean_column,
    "date": date_in_column,
    "ragged row": ragged_row,
    "unclosed quote": unclosed_quote,
    "NUL bytes": nul_bytes,
    "truncated gzip": truncated_gzip,
    "unreadable path": unreadable_path,
    "folder": a_folder,
    "wrong Parquet": wrong_parquet,
}


def cases() -> Iterator[tuple[str, int, Malformed]]:
    """Kind, variant and file, 300 of them."""
    for kind, make in KINDS.items():
        for v in range(VARIANTS):
            yield kind, v, make(v)
