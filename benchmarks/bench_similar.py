"""Similar pictures and the map with many pictures: seconds and bytes of the answers, and when the map is drawn.

    OMP_NUM_THREADS=1 python3 dev.py bench similar --pictures 100000 --output FILE

Makes a workspace of that many made rows (no pictures) with a similarity index of made vectors in groups, serves it by
`safelight serve`, and asks over HTTP as the pages do. *first* is the first request of a fresh server, *again* the
median of five more. A browser with software rendering opens the map and selects all by numbers.
"""

import argparse
import hashlib
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.code_version import commit  # noqa: E402
from catalog import Workspace, open_catalog, rows, write_segment  # noqa: E402
from curation.duplicates.index import Descriptors, IndexFolder, SimilarityIndex  # noqa: E402
from curation.duplicates.limits import CandidateLimits  # noqa: E402
from curation.similarity.neighbours import NeighbourLists, compact  # noqa: E402
from curation.stages.embeddings import EfficientNetLite0  # noqa: E402
from curation.stages.pdq import PerceptualHash  # noqa: E402
from curation.stages.stage import stage_id  # noqa: E402

MOMENT = datetime(2026, 1, 1)  # noqa: DTZ001 - the catalog keeps UTC without a zone
GROUPS, DIM, BLOCK = 200, 1280, 8_192
AGAIN = 5
SWITCHES = ["--no-sandbox", "--disable-background-networking"]
READY = "body[data-ready]"


def made_names(n: int) -> list[str]:
    return sorted(hashlib.sha256(f"{number}".encode()).hexdigest() for number in range(n))


def made_index(names: list[str]) -> SimilarityIndex:
    """Draw vectors around the centres of groups, and no neighbours: the pages do not use them."""
    rng, n, limits = np.random.default_rng(0), len(names), CandidateLimits()
    centres = rng.normal(size=(GROUPS, DIM)).astype(np.float32)
    parts = []
    for start in range(0, n, BLOCK):
        size = min(BLOCK, n - start)
        vectors = centres[rng.integers(GROUPS, size=size)] + rng.normal(size=(size, DIM)).astype(
            np.float32
        )
        parts.append(compact(vectors / np.linalg.norm(vectors, axis=1, keepdims=True)))
    pictures = Descriptors(
        names, np.concatenate(parts), np.zeros((n, 32), np.uint8), np.full(n, 90, np.int8)
    )
    empty = NeighbourLists.empty(n, limits.nearest)
    return SimilarityIndex(limits, pictures, empty, empty)


def make_home(home: Path, n: int) -> list[str]:
    """Write rows and the index; return the names of the pictures."""
    workspace, names = Workspace.at(home), made_names(n)
    workspace.make()
    assets = [
        {
            "sha256": name,
            "bytes": 10_000,
            "mime": "image/jpeg",
            "format": "JPEG",
            "width": 640,
            "height": 480,
            "first_seen": MOMENT,
        }
        for name in names
    ]
    photos = [
        {
            "photo_id": f"p{number}",
            "source": "urls",
            "source_photo_id": f"{number}",
            "asset_sha256": name,
            "crawl_id": "c",
            "title": f"Picture {number}",
            "licence": f"licence {number % 7}",
            "fetched_at": MOMENT + timedelta(seconds=number),
        }
        for number, name in enumerate(names)
    ]
    exif = [
        {
            "asset_sha256": name,
            "exif_source": "file",
            "status": "ok",
            "camera": f"camera {number % 300}",
            "iso": 100.0 * 2 ** (number % 9),
        }
        for number, name in enumerate(names)
    ]
    listed = {"assets": assets, "photos": photos, "exif": exif}
    write_segment(
        workspace, {name: rows(name, table) for name, table in listed.items()}, job="bench"
    )
    with open_catalog(workspace) as catalog:
        catalog.commit()
    limits = CandidateLimits()
    key = limits.key(EfficientNetLite0().model_id, stage_id(PerceptualHash()))
    IndexFolder(home, key, limits).save(made_index(names))
    return names


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, int]]:
    """Serve the workspace; gives the address and the process id."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "safelight", "--home", str(home), "serve", "--port", str(port)]
    server = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/health").close()
                break
            except OSError:
                time.sleep(0.25)
        yield address, server.pid
    finally:
        server.terminate()
        server.wait()


def ask(url: str) -> tuple[float, int]:
    """Return the seconds of an answer and its bytes."""
    started = time.perf_counter()
    with urllib.request.urlopen(url) as answer:
        return time.perf_counter() - started, len(answer.read())


def lines_of(address: str, names: list[str], *, first: str) -> Iterator[str]:
    """Ask for everything that the pages ask for."""
    for what, path in (
        (f"describe the map ({first})", "/api/v1/map"),
        ("points of the map", "/api/v1/map/points"),
        ("colours: 300 classes", "/api/v1/map/colours?column=camera"),
        ("colours: numbers", "/api/v1/map/colours?column=iso"),
        ("24 similar pictures", f"/api/v1/similar/{names[5]}?limit=24"),
        ("200 similar pictures", f"/api/v1/similar/{names[6]}?limit=200"),
        ("page of a picture, with 12 similar ones", f"/pictures/{names[7]}"),
        ("page of the map", "/map"),
    ):
        first_s, size = ask(address + path)
        again = statistics.median(ask(address + path)[0] for _ in range(AGAIN))
        yield f"| {what} | {first_s:.2f} | {again:.2f} | {size / 1000:,.0f} |"


def browser_line(address: str, n: int) -> str:
    """Open the map in a browser and select every point by numbers."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        started = time.perf_counter()
        page.goto(f"{address}/map#colour=iso")
        page.wait_for_selector(READY, timeout=120_000)
        ready_s = time.perf_counter() - started
        started = time.perf_counter()
        page.get_by_role("button", name="Select this box").click()
        page.get_by_text(f"{n:,} selected", exact=True).wait_for(timeout=120_000)
        select_s = time.perf_counter() - started
        browser.close()
    return (
        f"In a browser with software rendering the map of {n:,} points was drawn after {ready_s:.1f} s, "
        f"and all of them were selected by numbers in {select_s:.1f} s."
    )


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        names = make_home(home, given.pictures)
        with serving(home) as (address, _):
            table = list(lines_of(address, names, first="reads the index, projects"))
        with serving(home) as (address, _):
            table += list(lines_of(address, names, first="projected before"))[:1]
            drawn = browser_line(address, min(given.pictures, 100_000))
    head = [
        "# Similar pictures and the map",
        "",
        f"Safelight `{commit()}`, Python {platform.python_version()}, {platform.machine()}, 2 cores shared with other "
        f"work; {given.pictures:,} pictures. Made by "
        f"`python3 dev.py bench similar --pictures {given.pictures} --output FILE`.",
        "",
        "| request | first, s | again, s | kB |",
        "| --- | --- | --- | --- |",
    ]
    given.output.write_text("\n".join([*head, *table, "", drawn]) + "\n", "utf-8")
    print("\n".join([*table, drawn]))


if __name__ == "__main__":
    main()
