import os
import subprocess
import sys
import time
from pathlib import Path

from catalog.workspace.progress_display import LINE_S
from crawler.session.progress import CrawlProgress

ROOT = Path(__file__).parents[3]
_MAIN = "import sys, safelight; safelight.main(sys.argv[1:])"


def _first_line(*words: str) -> tuple[float, float, str]:
    """Run a command; give the seconds until it wrote something, those of CPU in all, and its first line."""
    started, before = time.monotonic(), os.times()
    with subprocess.Popen(
        [sys.executable, "-c", _MAIN, *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        line = child.stdout.readline()
        seconds = time.monotonic() - started
        child.stdout.read()
    after = os.times()
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return seconds, cpu, line


def test_a_crawl_shows_its_first_line_within_seconds_of_its_start(tmp_path: Path) -> None:
    crawl = ("--home", str(tmp_path / "home"), "crawl", "run", "folder")
    waits = []
    for _ in range(3):  # on a busy machine one of the two may stand still for a while
        ready, cpu, _ = _first_line(*crawl, "--help")
        heard, _, line = _first_line(*crawl, str(tmp_path))
        slow_start = "folder: opening the catalog\n"  # after LINE_S only
        assert line.startswith("folder: 0 done, ") or line == slow_start
        waits.append(
            (heard - ready) / max(1.0, ready / cpu)
        )  # as if the machine had nothing else to do
        if waits[-1] < LINE_S:
            break
    assert min(waits) < LINE_S


def test_the_time_left_is_known_when_the_listing_has_ended() -> None:
    progress = CrawlProgress(done=5, failed=5, queued=7200, started=0.0)
    assert "ETA unknown" in progress.line(10.0)
    assert progress.total() is None
    progress.listing = False
    assert "ETA 2:00:00" in progress.line(10.0)
    assert (progress.ended(), progress.total()) == (10, 7210)


def test_a_source_without_pictures_shows_its_rows() -> None:
    assert CrawlProgress(read=500, started=0.0).line(10.0) == "500 rows read, 50 rows/s"
