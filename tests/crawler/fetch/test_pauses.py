"""A host with a long pause is named, with its time, instead of a false time to the end."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, strategies as st

from catalog import Workspace
from crawler.commands.crawl import crawl as command
from crawler.commands.summary import print_summary
from crawler.fetch.pauses import HostPause, moment_text, pauses_text
from crawler.fetch.rate_limits import LONGEST_PAUSE_S, retry_after_s
from crawler.session.crawl import CrawlOptions, crawl
from crawler.session.progress import CrawlProgress
from crawler.session.session import StopRequest
from crawler.settings import CrawlSettings
from crawler.sources import UrlListSource
from tests.factories import jpeg
from tests.fakes.fault_site import FaultSite


def test_the_longest_pauses_are_named() -> None:
    tomorrow = time.time() + 86_400
    pauses = [HostPause(f"h{n}.example", tomorrow + n, n) for n in range(4)]
    text = pauses_text(pauses)
    assert text.startswith(f"h3.example until {moment_text(tomorrow + 3)} (3 pictures), h2.example")
    assert text.endswith("and 2 more hosts")
    assert len(moment_text(tomorrow)) == len("2026-11-30 07:18:30")


@pytest.mark.parametrize(
    ("ahead_s", "named"), [(86_400, True), (120, True), (20, False), (5, False)]
)
def test_a_pause_takes_the_place_of_the_time_left_when_it_is_longer(
    ahead_s: float, named: bool
) -> None:
    progress = CrawlProgress(done=10, queued=30, started=0.0, listing=False)  # 0:30 by its pace
    progress.pauses = [HostPause("slow.example", time.time() + ahead_s, 7)]
    line = progress.line(10.0)
    assert ("waits for slow.example until" in line) is named
    assert ("ETA 0:30" in line) is not named


@pytest.mark.parametrize(
    "value",
    ["99999999999", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400, " 99999999999 ", "86400.5"],
)
def test_a_far_time_is_a_day(value: str) -> None:
    assert retry_after_s(value, datetime(2026, 5, 1, tzinfo=UTC)) == LONGEST_PAUSE_S


@pytest.mark.parametrize(
    "value",
    [
        *("-1", "-99999999999", "inf", "nan", "1e99", "1_000", "+5", "0x10", "٣", "soon", "", "  "),
        *(
            "Fri, 31 Dec 99999 23:59:59 GMT",
            "Fri, 99 Foo 2026 99:99:99 GMT",
            "Thu, 01 Jan 1970 00:00:00 GMT",
        ),
    ],
)
def test_what_names_no_time_ahead_is_no_pause(value: str) -> None:
    assert retry_after_s(value) == 0.0


@given(value=st.text(max_size=40))
def test_any_header_is_a_pause_of_a_day_at_most(value: str) -> None:
    assert 0.0 <= retry_after_s(value) <= LONGEST_PAUSE_S


def test_a_crawl_says_whom_it_waits_for(
    workspace: Workspace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    stop, lines = StopRequest(), list[str]()

    def report(progress: CrawlProgress) -> None:
        lines.append(progress.line(time.monotonic()))
        if "waits for" in lines[-1]:
            stop.request()

    with FaultSite({"a": jpeg()}) as site, FaultSite() as busy:
        (tmp_path / "list.txt").write_text(f"{site.url}/images/a\n{busy.url}/later/99999999999\n")
        source, settings = (
            UrlListSource(str(tmp_path / "list.txt")),
            CrawlSettings(allow_private=True),
        )
        options = CrawlOptions(stop=stop, report=report)
        summary = crawl(workspace, source, settings, options)
        host = busy.url.removeprefix("http://")
    assert f"waits for {host} until 20" in lines[-1]
    assert "ETA" not in lines[-1]
    assert (summary.status, summary.done, summary.open) == ("stopped", 1, 1)
    print_summary(summary)
    assert f"paused by the host: {host} until 20" in capsys.readouterr().out
    status = CliRunner().invoke(command, ["status", "--home", str(workspace.home)])
    assert f"paused by the host: {host} until 20" in status.output


def test_a_pause_that_robots_txt_asks_for_is_kept(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    stop = StopRequest()
    with FaultSite(robots="later") as site:
        (tmp_path / "list.txt").write_text(f"{site.url}/fine\n")
        source = UrlListSource(str(tmp_path / "list.txt"))
        settings = CrawlSettings(allow_private=True, backoff_s=0.01)
        options = CrawlOptions(
            stop=stop, report=lambda progress: progress.pauses and stop.request()
        )
        summary = crawl(workspace, source, settings, options)
        assert site.asked["/robots.txt"] == 1
    assert [pause.queued for pause in summary.pauses] == [1]
