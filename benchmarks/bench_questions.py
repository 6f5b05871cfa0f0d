"""Time the saved questions on millions of photos, in the catalog and on plain Parquet files with the same rows.

python benchmarks/bench_questions.py [--photos 10000000] [--rounds 3] [--folder DIR] [--output FILE.md]

Rows are generated with DuckDB's range(); both sides get the same rows in the same order, two threads, and the same
SQL; rounds are interleaved. The catalog side is `open_catalog(...).query(...)` as analysts use it. With --folder the
generated rows are kept there and used again.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from catalog import QUESTIONS, TABLES, Workspace, open_catalog
from catalog.tables.views import VIEWS

CHUNK = 1_000_000  # rows a file and a snapshot
SHARES = {
    "photos": 1.0,
    "assets": 1.0,
    "exif": 1.0,
    "fetches": 1.2,
    "labels": 0.2,
    "decisions": 0.1,
    "duplicate_groups": 0.1,
    "curated_items": 0.7,
    "dataset_items": 1.0,
    "predictions": 0.1,
}
"""Table -> rows for each photo."""

SHA = "sha256(concat('asset', {}))"
PHOTO = SHA.format("i")
LICENCES = "['CC0', 'CC BY 4.0', 'CC BY-SA 4.0', 'Unsplash Licence'][1 + i % 4]"
ROWS: dict[str, dict[str, str]] = {
    "photos": {
        "photo_id": "md5(concat('photo', i))",
        "source": "['unsplash', 'commons', 'folder'][1 + i % 3]",
        "source_photo_id": "concat('id', i)",
        "asset_sha256": PHOTO,
        "crawl_id": "concat('crawl', i % 50)",
        "page_url": "concat('https://photos.example/', i)",
        "photographer": "concat('photographer ', h(i) % 200000)",
        "licence": LICENCES,
        "title": "concat('a photograph of ', ['hills', 'sea', 'faces', 'streets'][1 + h(i) % 4])",
        "fetched_at": "TIMESTAMP '2026-01-01' + to_seconds(i)",
        "training_allowed": "i % 5 > 0",
    },
    "assets": {
        "sha256": PHOTO,
        "bytes": "100000 + h(i) % 900000",
        "format": "'JPEG'",
        "width": "1080",
        "height": "720",
        "pack": "concat(md5(concat('pack', i // 256)), '.parquet')",
        "pack_offset": "(i % 256) * 500000",
        "pack_length": "100000 + h(i) % 900000",
    },
    "exif": {
        "asset_sha256": PHOTO,
        "exif_source": "'file'",
        "status": "'ok'",
        "camera": "concat('camera ', h(i, 7) % 900)",
        "f_number": "CASE WHEN i % 11 > 0 THEN 1.4 + h(i, 1) % 20 END",
        "iso": "CASE WHEN i % 13 > 0 THEN 100 * (1 + h(i, 2) % 64) END",
        "exposure_time": "CASE WHEN i % 17 > 0 THEN 1 / (1 + h(i, 3) % 4000) END",
        "taken_at": "TIMESTAMP '2020-01-01' + to_seconds(i)",
    },
    "fetches": {
        "fetch_id": "md5(concat('fetch', i))",
        "crawl_id": "concat('crawl', i % 50)",
        "photo_id": "md5(concat('photo', i % {photos}))",
        "url": "concat('https://images.example/', i)",
        "host": "'images.example'",
        "attempt": "1 + i // {photos}",
        "outcome": "CASE WHEN i % 20 > 0 THEN 'done' ELSE 'failed' END",
        "error": "CASE WHEN i % 20 = 0 THEN ['timeout', 'http_404', 'empty'][1 + i % 3] END",
        "error_class": "CASE WHEN i % 20 = 0 THEN 'transient' END",
        "fetched_at": "TIMESTAMP '2026-06-01' + to_seconds(i % 86400)",
        "bytes": "100000 + h(i) % 900000",
    },
    "labels": {
        "label_id": "md5(concat('label', i))",
        "subject_kind": "'asset'",
        "subject_id": SHA.format("i // 2"),
        "task": "'age'",
        "value": "CAST(20 + h(i // 2) % 50 + (i % 40 = 1)::INT AS VARCHAR)",
        "label_source": "['filename', 'estimated'][1 + i % 2]",
    },
    "decisions": {
        "run_id": "'run1'",
        "asset_sha256": PHOTO,
        "decision": "'drop'",
        "rule": "concat('rule', h(i) % 30)",
        "reason": "concat('reason_', h(i) % 30)",
    },
    "duplicate_groups": {
        "run_id": "'run1'",
        "group_id": "md5(concat('group', CAST(sqrt(i) * 40 AS BIGINT)))",
        "asset_sha256": PHOTO,
        "is_keeper": "i % 4 = 0",
        "method": "['pdq', 'embedding'][1 + h(i) % 2]",
        "similarity": "0.9 + (h(i) % 100) / 1000",
    },
    "curated_items": {
        "run_id": "'run1'",
        "asset_sha256": PHOTO,
        "source": "['unsplash', 'commons', 'folder'][1 + i % 3]",
        "split": "['train', 'train', 'train', 'validation', 'test'][1 + h(i, 5) % 5]",
        "f_number_bin": "CASE WHEN i % 11 > 0 THEN h(i, 1) % 3 END",
        "iso_bin": "CASE WHEN i % 13 > 0 THEN h(i, 2) % 3 END",
        "exposure_time_bin": "CASE WHEN i % 17 > 0 THEN h(i, 3) % 3 END",
        "weight": "0.5 + (h(i) % 100) / 100",
    },
    "dataset_items": {
        "dataset": "'photos'",
        "version": "['1.0.0', '1.1.0'][1 + i % 2]",
        "asset_sha256": SHA.format("CASE WHEN i % 2 = 0 THEN i // 2 ELSE i // 2 + 1000 END"),
        "split": "['train', 'validation', 'test'][1 + h(i // 2) % 3]",
        "group_id": "md5(concat('group', i // 4))",
        "shard": "concat('data/train-', i // 5000)",
    },
    "predictions": {
        "model_id": "'model1'",
        "asset_sha256": PHOTO,
        "task": "'iso'",
        "split": "'test'",
        "probabilities": "[0.2, 0.3 + (h(i) % 100) / 1000, 0.5 - (h(i) % 100) / 1000]",
        "target": "h(i, 9) % 3",
        "nll": "(h(i) % 100000) / 30000",
    },
}
"""Table -> column -> SQL expression over the row number i; other columns are null."""

FEW = (
    "SELECT 'crawl7' AS crawl_id, TIMESTAMP '2026-05-31' AS started_at, TIMESTAMP '2026-06-03' AS finished_at",
    "SELECT 'run1' AS run_id, TIMESTAMP '2026-07-01' AS finished_at",
    "SELECT 'photos' AS dataset, version, TIMESTAMP '2026-07-02' + to_days(n) AS created_at "
    "FROM (VALUES ('1.0.0', 0), ('1.1.0', 1)) t(version, n)",
    "SELECT 'model1' AS model_id, 'photos' AS dataset, '1.1.0' AS version, TIMESTAMP '2026-07-09' AS trained_at",
)
FEW_TABLES = ("crawls", "curation_runs", "datasets", "models")


@dataclass(frozen=True)
class QuestionTimes:
    """One question: median seconds on both sides, and its rows."""

    name: str
    catalog_s: float
    plain_s: float
    rows: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.folder:
        options.folder.mkdir(parents=True, exist_ok=True)
        text = measure(options.folder, options.photos, options.rounds)
    else:
        with tempfile.TemporaryDirectory() as folder:
            text = measure(Path(folder), options.photos, options.rounds)
    print(text)
    if options.output:
        options.output.write_text(text, "utf-8")


def measure(folder: Path, photos: int, rounds: int) -> str:
    """Make the rows where they are missing, time every question, write the table."""
    workspace = Workspace.at(folder / "home")
    if not (folder / "filled").exists():
        generate(folder / "plain", photos)
        fill(workspace, folder / "plain")
        (folder / "filled").touch()
    plain = plain_tables(folder / "plain")
    with open_catalog(workspace) as catalog:
        row_counts = {
            row["name"]: row["rows"] for row in catalog.tables() if row["name"] in (*ROWS,)
        }
        times = [
            time_one(
                name,
                catalog.query,
                lambda sql, values: plain.execute(sql, values).to_arrow_table(),
                rounds,
            )
            for name in QUESTIONS
        ]
    return report(times, row_counts, rounds)


def generate(folder: Path, photos: int) -> None:
    """Write the rows of every table as plain Parquet, one file for each million."""
    connection = duckdb.connect(config={"threads": 2})
    connection.execute(
        "CREATE MACRO h(a) AS (hash(a) >> 1)::BIGINT, (a, b) AS (hash(a, b) >> 1)::BIGINT"
    )
    for name, share in SHARES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        columns = select_list(name, photos)
        total = int(photos * share)
        for number, start in enumerate(range(0, total, CHUNK)):
            stop = min(start + CHUNK, total)
            target = folder / name / f"{number:04d}.parquet"
            connection.execute(
                f"COPY (SELECT {columns} FROM range({start}, {stop}) t(i)) TO '{target}' (COMPRESSION zstd)"
            )
    for name, sql in zip(FEW_TABLES, FEW, strict=True):
        (folder / name).mkdir(parents=True, exist_ok=True)
        described = connection.execute(f"DESCRIBE {sql}").fetchall()
        names = {row[0] for row in described}
        columns = ", ".join(
            f.name if f.name in names else f"NULL::{sql_type(f.type)} AS {f.name}"
            for f in TABLES[name].schema
        )
        connection.execute(
            f"COPY (SELECT {columns} FROM ({sql})) TO '{folder / name}/0000.parquet'"
        )


def select_list(name: str, photos: int) -> str:
    """Write the SELECT list of a generated table in the order and with the types of its contract."""
    return ", ".join(
        f'CAST({ROWS[name].get(f.name, "NULL").replace("{photos}", str(photos))} AS {sql_type(f.type)}) AS "{f.name}"'
        for f in TABLES[name].schema
    )


def sql_type(kind: object) -> str:
    """Name a contract's type in SQL."""
    names = {
        "string": "VARCHAR",
        "bool": "BOOLEAN",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "double": "DOUBLE",
    }
    names |= {
        "timestamp[us]": "TIMESTAMP",
        "list<element: string>": "VARCHAR[]",
        "list<item: string>": "VARCHAR[]",
    }
    names |= {"list<item: double>": "DOUBLE[]", "list<item: float>": "FLOAT[]"}
    names |= {"list<element: double>": "DOUBLE[]", "list<element: float>": "FLOAT[]"}
    return names[str(kind)]


