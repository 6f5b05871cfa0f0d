"""Run the benchmarks in turn with their standard arguments, and list tables that are older than what they measure.

    python3 dev.py bench                    what there is: table, commit, age, what is missing to run it
    python3 dev.py bench all                run all for which everything is there
    python3 dev.py bench all --only a,b     these alone
    python3 dev.py bench all --old          those whose table is old or missing
    python3 dev.py bench NAME ...           one benchmark with arguments of your own

`--data DIR` has the pictures of tests/real_data.py, `--home DIR` a workspace with the releases that trainings need. A
table goes to `--output` (default: benchmarks/runs, which git ignores); compare it with the one in benchmarks/results,
add what must be said about it, and put it there. Run from a clean commit: the table names it.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.code_version import commit

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
TRAINING = ("training", "curation/stages")
_COMMIT = re.compile(r"\b[Cc]ommits?\W{1,3}([0-9a-f]{7,40})\b")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Entry:
    """One benchmark as it is run for a table.

    `words` are its arguments; `{output}`, `{work}`, `{data}`, `{photos}` (a folder of the photographs of `{data}`) and
    `{home}` are filled in. Without `{output}` what it prints is the table. `measures` are the files whose change makes
    the table old, `table` is the name of the table without machine and month, empty for none.
    """

    name: str
    words: str
    measures: tuple[str, ...]
    table: str = ""
    script: str = ""
    reads_test_data: bool = False

    @property
    def path(self) -> Path:
        """The script that is run."""
        return ROOT / "benchmarks" / f"bench_{self.script or self.name}.py"

    @property
    def needs(self) -> set[str]:
        """What must be given to run it: data, home."""
        found = set(_PLACEHOLDER.findall(self.words))
        if self.reads_test_data or "photos" in found:
            found.add("data")
        return found & {"data", "home"}

    def committed_table(self) -> Path | None:
        """Return the newest table of this benchmark under results/."""
        name = self.table or self.name
        found = sorted(RESULTS.glob(f"{name}_[0-9]*.md"), key=lambda path: path.name[-9:])
        return found[-1] if found else None


def trained(name: str, *, words: str = "") -> Entry:
    """Describe a benchmark of a recipe on a release of `{home}`."""
    return Entry(name, f"--home {{home}} --output {{output}} {words}".strip(), TRAINING)


ENTRIES = (
    Entry(
        "crawl", "--photos {photos} --output {output} --rounds 2 --copies 4 --side 1080",
        ("crawler", "catalog/packs", "catalog/sandbox"),
    ),
    Entry("crawl_scale", "--urls 100000 --output {output}", ("crawler", "catalog/packs"), script="scale"),
    Entry("commit", "--commits 20 --existing 10000", ("catalog/stores", "catalog/packs", "catalog/tables")),
    Entry(
        "plain_store", "--store parquet --rows 5000 --commits 5 --existing 10000 200000",
        ("catalog/stores/parquet",), script="commit",
    ),
    Entry(
        "similar", "--pictures 100000 --output {output}",
        ("catalog/web/similarity", "catalog/web/sections", "curation/report/picture_searcher.py"),
    ),
    Entry("query", "--photos 50000 --rounds 12 --output {output}", ("catalog/sandbox/sql", "catalog/stores")),
    Entry(
        "questions", "--photos 10000000 --rounds 2 --output {output}",
        ("catalog/tables", "catalog/stores"), table="questions_10m",
    ),
    Entry("curate_scale", "--output {output} --sizes 5000,100000 --vectors 1000000", ("curation",)),
    Entry(
        "dedupe", "--data {data} --work {work}/dedupe --output {output}",
        ("curation/duplicates", "curation/similarity"),
    ),
    Entry(
        "hard_copies", "--data {data} --work {work}/hard --output {output}",
        ("curation/duplicates", "curation/similarity"), table="dedupe_hard",
    ),
    Entry(
        "growth", "--data {data} --work {work}/dedupe --output {output}",
        ("curation/duplicates", "curation/similarity"), table="dedupe_growth",
    ),
    Entry("health", "--data {data} --output {output}", ("curation/decoding",)),
    Entry("exif_plants", "--data {data} --output {output}", ("crawler/exif", "curation/rules")),
    Entry(
        "copy_embedder", "--data {data} --work {work}/copies --output {output} --epochs 7",
        ("training/recipes/copy_detection.py", "training/models/copy_network.py", "training/fit"),
    ),
    Entry(
        "loader", "--output {output} --rounds 2 --pictures 2000",
        ("training/data", "catalog/packs"), reads_test_data=True,
    ),
    Entry(
        "loader_decode", "--output {output} --rounds 2 --pictures 2000 --tasks fast small "
        "--only webdataset litdata mds",
        ("training/data", "catalog/packs"), script="loader", reads_test_data=True,
    ),
    Entry(
        "real_photos", "--photos {photos} --truth {data}/photos/truth.csv --home {work}/real --output {output}",
        ("crawler", "curation", "training"),
    ),
    Entry("studies", "--output {output}", TRAINING, reads_test_data=True),
    Entry("training_core", "--json {work}/training_core.json", ("training/fit", "training/models")),
    Entry("gpu", "--output {output}", TRAINING),
    trained("classify", words="--set-of digits;digit;asset_sha256"),
    *map(trained, ("defects", "defect_models", "digits", "exif", "faces", "fakes", "sounds")),
    Entry(
        "defects_thorough",
        "--home {home} --output {output} --preset thorough --most 1000 --judged 25 --apart-by source photograph",
        TRAINING, script="defects",
    ),
    Entry(
        "defect_models_small", "--home {home} --output {output} --only 'small, on pixels'", TRAINING,
        script="defect_models",
    ),
    Entry(
        "defect_statistics", "--home {home} --output {output} --rungs 6 --only 'small, on statistics'", TRAINING,
        script="defect_models",
    ),
    Entry(
        "faces_short_sessions", "--home {home} --own faceres --gap 30 --output {output}", TRAINING, script="faces",
    ),
    Entry(
        "good_folders", "--photos {photos} --manifest {data}/manifest.csv --home {home} --output {output}", TRAINING,
    ),
    Entry("good_photos", "--photos {photos} --home {home} --output {output}", TRAINING),
    Entry(
        "good_photos_five", "--photos {photos} --home {home} --without compression faded --output {output}", TRAINING,
        script="good_photos",
    ),
)  # fmt: skip
OTHER_TABLES = ("exif_check",)
"""Tables that a command of Safelight prints, not a benchmark."""


def git(*words: str) -> str:
    """Run git in the repository; an empty text where it fails."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def commit_of(table: Path) -> str:
    """Return the newest commit that a table names, else the one that brought the table."""
    named = [
        name for name in _COMMIT.findall(table.read_text("utf-8")) if git("cat-file", "-t", name)
    ]
    if named:
        return max(named, key=lambda name: int(git("log", "-1", "--format=%ct", name) or 0))
    return git("log", "-1", "--format=%h", "--", str(table))


