"""Measure memory and rate of one crawl from its first address to its last, and the frontier's operations by size.

python benchmarks/bench_scale.py [--urls 100000] [--pool 200] [--photos DIR] [--output FILE.md]

The addresses are all different; the pictures behind them repeat (generated ones, or those of --photos).
With --output the table goes there and a plot beside it (.png); without, the table is printed.
"""

import argparse
import os
import platform
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
from code_version import commit
from local_site import local_site, write_list
from PIL import Image
from process_tree import Measurement, measure

from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor, ListedPhoto, Settlement

ROOT = Path(__file__).resolve().parents[1]
EVERY_S = 2.0
BATCH = 64
DECADES = (1_000, 10_000, 100_000, 1_000_000)


@dataclass(frozen=True)
class CrawlSample:
    """The crawl at one moment: pictures done, bytes resident and CPU seconds of its process tree."""

    seconds: float
    done: int
    resident: int
    cpu_s: float


@dataclass(frozen=True)
class Operations:
    """Microseconds for each item of the frontier's operations, with so many items in it."""

    items: int
    add_us: float
    claim_us: float
    settle_us: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=int, default=100_000)
    parser.add_argument("--pool", type=int, default=200)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds between two samples")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
        scratch = Path(folder)
        photos = options.photos or make_photos(scratch / "photos", options.pool)
        samples, measurement = crawl(photos, options.pool, options.urls, scratch, options.every)
        operations = list(time_frontier(scratch, options.urls))
    text = "\n".join(report(samples, measurement, operations, options.urls)) + "\n"
    if not options.output:
        print(text)
        return
    picture = options.output.with_suffix(".png")
    plot(samples, operations, picture)
    options.output.write_text(f"{text}\n![Memory, rate and frontier operations]({picture.name})\n")


