"""Crawl the same photographs from the same local server with Safelight and with img2dataset, alternately.

python benchmarks/bench_crawl.py --photos DIR --output FILE [--rounds 3] [--count N] [--side PX]
                                 [--copies K] [--img2dataset-python PATH]

With --side every photograph is first scaled to that many px on its longer side (JPEG quality 85, EXIF block kept).
With --copies each is served K times, every time with another JPEG comment: start-up counts less, as in a real crawl.

Without --img2dataset-python a virtual environment with img2dataset is made below the temporary folder (network).
`--ours-only` leaves img2dataset out.
"""

import argparse
import hashlib
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import venv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

from code_version import commit
from local_site import local_site, photo_files, write_list
from PIL import Image
from process_tree import Measurement, measure

ROOT = Path(__file__).resolve().parents[1]
IMG2DATASET = "img2dataset==1.47.0"
OURS, DEFAULT, CHEAPEST = "safelight", "img2dataset", "img2dataset, no re-encoding"
THEIR_OPTIONS = {
    DEFAULT: (),
    CHEAPEST: ("--resize_mode", "no", "--disable_all_reencoding", "True"),
}


@dataclass(frozen=True)
class StoredPictures:
    """The output of a tool: number of pictures, bytes of unchanged originals, number of pictures with EXIF."""

    pictures: int
    identical_bytes: int
    with_exif: int


@dataclass(frozen=True)
class ToolRun:
    """One run of one tool."""

    measured: Measurement
    stored: StoredPictures

    @property
    def cpu_ms(self) -> float:
        """CPU milliseconds of the process tree for each stored picture."""
        return 1000 * self.measured.cpu_s / max(self.stored.pictures, 1)

    @property
    def rate(self) -> float:
        """Stored pictures a second."""
        return self.stored.pictures / self.measured.seconds


