"""Crawl the same photographs from the same local server with Safelight and with img2dataset, in turns.

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
from process_tree import Measured, measure

ROOT = Path(__file__).resolve().parents[1]
IMG2DATASET = "img2dataset==1.47.0"
OURS, DEFAULT, CHEAPEST = "safelight", "img2dataset", "img2dataset, no re-encoding"
THEIR_OPTIONS = {
    DEFAULT: (),
    CHEAPEST: ("--resize_mode", "no", "--disable_all_reencoding", "True"),
}


@dataclass(frozen=True)
class Kept:
    """What a tool left on disk: pictures, bytes of originals kept unchanged, pictures that still have EXIF."""

    pictures: int
    identical_bytes: int
    with_exif: int


@dataclass(frozen=True)
class Result:
    """One run of one tool."""

    measured: Measured
    kept: Kept

    @property
    def cpu_ms(self) -> float:
        """CPU of the process tree for each picture kept."""
        return 1000 * self.measured.cpu_s / max(self.kept.pictures, 1)

    @property
    def rate(self) -> float:
        """Pictures kept in a second."""
        return self.kept.pictures / self.measured.seconds


@dataclass(frozen=True)
class Originals:
    """The pictures that the server has: their number, bytes by SHA-256, and how many have EXIF."""

    count: int
    sizes: Mapping[str, int]
    copies: Counter[str]
    with_exif: int

    @property
    def total_bytes(self) -> int:
        """Sum of all sizes."""
        return sum(self.sizes[sha] * n for sha, n in self.copies.items())

    def compare(self, found: Iterable[bytes]) -> Kept:
        """Hold what a tool kept against the originals."""
        pictures, with_exif, same = 0, 0, Counter[str]()
        for body in found:
            pictures += 1
            with_exif += has_exif(body)
            same[hashlib.sha256(body).hexdigest()] += 1
        identical = sum(
            self.sizes[sha] * min(n, self.copies[sha])
            for sha, n in same.items()
            if sha in self.sizes
        )
        return Kept(pictures, identical, with_exif)


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-crawl-") as made:
        scratch = Path(made)
        tools: dict[str, Callable[[Path, Path], Measured]] = {OURS: ours}
        if not given.ours_only:
            python = given.img2dataset_python or make_venv(scratch / "venv")
            tools |= {name: theirs(python, options) for name, options in THEIR_OPTIONS.items()}
        photos = scratch / "photos"
        prepare(photo_files(given.photos)[: given.count], photos, given.side, given.copies)
        originals = read_originals(photo_files(photos))
        with local_site(photos) as address:
            addresses = write_list(scratch / "list.txt", address, originals.count)
            alone = write_list(scratch / "one.txt", address, 1)
            start_up = {name: run_tool(name, run, alone, scratch) for name, run in tools.items()}
            rounds = [run_round(tools, addresses, originals, scratch) for _ in range(given.rounds)]
    words = f"--rounds {given.rounds} --copies {given.copies}"
    words += f" --side {given.side}" if given.side else ""
    given.output.write_text("\n".join(report(rounds, start_up, originals, words)) + "\n")


def prepare(files: Sequence[Path], folder: Path, side: int | None, copies: int) -> None:
    """Write what is served: each photograph, scaled if `side` is given, with a comment that tells its copies apart."""
    folder.mkdir()
    for path in files:
        body = scaled(path, side) if side else path.read_bytes()
        for copy in range(copies):
            comment = f"copy {copy}".encode()
            marked = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
            is_jpeg = copies > 1 and body[:2] == b"\xff\xd8"
            whole = body[:2] + marked + body[2:] if is_jpeg else body
            (folder / f"{path.stem}.{copy}{path.suffix}").write_bytes(whole)


def scaled(path: Path, side: int) -> bytes:
    """Give a photograph with `side` px on its longer side and the EXIF block that it has."""
    with Image.open(path) as picture:
        factor = side / max(picture.size)
        size = (round(picture.width * factor), round(picture.height * factor))
        exif = picture.info.get("exif", b"")
        larger = picture.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        larger.save(stream := BytesIO(), "JPEG", quality=85, exif=exif)
    return stream.getvalue()


def run_round(
    tools: Mapping[str, Callable[[Path, Path], Measured]],
    addresses: Path,
    originals: Originals,
    scratch: Path,
) -> dict[str, Result]:
    """Run every tool once, one after the other, and look at what each has kept."""
    results = {}
    for name, run in tools.items():
        measured = run_tool(name, run, addresses, scratch)
        results[name] = Result(measured, originals.compare(pictures_of(name, scratch / "out")))
        print(f"{name}: {results[name].cpu_ms:.2f} ms, {results[name].rate:.0f}/s", flush=True)
    return results


def run_tool(
    name: str, run: Callable[[Path, Path], Measured], addresses: Path, scratch: Path
) -> Measured:
    """Run a tool into an empty folder; a tool that fails ends the benchmark."""
    folder = scratch / "out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    measured = run(addresses, folder)
    if measured.code:
        sys.exit(f"{name} ended with code {measured.code}:\n{measured.output[-3000:]}")
    return measured


def ours(addresses: Path, folder: Path) -> Measured:
    """Crawl the list with the code of this checkout."""
    words = ["--home", str(folder / "home"), "crawl", "run", "urls", str(addresses)]
    env = os.environ | {"SAFELIGHT_CONTACT": "benchmark@example.org"}
    command = [sys.executable, "-m", "safelight", *words, "--allow-private"]
    return measure(command, env=env, cwd=ROOT, log=folder / "log.txt")


def theirs(python: Path, options: Sequence[str]) -> Callable[[Path, Path], Measured]:
    """Download the list with img2dataset; what is not among `options` stays at its default."""

    def run(addresses: Path, folder: Path) -> Measured:
        words = ["--url_list", str(addresses), "--output_folder", str(folder / "images"), *options]
        # Its dependency asks the network for a newer version of itself at every start.
        env = os.environ | {"NO_ALBUMENTATIONS_UPDATE": "1"}
        command = [str(python.parent / "img2dataset"), *words]
        return measure(command, env=env, cwd=folder, log=folder / "log.txt")

    return run


def make_venv(folder: Path) -> Path:
    """Make an environment of its own for img2dataset, whose pins fight with ours."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", IMG2DATASET], check=True)
    return python