def changes_since(made_by: str, paths: Sequence[str]) -> int:
    """Count the commits since `made_by` that changed one of the paths."""
    return int(git("rev-list", "--count", f"{made_by}..HEAD", "--", *paths) or 0) if made_by else 0


def age(entry: Entry) -> tuple[str, int]:
    """Return the commit of an entry's table and how often its code changed since; an empty commit without a table."""
    table = entry.committed_table()
    if table is None:
        return "", 0
    made_by = commit_of(table)
    return made_by[:7], changes_since(made_by, entry.measures)


def listing(given: set[str]) -> Iterator[str]:
    """Describe each benchmark in a line."""
    yield f"{'benchmark':<15} {'table of commit':<16} {'its code since':<16} to run it"
    for entry in ENTRIES:
        made_by, changes = age(entry)
        since = f"{changes} changes" if changes else "unchanged"
        missing = " ".join(f"--{name} DIR" for name in sorted(entry.needs - given))
        yield f"{entry.name:<15} {made_by or 'no table':<16} {since if made_by else '':<16} {missing or 'ready'}"
    for name in sorted(unlisted()):
        yield f"{name:<15} has no standard arguments: python3 dev.py bench {name} --help"
    old = [entry.name for entry in ENTRIES if age(entry)[1]]
    yield f"\nolder than the code they measure: {', '.join(old) or 'none'}"
    yield "run those that are ready: python3 dev.py bench all"


