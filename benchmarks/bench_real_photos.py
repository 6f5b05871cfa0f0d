"""Run the whole pipeline on a folder of real photographs and write a report.

python benchmarks/bench_real_photos.py --photos DIR --truth CSV --home DIR --output FILE

`--truth` is a CSV with the columns file, FNumber, ISO and ExposureTime from an independent EXIF reader. Steps that are
finished in the workspace are not repeated.
"""

import argparse
import csv
import math
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from catalog import Workspace, open_catalog
from training.report.report import write_table

DATASET = "photos"
SETTINGS = {"f_number": "FNumber", "iso": "ISO", "exposure_time": "ExposureTime"}
TOLERANCE = 1e-3  # relative: the truth is printed with a few digits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--photos", "--truth", "--home", "--output"):
        parser.add_argument(name, required=True, type=Path)
    options = parser.parse_args()
    steps = (
        ("crawl", "run", "folder", str(options.photos)),
        ("curate", "run"),
        ("dataset", "publish", DATASET),
        ("train", "run", "exif", "--dataset", DATASET),
    )
    for words in steps:
        command = [sys.executable, "-m", "safelight", "--home", str(options.home), *words]
        subprocess.run(command, check=True)
    options.output.write_text("\n".join(report(Workspace.at(options.home), options.truth)) + "\n")


def report(workspace: Workspace, truth: Path) -> Iterator[str]:
    yield from ("# The main job on real photographs", "")
    yield from agreement(workspace, truth)
    yield from curation(workspace)
    newest = max(
        workspace.reports.glob("training/*/run.json"), key=lambda path: path.stat().st_mtime
    )
    yield from ("## Training", "", write_table(newest.parent), "")
    yield "Command: `python benchmarks/bench_real_photos.py --photos DIR --truth CSV --home DIR --output FILE`"
    packages = ("torch", "numpy", "duckdb", "exifread", "pillow", "faiss-cpu")
    listed = ", ".join(f"{name} {version(name)}" for name in packages)
    yield f"\nPython {platform.python_version()}, {listed}; 2 CPU cores, no GPU, default preset, seed 0."
    yield (
        "\nCaveats: photographs of at most 448 px, so native patches see resized pixels; they come in "
        "clusters from few sources, so the groups are few and the intervals wide; photographers are "
        "unknown, groups are cameras and duplicates only."
    )


def agreement(workspace: Workspace, truth: Path) -> Iterator[str]:
    with open_catalog(workspace) as catalog:
        rows = catalog.records("SELECT source_photo_id, f_number, iso, exposure_time FROM v_photos")
    rows_by_file = {str(row["source_photo_id"]): row for row in rows}
    truth_rows = list(csv.DictReader(truth.open()))
    yield f"{len(rows_by_file)} of {len(truth_rows)} photographs are in the catalog."
    yield "Settings that equal the independent reader's:"
    yield from ("", "| setting | equal | share |", "| --- | ---: | ---: |")
    for name, column in SETTINGS.items():
        equal = sum(
            same(rows_by_file.get(row["file"], {}).get(name), row[column]) for row in truth_rows
        )
        yield f"| {name} | {equal} of {len(truth_rows)} | {equal / len(truth_rows):.4f} |"
    yield ""


def same(value: object, expected: str) -> bool:
    if value is None or not expected:
        return value is None and not expected
    return math.isclose(float(str(value)), float(expected), rel_tol=TOLERANCE)


def curation(workspace: Workspace) -> Iterator[str]:
    with open_catalog(workspace) as catalog:
        run = catalog.records("SELECT * FROM curation_runs ORDER BY finished_at DESC LIMIT 1")[0]
        reasons = catalog.records("SELECT * FROM v_decisions ORDER BY decision, n DESC")
        release = catalog.records("SELECT * FROM datasets ORDER BY created_at DESC LIMIT 1")[0]
        groups = catalog.records(
            "SELECT split, count(*) AS n, count(DISTINCT group_id) AS groups, count(DISTINCT camera) AS cameras "
            "FROM curated_items WHERE run_id = ? GROUP BY split ORDER BY split",
            [run["run_id"]],
        )
    yield from ("## Curation", "", f"{run['n_input']} pictures in, {run['n_kept']} kept.", "")
    yield from ("| decision | reason | pictures |", "| --- | --- | ---: |")
    yield from (f"| {row['decision']} | {row['reason']} | {row['n']} |" for row in reasons)
    yield from ("", "| split | pictures | groups | cameras |", "| --- | ---: | ---: | ---: |")
    yield from (
        f"| {row['split']} | {row['n']} | {row['groups']} | {row['cameras']} |" for row in groups
    )
    yield from (
        "",
        f"Release {release['dataset']}@{release['version']}, digest `{release['digest']}`.",
        "",
    )


if __name__ == "__main__":
    main()
