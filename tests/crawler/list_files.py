"""Lists of addresses in every format, for tests of the sources that read them."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

Rows = list[dict[str, object]]


def as_csv(path: Path, rows: Rows, delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def as_tsv(path: Path, rows: Rows) -> None:
    as_csv(path, rows, "\t")


def as_json(path: Path, rows: Rows) -> None:
    path.write_text(json.dumps(rows, indent=2), "utf-8")


def as_jsonl(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def as_parquet(path: Path, rows: Rows) -> None:
    pq.write_table(pa.Table.from_pylist(rows), path)


def as_jsonl_gz(path: Path, rows: Rows) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))


WRITERS: dict[str, Callable[[Path, Rows], None]] = {
    "csv": as_csv,
    "tsv": as_tsv,
    "json": as_json,
    "jsonl": as_jsonl,
    "jsonl.gz": as_jsonl_gz,
    "parquet": as_parquet,
}


ROWS: Rows = [
    {"URL": "https://a.example/1.jpg", "TEXT": 'a "red"\tcat,\nü', "score": 0.5, "kind": "cat"},
    {"URL": "", "TEXT": "no address", "score": 0.1, "kind": "dog"},
    {"URL": "ftp://a.example/2.jpg", "TEXT": "not HTTP", "score": 0.1, "kind": "dog"},
    {"URL": "https://B.example:8443/3.jpg?w=1#x", "TEXT": "", "score": 0.25, "kind": ""},
]
