"""The Prometheus endpoint of a crawl, scraped while the crawl runs."""

import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from catalog import SafelightError, Workspace
from crawler.commands.crawl import crawl as command
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.metrics import CrawlMetrics, serve_metrics
from crawler.session.progress import CrawlProgress
from crawler.settings import CrawlSettings
from crawler.sources import FolderSource
from tests.factories import jpeg

Samples = dict[tuple[str, str], float]


def scrape(address: str) -> Samples:
    """Read every sample as (name, outcome or error) -> value."""
    with urlopen(address, timeout=10) as response:
        text = response.read().decode()
    return {
        (
            sample.name,
            sample.labels.get("outcome") or sample.labels.get("error") or "",
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def endpoint() -> Iterator[tuple[CrawlMetrics, str]]:
    metrics = CrawlMetrics()
    with serve_metrics(metrics, "127.0.0.1", 0) as address:
        yield metrics, address


def photos(top: Path, count: int) -> Path:
    top.mkdir()
    for number in range(count):
        (top / f"{number:02}.jpg").write_bytes(jpeg(seed=number))
    (top / "bad.jpg").write_bytes(b"<html>")
    return top


def test_a_crawl_is_followed_while_it_runs(
    workspace: Workspace, tmp_path: Path, endpoint: tuple[CrawlMetrics, str]
) -> None:
    metrics, address = endpoint
    seen: list[Samples] = []

    def report(progress: CrawlProgress) -> None:
        metrics.update(progress)
        if not seen or progress.done != seen[-1]["safelight_crawl_pictures_total", "done"]:
            seen.append(scrape(address))

    top = photos(tmp_path / "photos", 12)
    settings = CrawlSettings(unit_images=4, concurrency=1)
    summary = crawl(workspace, FolderSource(str(top)), settings, CrawlOptions(report=report))
    done = [samples["safelight_crawl_pictures_total", "done"] for samples in seen]
    assert done == sorted(done)
    assert any(0 < n < 12 for n in done)
    last = scrape(address)
    assert last["safelight_crawl_pictures_total", "failed"] == summary.failed == 1
    assert last["safelight_crawl_bytes_total", ""] == summary.bytes > 0
    assert last["safelight_crawl_listing", ""] == 0
    assert last["safelight_crawl_updated_timestamp_seconds", ""] > 1.7e9
    assert last["process_resident_memory_bytes", ""] > 1e6


def test_every_field_of_a_tally_has_its_metric(endpoint: tuple[CrawlMetrics, str]) -> None:
    metrics, address = endpoint
    progress = CrawlProgress(
        done=5, failed=2, bytes=900, queued=7, in_flight=3, retries=4, unchanged=6, repeats=1,
        errors={"http_404": 2}, source="urls", crawl_id="c1",
    )  # fmt: skip
    metrics.update(progress)
    progress.errors["http_404"] = 99  # the session goes on; what was reported stays
    found = {key: value for key, value in scrape(address).items() if key[0].startswith("safelight")}
    del found["safelight_crawl_updated_timestamp_seconds", ""]
    pictures = {"done": 5, "failed": 2, "unchanged": 6, "repeat": 1}
    assert found == {
        **{("safelight_crawl_pictures_total", outcome): n for outcome, n in pictures.items()},
        ("safelight_crawl_errors_total", "http_404"): 2,
        ("safelight_crawl_bytes_total", ""): 900,
        ("safelight_crawl_retries_total", ""): 4,
        ("safelight_crawl_queue", ""): 7,
        ("safelight_crawl_in_flight", ""): 3,
        ("safelight_crawl_listing", ""): 1,
    }
    with urlopen(address, timeout=10) as response:
        assert b'safelight_crawl_queue{crawl_id="c1",source="urls"} 7.0' in response.read()


def test_the_endpoint_is_gone_with_its_session() -> None:
    with serve_metrics(CrawlMetrics(), "127.0.0.1", 0) as address:
        scrape(address)
    with pytest.raises(OSError, match="refused"):
        scrape(address)


def test_the_command_says_where_its_metrics_are(workspace: Workspace, tmp_path: Path) -> None:
    top = photos(tmp_path / "photos", 1)
    words = ["run", "folder", str(top), "--metrics-port", "0", "--home", str(workspace.home)]
    done = CliRunner().invoke(command, words)
    assert done.exit_code == 0, done.output
    assert "metrics: http://127.0.0.1:" in done.stderr


@pytest.mark.parametrize("words", [("run", "folder", "."), ("resume",), ("retry",)])
def test_a_port_in_use_is_one_line(tmp_path: Path, words: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = (*words, "--metrics-port", port, "--home", str(Workspace.at(tmp_path).home))
        result = CliRunner().invoke(command, words)
    assert isinstance(result.exception, SafelightError)
    assert f"metrics cannot be served on 127.0.0.1:{port}: Address already in use" in str(
        result.exception
    )