def pictures_of(tool: str, folder: Path) -> Iterator[bytes]:
    """Read back every picture that a tool has kept, once for each address that it came from."""
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
    """Say whether a file holds at least one EXIF tag."""
    try:
        with Image.open(BytesIO(body)) as picture:
            return bool(picture.getexif())
    except (OSError, ValueError, SyntaxError):
        return False


def report(
    rounds: Sequence[Mapping[str, Result]],
    start_up: Mapping[str, Measured],
    originals: Originals,
    words: str,
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
    yield from ("", "## Conditions", "", *conditions(names, words))


def _row(name: str, results: Sequence[Result], start_s: float, originals: Originals) -> str:
    kept = [result.kept for result in results]
    cells = [
        name,
        spread([result.cpu_ms for result in results], 2),
        spread([r.cpu_ms - 1000 * start_s / max(r.kept.pictures, 1) for r in results], 2),
        spread([result.rate for result in results], 0),
        spread([result.measured.peak_rss / 1e6 for result in results], 0),
        f"{100 * min(k.identical_bytes for k in kept) / originals.total_bytes:.1f} %",
        f"{min(k.with_exif for k in kept)} of {originals.with_exif}",
        str(max(originals.count - k.pictures for k in kept)),
    ]
    return f"| {' | '.join(cells)} |"


def ratios(rounds: Sequence[Mapping[str, Result]], others: Sequence[str]) -> Iterator[str]:
    numbers = [str(number) for number in range(1, len(rounds) + 1)]
    yield f"| CPU per image | {' | '.join(numbers)} | min | median | max |"
    yield f"| --- |{' ---: |' * (len(rounds) + 3)}"
    for other in others:
        found = [results[OURS].cpu_ms / results[other].cpu_ms for results in rounds]
        cells = [*found, min(found), statistics.median(found), max(found)]
        yield f"| ours : {other} | {' | '.join(f'{cell:.2f}' for cell in cells)} |"


def spread(values: Sequence[float], digits: int) -> str:
    middle = statistics.median(values)
    return f"{middle:.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def conditions(names: Sequence[str], words: str) -> Iterator[str]:
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
    yield f"- Command: `python benchmarks/bench_crawl.py --photos DIR --output FILE {words}`."


if __name__ == "__main__":
    main()
