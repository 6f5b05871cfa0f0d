"""Plant damage into the EXIF of real photographs and count what the reader and the rules catch, with which reason.

    OMP_NUM_THREADS=1 python3 dev.py bench exif_plants --data DIR --output FILE

DIR holds photos/*.tar. Sources are split in two halves by the hash of their name: rules were written with the half
`tuning`, the table tells both. The unchanged photographs are checked for false voids and flags.
"""

import argparse
import hashlib
import platform
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tarfile import open as open_tar
from typing import Any

import polars as pl

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import commit  # noqa: E402
from benchmarks.exif_block import ExifBlock  # noqa: E402
from benchmarks.exif_plants import KINDS  # noqa: E402
from catalog import rows  # noqa: E402
from crawler.examination.examine import examine as crawl  # noqa: E402
from curation.decoding.decoding import examine  # noqa: E402
from curation.rules.bin_edges import SETTINGS  # noqa: E402
from curation.rules.exif_flags import EVIDENCE  # noqa: E402
from curation.rules.exif_rules import apply_rules  # noqa: E402

ARCHIVES = ("photos/photos-1.tar", "photos/photos-2.tar")
HALVES, EACH, SEED = ("tuning", "judging"), 15, 7
CRAWLED = datetime(2026, 11, 1)  # noqa: DTZ001 - the catalog keeps UTC without a zone
# True of these files: their pixels were reduced and most were exported by an editor.
TRUE_HERE = frozenset({"edited_software", "was_resized"})


@dataclass(frozen=True)
class Photograph:
    """A real photograph: the half its source belongs to, its name, its bytes."""

    half: str
    name: str
    body: bytes


def read_photographs(data: Path, every: int) -> list[Photograph]:
    """Read every n-th photograph."""
    result = []
    for archive in ARCHIVES:
        with open_tar(data / archive) as tar:
            for entry in [each for each in tar if each.isfile()][::every]:
                stream, name = tar.extractfile(entry), Path(entry.name).name
                source = "__".join(name.split("__")[:2])
                half = HALVES[hashlib.sha256(source.encode()).digest()[0] % 2]
                if stream is not None:
                    result.append(Photograph(half, name, stream.read()))
    return result


def checked(bodies: list[bytes], *, pixels: bool = False) -> pl.DataFrame:
    """Read the EXIF and apply the rules as a crawl and a curation run do; `pixels`: compare thumbnails, too."""
    exif_rows, context = [], []
    for number, body in enumerate(bodies):
        row = crawl(body)
        start, length = (int(row.exif.get(f"thumbnail_{end}") or 0) for end in ("offset", "length"))  # type: ignore[arg-type]
        health = examine(body, body[start : start + length]) if pixels else None
        exif_rows.append(row.exif | {"asset_sha256": f"{number:05d}", "exif_source": "file"})
        context.append(
            {
                "thumbnail_correlation": health and health.thumbnail_correlation,
                "exif_blocks": health and health.exif_blocks,
            }
        )
    records = pl.DataFrame(pl.from_arrow(rows("exif", exif_rows)))
    kinds = {"thumbnail_correlation": pl.Float64, "exif_blocks": pl.Int32}
    joined = pl.concat([records, pl.DataFrame(context, schema=kinds)], how="horizontal")
    return apply_rules(joined.with_columns(fetched_at=pl.lit(CRAWLED)))


def voids(row: dict[str, Any]) -> set[str]:
    """All void reasons of a checked record."""
    return {row["record_void"], *(row[f"{s}_void"] for s in SETTINGS)} - {None}


@dataclass
class Count:
    """Planted files of a kind in a half, how many were caught, and what the others got."""

    files: int
    caught: int
    others: Counter[str]


def plant(photographs: list[Photograph]) -> dict[tuple[str, str], Count]:
    """Plant each kind into up to `EACH` photographs of each half and check them."""
    result = {}
    for half in HALVES:
        own = [photograph for photograph in photographs if photograph.half == half]
        for name, kind in KINDS.items():
            rng = random.Random(f"{SEED} {half} {name}")
            bodies: list[bytes] = []
            for photograph in rng.sample(own, len(own)):
                block = ExifBlock.of(photograph.body)
                if block is not None and len(block.block) < 64_000 and kind.plant(block, rng):
                    bodies.append(block.jpeg())
                if len(bodies) == EACH:
                    break
            count = Count(len(bodies), 0, Counter())
            for row in checked(bodies).iter_rows(named=True):
                got = voids(row) | set(row["flags"])
                if got & kind.reasons:
                    count.caught += 1
                else:
                    count.others[", ".join(sorted(got - TRUE_HERE)) or "nothing"] += 1
            result[half, name] = count
    return result


def table(
    counts: dict[tuple[str, str], Count], real: pl.DataFrame, halves: list[str], seconds: float
) -> str:
    """Write the table."""
    lines = [
        "# EXIF: planted damage and real photographs",
        "",
        f"Commit {commit()}, Python {platform.python_version()}, {seconds:.0f} s of CPU. {len(KINDS)} kinds of "
        f"damage, up to {EACH} photographs of each in each half of the sources; the rules were written with the half "
        "`tuning`. Caught means with one of the reasons that are right for the kind.",
        "",
        "| half | planted | caught | kinds of which all are caught | photographs | voids | flagged |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    marked = real.with_columns(half=pl.Series(halves))
    for half in HALVES:
        own = [count for (where, _), count in counts.items() if where == half]
        files, caught = (sum(getattr(count, name) for count in own) for name in ("files", "caught"))
        whole = sum(count.caught == count.files for count in own)
        part = marked.filter(pl.col("half") == half).to_dicts()
        n_voids = sum(bool(voids(row)) for row in part)
        flagged = sum(bool(set(row["flags"]) - TRUE_HERE) for row in part)
        lines.append(
            f"| {half} | {files} | {caught / files:.1%} | {whole} of {len(own)} | {len(part)} | {n_voids} | {flagged} |"
        )
    lines += [
        "",
        "Flags of the unchanged photographs, without those that are true of reduced and exported files:",
        "",
    ]
    flags = Counter(
        (row["half"], flag, row["camera"], _evidence(row, flag))
        for row in marked.iter_rows(named=True)
        for flag in set(row["flags"]) - TRUE_HERE
    )
    lines += [
        f"- {half}, `{flag}`, {camera}, {n} x {what}"
        for (half, flag, camera, what), n in sorted(flags.items(), key=str)
    ]
    lines += [
        "",
        "## By kind",
        "",
        "| kind | reason | tuning | judging | others |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for name, kind in KINDS.items():
        both = [counts[half, name] for half in HALVES]
        others = sum((count.others for count in both), Counter[str]())
        shares = " | ".join(f"{count.caught} of {count.files}" for count in both)
        rest = "; ".join(f"{n} x {what}" for what, n in others.most_common(3))
        lines.append(f"| {name} | {', '.join(sorted(kind.reasons))} | {shares} | {rest} |")
    return "\n".join(lines) + "\n"


def _evidence(row: dict[str, Any], flag: str) -> str:
    return ", ".join(f"{name} {row[name]}" for name in EVIDENCE[flag])


def main() -> None:
    """Plant, check and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--every", type=int, default=1, help="Take every n-th photograph only.")
    options = parser.parse_args()
    started = time.process_time()
    photographs = read_photographs(options.data, options.every)
    real = checked([photograph.body for photograph in photographs], pixels=True)
    counts = plant(photographs)
    halves = [photograph.half for photograph in photographs]
    text = table(counts, real, halves, time.process_time() - started)
    print(text)
    if options.output:
        options.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