def unlisted() -> set[str]:
    """Name the benchmarks that have no entry here."""
    scripts = {
        path.stem.removeprefix("bench_") for path in (ROOT / "benchmarks").glob("bench_*.py")
    }
    return scripts - {entry.script or entry.name for entry in ENTRIES}


def photographs(data: Path, work: Path) -> Path:
    """Unpack the photographs of the data, once."""
    folder = work / "photos"
    if not folder.is_dir():
        for archive in sorted((data / "photos").glob("*.tar")):
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
    return folder


def run(entry: Entry, options: argparse.Namespace, work: Path) -> int:
    """Run one benchmark and write its table."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = f"{entry.table or entry.name}_{cores}core_{datetime.now(UTC):%Y%m}.md"
    output = options.output / name
    values = {"output": output, "work": work, "data": options.data, "home": options.home}
    if "{photos}" in entry.words:
        values["photos"] = photographs(options.data, work)
    words = [word.format(**values) for word in shlex.split(entry.words)]
    command = [sys.executable, str(entry.path), *words]
    print(f"== {entry.name}: {' '.join(command[1:])}", flush=True)
    start = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if options.data:
        environment["SAFELIGHT_TEST_DATA"] = str(options.data)
    is_table = "{output}" not in entry.words and "{work}" not in entry.words  # what it prints
    out = subprocess.PIPE if is_table else None
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, stdout=out, text=True)
    if is_table and done.returncode == 0:
        typed = f"python3 dev.py bench {entry.script or entry.name} {shlex.join(words)}"
        head = f"# {entry.name}\n\nCommit {commit()}, `{typed}`\n\n"
        output.write_text(head + done.stdout, "utf-8")
    print(
        f"== {entry.name}: exit code {done.returncode} after {time.monotonic() - start:.0f} s",
        flush=True,
    )
    return done.returncode


def chosen(options: argparse.Namespace, given: set[str]) -> list[Entry]:
    """Choose the benchmarks to run; those that lack data are named on standard output."""
    names = options.only.split(",") if options.only else [entry.name for entry in ENTRIES]
    if unknown := set(names) - {entry.name for entry in ENTRIES}:
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}")
    entries = [entry for entry in ENTRIES if entry.name in names]
    if options.old:
        entries = [entry for entry in entries if age(entry) == ("", 0) or age(entry)[1]]
    for entry in entries:
        if missing := entry.needs - given:
            print(f"left out {entry.name}: give --{' and --'.join(sorted(missing))}")
    return [entry for entry in entries if not entry.needs - given]


def main(arguments: Sequence[str] | None = None) -> int:
    """List the benchmarks, or run them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["list", "all"], default="list")
    parser.add_argument("--only", default="", metavar="NAME,NAME")
    parser.add_argument("--old", action="store_true")
    parser.add_argument("--data", type=Path, default=os.environ.get("SAFELIGHT_TEST_DATA"))
    parser.add_argument("--home", type=Path)
    parser.add_argument(
        "--work", type=Path, help="folder of what is done already; a new one if left out"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "runs")
    options = parser.parse_args(arguments)
    given = {name for name in ("data", "home") if getattr(options, name)}
    if options.what == "list":
        print("\n".join(listing(given)))
        return 0
    for name in ("data", "home", "output", "work"):
        if path := getattr(options, name):
            setattr(options, name, Path(path).resolve())
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        entries = chosen(options, given)
        failed = [entry.name for entry in entries if run(entry, options, work)]
    print(f"{len(entries) - len(failed)} of {len(entries)} ran; tables in {options.output}")
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