def fill(workspace: Workspace, plain: Path) -> None:
    """Insert the same rows into the catalog, one snapshot a file."""
    with open_catalog(workspace) as catalog:
        store = catalog.store
        with store.lock():
            connection = store.writer()
            for name in (*SHARES, *FEW_TABLES):
                for path in sorted((plain / name).glob("*.parquet")):
                    connection.execute(
                        f"INSERT INTO lake.{name} BY NAME SELECT * FROM read_parquet('{path}')"
                    )
            store.release(connection)


def plain_tables(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open plain DuckDB with a view for each folder of files, empty tables for the rest, and our views."""
    connection = duckdb.connect(config={"threads": 2})
    for table in TABLES.values():
        if (folder / table.name).exists():
            connection.execute(
                f"CREATE VIEW {table.name} AS SELECT * FROM read_parquet('{folder / table.name}/*.parquet')"
            )
        else:
            columns = ", ".join(f'"{f.name}" {sql_type(f.type)}' for f in table.schema)
            connection.execute(f"CREATE TABLE {table.name} ({columns})")
    for name, (_, sql) in VIEWS.items():
        connection.execute(f"CREATE VIEW {name} AS {sql}")
    return connection


def time_one(name: str, catalog: Callable, plain: Callable, rounds: int) -> QuestionTimes:  # type: ignore[type-arg]
    """Run the question on both sides alternately and check that both return the same number of rows."""
    question = QUESTIONS[name]
    values = {each.name: each.default for each in question.parameters}
    seconds: dict[str, list[float]] = {"catalog": [], "plain": []}
    rows = 0
    for number in range(rounds + 1):
        sides = [("catalog", catalog), ("plain", plain)]
        results = []
        for side, query in sides if number % 2 else sides[::-1]:  # alternate which side is first
            start = time.perf_counter()
            results.append(query(question.sql, values))
            if number:  # the first round warms both
                seconds[side].append(time.perf_counter() - start)
        rows = len(results[0])
        assert rows == len(results[1]), f"{name}: {rows} rows and {len(results[1])}"
    print(
        f"{name}: {statistics.median(seconds['catalog']):.2f} s, plain {statistics.median(seconds['plain']):.2f} s",
        flush=True,
    )
    return QuestionTimes(
        name, statistics.median(seconds["catalog"]), statistics.median(seconds["plain"]), rows
    )


def report(times: list[QuestionTimes], row_counts: dict[object, object], rounds: int) -> str:
    """Write the table in Markdown."""
    lines = [
        f"| {t.name} | {t.rows} | {t.catalog_s:.2f} | {t.plain_s:.2f} | {t.catalog_s / t.plain_s:.2f} |"
        for t in times
    ]
    total = sum(t.catalog_s for t in times) / sum(t.plain_s for t in times)
    counts = ", ".join(
        f"{name} {n:,}" for name, n in sorted(row_counts.items(), key=lambda x: str(x[0]))
    )
    return "\n".join(
        [
            "# The saved questions in the catalog and on plain Parquet",
            "",
            f"Rows: {counts}.",
            f"Median of {rounds} interleaved rounds after a warm-up; {os.cpu_count()} cores, "
            f"DuckDB {duckdb.__version__}, Python {platform.python_version()}, two threads on both sides.",
            "",
            "| question | rows | catalog s | plain Parquet s | ratio |",
            "| --- | ---: | ---: | ---: | ---: |",
            *lines,
            f"| all | | {sum(t.catalog_s for t in times):.2f} | {sum(t.plain_s for t in times):.2f} | {total:.2f} |",
            "",
            "Made by `python3 dev.py bench questions`. The rows are generated: real names and titles compress worse.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