def make_photos(folder: Path, count: int) -> Path:
    """Draw `count` different small JPEGs with EXIF."""
    folder.mkdir()
    for number in range(count):
        coarse = np.random.default_rng(number).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((480, 360), Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[0x010F], exif[0x0110] = "Acme", "One"
        exif.get_ifd(0x8769).update({0x829D: 2.8, 0x829A: 0.004, 0x8827: 100 + number})
        picture.save(folder / f"{number:04}.jpg", quality=85, exif=exif)
    return folder


def crawl(
    photos: Path, pool: int, urls: int, scratch: Path, every_s: float
) -> tuple[list[CrawlSample], Measurement]:
    """Crawl `urls` addresses and sample the process tree and the metrics of the crawl."""
    port = free_port()
    samples: list[CrawlSample] = []

    def sample(seconds: float, resident: int, cpu_s: float) -> None:
        done = pictures_done(port)
        if done is not None:
            samples.append(CrawlSample(seconds, done, resident, cpu_s))

    with local_site(photos, pool) as address:
        addresses = write_list(scratch / "list.txt", address, urls)
        words = ["--home", str(scratch / "home"), "crawl", "run", "urls", str(addresses)]
        command = [sys.executable, "-m", "safelight", *words, "--allow-private"]
        measurement = measure(
            [*command, "--metrics-port", str(port)],
            env=os.environ | {"SAFELIGHT_CONTACT": "benchmark@example.org"},
            cwd=ROOT,
            log=scratch / "log.txt",
            every_s=every_s,
            sample=sample,
        )
    if measurement.code:
        sys.exit(f"the crawl ended with code {measurement.code}:\n{measurement.output[-3000:]}")
    return samples, measurement


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def pictures_done(port: int) -> int | None:
    """Read the number of fetched pictures from the crawl's metrics; None without a response."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1) as response:
            lines = response.read().decode().splitlines()
    except (URLError, OSError):
        return None
    metric = "safelight_crawl_pictures_total"
    values = [line for line in lines if line.startswith(metric) and 'outcome="done"' in line]
    return int(float(values[0].rpartition(" ")[2])) if values else None


def time_frontier(scratch: Path, urls: int) -> Iterator[Operations]:
    """Fill a separate frontier up to each power of ten and time its operations at that size."""
    with Frontier(scratch / "operations.sqlite") as frontier:
        frontier.open_crawl("c", "urls", {})
        size = 0
        for goal in sizes(urls):
            add_us = []
            while size < goal:
                page = [_listed(number) for number in range(size, min(size + BATCH, goal))]
                began = time.perf_counter()
                frontier.add("c", page, Cursor())
                add_us.append(1e6 * (time.perf_counter() - began) / len(page))
                size += len(page)
            yield Operations(goal, statistics.median(add_us[-50:]), *_settle_some(frontier))


def sizes(urls: int) -> list[int]:
    """Return the powers of ten below `urls`, and `urls` itself."""
    return [*(size for size in DECADES if size < urls), urls]


def _settle_some(frontier: Frontier) -> tuple[float, float]:
    claim_us, settle_us = [], []
    for _ in range(10):
        began = time.perf_counter()
        items = frontier.claim("c", BATCH, time.time())
        claimed = time.perf_counter()
        frontier.settle([Settlement(item.seq, item.photo_id, "done", 1) for item in items])
        if items:
            claim_us.append(1e6 * (claimed - began) / len(items))
            settle_us.append(1e6 * (time.perf_counter() - claimed) / len(items))
    return statistics.median(claim_us), statistics.median(settle_us)


def _listed(number: int) -> ListedPhoto:
    photo: dict[str, object] = {"source": "urls", "source_photo_id": str(number)}
    return ListedPhoto(
        f"{number:032x}", photo, f"http://h{number % 50}.example/{number}", "h.example"
    )


def report(
    samples: Sequence[CrawlSample],
    measurement: Measurement,
    operations: Sequence[Operations],
    urls: int,
) -> Iterator[str]:
    yield from (f"# One crawl of {urls:,} addresses", "")
    cpu_ms = 1000 * measurement.cpu_s / urls
    yield f"{measurement.seconds:.0f} s, {cpu_ms:.2f} ms of CPU a picture (start-up included), "
    yield f"peak {measurement.peak_rss / 1e6:.0f} MB over the process tree."
    yield from (
        "",
        "| pictures | images/s | CPU ms/image | RSS MB |",
        "| --- | ---: | ---: | ---: |",
    )
    yield from (_stretch_row(samples, *ends) for ends in stretches(urls))
    slope = memory_slope(samples)
    yield from (
        "",
        f"Memory grows by {slope:.0f} bytes a picture (least squares behind the first tenth).",
        "",
    )
    yield "| items in the frontier | add, us/item | claim, us/item | settle, us/item |"
    yield "| --- | ---: | ---: | ---: |"
    for one in operations:
        yield f"| {one.items:,} | {one.add_us:.0f} | {one.claim_us:.0f} | {one.settle_us:.0f} |"
    yield from (
        "",
        f"Commit {commit()}, Python {platform.python_version()}, ",
    )
    yield f"{os.cpu_count()} CPU cores; the server runs on the same machine, its CPU is not counted. Rates and memory "
    yield f"are those between samples. Command: `python benchmarks/bench_scale.py --urls {urls}`."


def stretches(urls: int) -> list[tuple[int, int]]:
    """Cut the crawl at the powers of ten."""
    ends = [0, *sizes(urls)]
    return list(pairwise(ends))


def _stretch_row(samples: Sequence[CrawlSample], first: int, last: int) -> str:
    """Interpolate the crawl's time, CPU and memory at both ends of a stretch."""
    begun = [sample for sample in samples if sample.done]
    name = f"| {first:,} to {last:,} "
    if len(begun) < 2 or begun[-1].done <= max(first, begun[0].done):
        return f"{name}| too few samples | | |"
    done = [sample.done for sample in begun]
    low, high = max(first, done[0]), min(last, done[-1])
    at = [
        (np.interp(low, done, values), np.interp(high, done, values))
        for values in ([s.seconds for s in begun], [s.cpu_s for s in begun])
    ]
    (t0, t1), (c0, c1) = at
    inside = [s.resident for s in begun if low <= s.done <= high] or [begun[-1].resident]
    rate, cpu_ms = (high - low) / max(t1 - t0, 1e-9), 1000 * (c1 - c0) / max(high - low, 1)
    return f"{name}| {rate:.0f} | {cpu_ms:.2f} | {statistics.median(inside) / 1e6:.0f} |"


def memory_slope(samples: Sequence[CrawlSample]) -> float:
    """Fit resident bytes against finished pictures, without the first tenth of the pictures."""
    last = max((sample.done for sample in samples), default=0)
    kept = [sample for sample in samples if sample.done >= last / 10]
    if len({sample.done for sample in kept}) < 2:
        return float("nan")
    slope, _ = np.polyfit([s.done for s in kept], [s.resident for s in kept], 1)
    return float(slope)


def plot(samples: Sequence[CrawlSample], operations: Sequence[Operations], path: Path) -> None:
    """Draw memory, rate and frontier operations."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(9, 3), layout="constrained")
    memory, rate, frontier = figure.subplots(1, 3)
    done = [sample.done for sample in samples]
    memory.plot(done, [sample.resident / 1e6 for sample in samples], color="#1d62ab")
    memory.set(
        title="Memory of the process tree", xlabel="pictures done", ylabel="MB", ylim=(0, None)
    )
    steps = [(b.done, (b.done - a.done) / (b.seconds - a.seconds)) for a, b in _windows(samples)]
    rate.plot(*zip(*steps, strict=True) if steps else ([], []), color="#1d62ab")
    rate.set(title="Rate", xlabel="pictures done", ylabel="images/s", ylim=(0, None))
    for name, color in (("add", "#1d62ab"), ("claim", "#c2571a"), ("settle", "#12694b")):
        values = [getattr(one, f"{name}_us") for one in operations]
        frontier.plot([one.items for one in operations], values, "o-", label=name, color=color)
    frontier.set(
        title="Frontier", xlabel="items in it", ylabel="us/item", xscale="log", ylim=(0, None)
    )
    frontier.xaxis.set_minor_formatter(NullFormatter())
    frontier.legend(frameon=False)
    for axes in (memory, rate, frontier):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _windows(
    samples: Sequence[CrawlSample], width_s: float = 20.0
) -> Iterator[tuple[CrawlSample, CrawlSample]]:
    """Pair samples that lie `width_s` apart: commits come in steps, and a shorter window shows only these."""
    first = 0
    for sample in samples:
        while samples[first + 1].seconds < sample.seconds - width_s:
            first += 1
        if sample.seconds - samples[first].seconds >= min(width_s, samples[-1].seconds) / 2:
            yield samples[first], sample


if __name__ == "__main__":
    main()