@dataclass(frozen=True)
class Originals:
    """The pictures of the server: number, bytes by SHA-256, number of pictures with EXIF."""

    count: int
    sizes: Mapping[str, int]
    copies: Counter[str]
    with_exif: int

    @property
    def total_bytes(self) -> int:
        """Sum of all sizes."""
        return sum(self.sizes[sha] * n for sha, n in self.copies.items())

    def compare(self, bodies: Iterable[bytes]) -> StoredPictures:
        """Compare the output of a tool with the originals."""
        pictures, with_exif, counts = 0, 0, Counter[str]()
        for body in bodies:
            pictures += 1
            with_exif += has_exif(body)
            counts[hashlib.sha256(body).hexdigest()] += 1
        identical = sum(
            self.sizes[sha] * min(n, self.copies[sha])
            for sha, n in counts.items()
            if sha in self.sizes
        )
        return StoredPictures(pictures, identical, with_exif)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", required=True, type=Path)
    parser.add_argument("--output", required=True, type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, help="only so many photographs")
    parser.add_argument(
        "--side", type=int, help="scale the photographs to so many px on the longer side"
    )
    parser.add_argument(
        "--copies", type=int, default=1, help="serve each so many times, never the same bytes"
    )
    parser.add_argument("--img2dataset-python", type=Path)
    parser.add_argument("--ours-only", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-crawl-") as folder:
        scratch = Path(folder)
        tools: dict[str, Callable[[Path, Path], Measurement]] = {OURS: run_safelight}
        if not options.ours_only:
            python = options.img2dataset_python or make_venv(scratch / "venv")
            tools |= {
                name: img2dataset_runner(python, options) for name, options in THEIR_OPTIONS.items()
            }
        photos = scratch / "photos"
        prepare_photos(
            photo_files(options.photos)[: options.count], photos, options.side, options.copies
        )
        originals = read_originals(photo_files(photos))
        with local_site(photos) as address:
            addresses = write_list(scratch / "list.txt", address, originals.count)
            alone = write_list(scratch / "one.txt", address, 1)
            start_up = {name: run_tool(name, run, alone, scratch) for name, run in tools.items()}
            rounds = [
                run_round(tools, addresses, originals, scratch) for _ in range(options.rounds)
            ]
    arguments = f"--rounds {options.rounds} --copies {options.copies}"
    arguments += f" --side {options.side}" if options.side else ""
    options.output.write_text("\n".join(report(rounds, start_up, originals, arguments)) + "\n")


def prepare_photos(files: Sequence[Path], folder: Path, side: int | None, copies: int) -> None:
    """Write the served files: each photograph, resized if `side` is given, each copy with another JPEG comment."""
    folder.mkdir()
    for path in files:
        body = resize_photo(path, side) if side else path.read_bytes()
        for copy in range(copies):
            comment = f"copy {copy}".encode()
            marked = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
            is_jpeg = copies > 1 and body[:2] == b"\xff\xd8"
            whole = body[:2] + marked + body[2:] if is_jpeg else body
            (folder / f"{path.stem}.{copy}{path.suffix}").write_bytes(whole)


def resize_photo(path: Path, side: int) -> bytes:
    """Return a photograph resized to `side` px on its longer side, with its EXIF block."""
    with Image.open(path) as picture:
        factor = side / max(picture.size)
        size = (round(picture.width * factor), round(picture.height * factor))
        exif = picture.info.get("exif", b"")
        larger = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        larger.save(stream := BytesIO(), "JPEG", quality=85, exif=exif)
    return stream.getvalue()


def run_round(
    tools: Mapping[str, Callable[[Path, Path], Measurement]],
    addresses: Path,
    originals: Originals,
    scratch: Path,
) -> dict[str, ToolRun]:
    """Run every tool once, one after the other, and compare their outputs with the originals."""
    results = {}
    for name, run in tools.items():
        measured = run_tool(name, run, addresses, scratch)
        results[name] = ToolRun(
            measured, originals.compare(read_stored_pictures(name, scratch / "out"))
        )
        print(f"{name}: {results[name].cpu_ms:.2f} ms, {results[name].rate:.0f}/s", flush=True)
    return results


def run_tool(
    name: str, run: Callable[[Path, Path], Measurement], addresses: Path, scratch: Path
) -> Measurement:
    """Run a tool into an empty folder; a tool that fails ends the benchmark."""
    folder = scratch / "out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    measured = run(addresses, folder)
    if measured.code:
        sys.exit(f"{name} ended with code {measured.code}:\n{measured.output[-3000:]}")
    return measured


def run_safelight(addresses: Path, folder: Path) -> Measurement:
    """Crawl the list with the code of this checkout."""
    arguments = ["--home", str(folder / "home"), "crawl", "run", "urls", str(addresses)]
    env = os.environ | {"SAFELIGHT_CONTACT": "benchmark@example.org"}
    command = [sys.executable, "-m", "safelight", *arguments, "--allow-private"]
    return measure(command, env=env, cwd=ROOT, log=folder / "log.txt")


def img2dataset_runner(python: Path, options: Sequence[str]) -> Callable[[Path, Path], Measurement]:
    """Return a function that downloads the list with img2dataset; other options keep their defaults."""

    def run(addresses: Path, folder: Path) -> Measurement:
        arguments = [
            "--url_list",
            str(addresses),
            "--output_folder",
            str(folder / "images"),
            *options,
        ]
        # A dependency of img2dataset checks for a newer version of itself over the network at every start.
        env = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
        command = [str(python.parent / "img2dataset"), *arguments]
        return measure(command, env=env, cwd=folder, log=folder / "log.txt")

    return run


def make_venv(folder: Path) -> Path:
    """Make a separate environment for img2dataset, whose pinned versions conflict with ours."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", IMG2DATASET], check=True)
    return python


def read_stored_pictures(tool: str, folder: Path) -> Iterator[bytes]:
    """Yield every picture that a tool has stored, once for each of its addresses."""
    if tool != OURS:
        yield from (path.read_bytes() for path in photo_files(folder / "images"))
        return
    from catalog import AssetReader, Workspace, open_catalog

    workspace = Workspace.at(folder / "home")
    sql = (
        "SELECT a.pack, a.pack_offset, a.pack_length FROM photos p JOIN assets a ON a.sha256 = p.asset_sha256"
        " ORDER BY a.pack, a.pack_offset"
    )
    with open_catalog(workspace) as catalog, AssetReader(workspace) as reader:
        for row in catalog.records(sql):
            place = (int(str(row["pack_offset"])), int(str(row["pack_length"])))
            yield reader.read(str(row["pack"]), *place)


def read_originals(files: Sequence[Path]) -> Originals:
    sizes, copies, with_exif = {}, Counter[str](), 0
    for path in files:
        body = path.read_bytes()
        sha = hashlib.sha256(body).hexdigest()
        sizes[sha] = len(body)
        copies[sha] += 1
        with_exif += has_exif(body)
    return Originals(len(files), sizes, copies, with_exif)


def has_exif(body: bytes) -> bool:
    """Return whether a file has at least one EXIF tag."""
    try:
        with Image.open(BytesIO(body)) as picture:
            return bool(picture.getexif())
    except (OSError, ValueError, SyntaxError):
        return False


def report(
    rounds: Sequence[Mapping[str, ToolRun]],
    start_up: Mapping[str, Measurement],
    originals: Originals,
    arguments: str,
) -> Iterator[str]:
    names = list(rounds[0])
    yield from ("# Crawling against img2dataset", "")
    yield (
        f"{originals.count} photographs ({originals.total_bytes / 1e6:.1f} MB, {originals.with_exif} with EXIF) from "
        f"one server process on 127.0.0.1; {len(rounds)} rounds, the tools in turns within each. Median of the rounds, "
        "in brackets the smallest and the largest."
    )
    yield from (
        "",
        "| tool | CPU ms/image | without start-up | images/s | peak RSS MB | bytes kept | EXIF kept | failures |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    )
    for name in names:
        yield _row(name, [results[name] for results in rounds], start_up[name].cpu_s, originals)
    if len(names) > 1:
        yield from ("", "## Ratios within a round (ours : theirs; below 1 is better)", "")
        yield from ratios(rounds, names[1:])
    yield from ("", "## Conditions", "", *conditions(names, arguments))


def _row(name: str, results: Sequence[ToolRun], start_s: float, originals: Originals) -> str:
    stored = [result.stored for result in results]
    cells = [
        name,
        spread([result.cpu_ms for result in results], 2),
        spread([r.cpu_ms - 1000 * start_s / max(r.stored.pictures, 1) for r in results], 2),
        spread([result.rate for result in results], 0),
        spread([result.measured.peak_rss / 1e6 for result in results], 0),
        f"{100 * min(k.identical_bytes for k in stored) / originals.total_bytes:.1f} %",
        f"{min(k.with_exif for k in stored)} of {originals.with_exif}",
        str(max(originals.count - k.pictures for k in stored)),
    ]
    return f"| {' | '.join(cells)} |"


def ratios(rounds: Sequence[Mapping[str, ToolRun]], others: Sequence[str]) -> Iterator[str]:
    numbers = [str(number) for number in range(1, len(rounds) + 1)]
    yield f"| CPU per image | {' | '.join(numbers)} | min | median | max |"
    yield f"| --- |{' ---: |' * (len(rounds) + 3)}"
    for other in others:
        values = [results[OURS].cpu_ms / results[other].cpu_ms for results in rounds]
        cells = [*values, min(values), statistics.median(values), max(values)]
        yield f"| ours : {other} | {' | '.join(f'{cell:.2f}' for cell in cells)} |"


def spread(values: Sequence[float], digits: int) -> str:
    middle = statistics.median(values)
    return f"{middle:.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def conditions(names: Sequence[str], arguments: str) -> Iterator[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "duckdb", "pillow"))
    yield f"- Commit {commit()}, Python {platform.python_version()}, {packages}."
    yield f"- {os.cpu_count()} CPU cores, {platform.system()} {platform.machine()}."
    yield "- Ours: `safelight crawl run urls LIST --allow-private`, default settings (SHA-256, EXIF by two readers,"
    yield "  header check, packs, catalog commit). On loopback no rate limit applies to it."
    for name in names[1:]:
        options = " ".join(THEIR_OPTIONS[name]) or "its defaults"
        yield f"- {name}: {IMG2DATASET.replace('==', ' ')}, {options} (256 threads, 1 process, SHA-256, EXIF as JSON)."
    yield "- CPU is user and system time of the whole process tree, the server's not. Start-up is the CPU of a run"
    yield "  over one address, measured once before the rounds."
    yield "- Peak RSS is the sum over the tree, sampled every 50 ms; shared pages count once for each process."
    yield "- Bytes kept are those of originals found again with the same SHA-256; EXIF kept is EXIF inside the picture"
    yield "  files (img2dataset also writes it into JSON files)."
    yield f"- Command: `python benchmarks/bench_crawl.py --photos DIR --output FILE {arguments}`."


if __name__ == "__main__":
    main()
