"""The benchmarks of the crawler still run; what they measure is for a quiet machine."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from crawler.commands.crawl import run
from tests.factories import jpeg, picture, plain_jpeg
from tests.real_data import needs

ROOT = Path(__file__).resolve().parents[1]
needs_urls = pytest.mark.skipif(
    "urls" not in run.commands, reason="needs the command: safelight crawl run urls"
)


def bench(name: str, *arguments: str) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / f"bench_{name}.py"), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_urls
@pytest.mark.slow
def test_the_crawl_benchmark_counts_what_was_kept(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(30):
        body = jpeg(seed=number) if number else plain_jpeg(picture())
        (photos / f"{number:02}.jpg").write_bytes(body)
    output = tmp_path / "out.md"
    words = ["--photos", str(photos), "--output", str(output), "--rounds", "1", "--ours-only"]
    bench("crawl", *words)
    [row] = [line for line in output.read_text().splitlines() if line.startswith("| safelight ")]
    cells = [cell.strip() for cell in row.split("|")][2:-1]
    assert cells[-3:] == ["100.0 %", "29 of 29", "0"]
    cpu_ms, _, rate, rss_mb = (float(cell.split()[0]) for cell in cells[:4])
    assert min(cpu_ms, rate, rss_mb) > 0


@pytest.mark.slow
def test_the_query_benchmark_times_both_sides(tmp_path: Path) -> None:
    output = tmp_path / "query.md"
    bench("query", "--photos", "200", "--rounds", "2", "--output", str(output))
    rows = re.findall(r"^\| .+ \|( \d+(\.\d)? \|){5}$", output.read_text(), re.MULTILINE)
    assert len(rows) == 5


@needs_urls
@pytest.mark.slow
def test_the_scale_benchmark_fits_memory_and_draws(tmp_path: Path) -> None:
    output = tmp_path / "scale.md"
    words = ["--urls", "300", "--pool", "20", "--every", "0.05", "--output", str(output)]
    bench("scale", *words)
    text = output.read_text()
    assert re.search(r"Memory grows by -?\d+ bytes a picture", text)
    assert re.search(r"\| 300 \| \d+ \| \d+ \| \d+ \|", text)
    assert (tmp_path / "scale.png").stat().st_size > 10_000


@needs("photos/photos-1.tar")
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_loader_benchmark_measures_every_task(tmp_path: Path) -> None:
    output = tmp_path / "loader.md"
    words = ["--only", "safelight", "--rounds", "1", "--pictures", "130", "--output", str(output)]
    command = [sys.executable, "-m", "benchmarks.bench_loader", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = output.read_text("utf-8")
    rows = re.findall(r"^\| safelight \| (\d+\.\d+) \[", text, re.MULTILINE)
    assert len(rows) == 4
    assert all(float(cost) > 0 for cost in rows)
    assert "Left out" not in text
    assert re.search(r"1,000,000 rows opens in \d+\.\d\d CPU seconds", text)
