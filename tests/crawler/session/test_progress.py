import logging
from io import StringIO

import pytest

from crawler.session.progress import CrawlProgress, CrawlProgressLine, ProgressLog


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_terminal_gets_one_line_that_rewrites_itself() -> None:
    stream, clock = Terminal(), Clock()
    line = CrawlProgressLine(stream, clock)
    for clock.now in (0.0, 0.1, 1.0):
        line(CrawlProgress(done=int(clock.now), started=0.0))
    line.end(CrawlProgress(done=2, started=0.0))
    assert stream.getvalue().count("\r") == 3
    assert stream.getvalue().count("\n") == 1


def test_a_log_gets_a_plain_line_now_and_then() -> None:
    stream, clock = StringIO(), Clock()
    line = CrawlProgressLine(stream, clock)
    for clock.now in (1.0, 9.0, 11.0, 12.0):
        line(CrawlProgress(done=5, started=0.0))
    line.end(CrawlProgress(done=6, started=0.0))
    lines = stream.getvalue().splitlines()
    assert [text.split()[0] for text in lines] == ["5", "6"]
    assert "\r" not in stream.getvalue()


def test_the_time_left_is_known_when_the_listing_has_ended() -> None:
    progress = CrawlProgress(done=5, failed=5, queued=7200, started=0.0)
    assert "ETA unknown" in progress.line(10.0)
    progress.listing = False
    assert "ETA 2:00:00" in progress.line(10.0)


def test_a_log_for_machines_has_the_counts_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    with caplog.at_level(logging.INFO):
        line = ProgressLog(clock)
        for clock.now in (1.0, 9.0, 11.0, 12.0):
            line(CrawlProgress(done=int(clock.now), started=0.0))
        line.end(CrawlProgress(done=99, started=0.0))
    assert [vars(record)["done"] for record in caplog.records] == [11, 99]
    assert caplog.records[0].getMessage().startswith("11 done, 0 queued")


def test_a_source_without_pictures_shows_its_rows() -> None:
    assert CrawlProgress(read=500, started=0.0).line(10.0) == "500 rows read, 50 rows/s"
