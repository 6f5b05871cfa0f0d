import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from catalog import SafelightError, Workspace, show_progress
from crawler.commands.crawl import crawl
from crawler.frontier.frontier import Frontier
from crawler.frontier.items import Cursor, ListedPhoto, Settlement
from tests.display import ListDisplay
from tests.factories import jpeg
from tests.fakes.fault_site import KEY, FaultSite

ROOT = Path(__file__).resolve().parents[3]


def call(workspace: Workspace, *arguments: str) -> Result:
    environment = {"SAFELIGHT_HOME": str(workspace.home), "SAFELIGHT_UNSPLASH_KEY": KEY}
    environment |= {"SAFELIGHT_CONTACT": "tests@example.org"}
    return CliRunner().invoke(crawl, arguments, env=environment)


@pytest.mark.long
def test_a_site_is_planned_crawled_listed_and_verified(workspace: Workspace) -> None:
    names = [f"cats/{number} ü.jpg" for number in range(35)]
    pictures = {name: jpeg(seed=number) for number, name in enumerate(names)}
    pictures["no exif"] = jpeg(None, None, None, make=None, model=None, seed=99)
    pictures["gone"] = pictures["html"] = b"<html>"
    said = {"aperture": "2.8", "exposure_time": "1/250", "iso": 400}
    with FaultSite(pictures, exif={"no exif": said, names[0]: said}) as site:
        site.faults = {names[1]: [500], "gone": [404], f"detail:{names[2]}": [404]}
        base = ("--api-base", site.url)
        plan = call(workspace, "plan", "unsplash", *base)
        assert "38 photos, 78 API calls" in plan.output
        assert "at 50 calls an hour (demo key): 1.6 hours" in plan.output
        run = call(workspace, "run", "unsplash", *base)
        assert run.exit_code == 0, run.output
        assert "brought in 35" in run.output
        assert "failed: http_404 2, not_an_image 1" in run.output
        assert "page 2, detail 38, download 37" in run.output
        assert site.images[names[1]] == 2
        assert set(site.downloads.values()) == {1}
        again = call(workspace, "run", "unsplash", *base)
        assert "rows added: crawls 1\n" in again.output
        assert site.images.total() == 38
        assert all("safelight/" in agent and "tests@example.org" in agent for agent in site.agents)
    assert_rows(workspace)
    assert_key_is_nowhere(workspace)
    verify = call(workspace, "verify")
    assert (verify.exit_code, "36" in verify.output) == (0, False)
    assert "checked 35 assets, 35 photos" in verify.output
    status = call(workspace, "status")
    assert "35 done, 0 queued, 0 in_flight, 3 failed, 0 dead" in status.output


def assert_rows(workspace: Workspace) -> None:
    from catalog import open_catalog

    with open_catalog(workspace) as catalog:
        api = catalog.records("SELECT * FROM exif WHERE exif_source = 'api'")
        [photo] = catalog.records("SELECT * FROM photos WHERE source_photo_id = 'cats/0 ü.jpg'")
        crawls = catalog.records("SELECT * FROM crawls ORDER BY started_at")
    # Only the file that says nothing itself is spoken for by its API object.
    assert [(row["f_number"], row["iso"], row["exposure_time"]) for row in api] == [
        (2.8, 400, 0.004)
    ]
    assert (photo["photographer"], photo["tags"], photo["listed_width"]) == (
        "Ann Lens",
        ["sea"],
        64,
    )
    assert photo["training_allowed"] is False
    assert str(photo["image_url"]).endswith("/images/cats%2F0%20%C3%BC.jpg")
    assert [(row["status"], row["n_listed"], row["n_done"], row["n_failed"]) for row in crawls] == [
        ("finished", 38, 35, 3),
        ("finished", 38, 0, 0),
    ]
    assert {row["robots_policy"] for row in crawls} == {"obeyed"}


def assert_key_is_nowhere(workspace: Workspace) -> None:
    for path in workspace.home.rglob("*"):
        if path.is_file() and path.suffix in (".sqlite", ".log", ".json", ".sqlite-wal"):
            assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_a_used_up_quota_stops_with_its_own_exit_code(workspace: Workspace) -> None:
    pictures = {f"p{number}": jpeg(seed=number) for number in range(6)}
    with FaultSite(pictures, quota=12) as site:
        run = call(workspace, "run", "unsplash", "--api-base", site.url)
        assert run.exit_code == 3, run.output
        assert "quota is used up; go on after" in run.output
        calls = sum(site.asked.values())
        again = call(workspace, "resume")
        assert (again.exit_code, sum(site.asked.values())) == (3, calls)
    with Frontier(workspace.frontier) as frontier:
        [record] = frontier.crawls()
    assert record.counts["done"] == 5  # 13 calls bring 6 photos
    assert "failed" not in record.counts
    assert sum(record.counts.values()) == 6


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "nothing"),
        ("run", "folder"),
        ("run", "folder", "/no/such/folder"),
        ("run", "unsplash", "--topic", "a", "--user", "b"),
        ("run", "unsplash", "--limit", "0"),
        ("retry", "--class", "odd"),
    ],
)
def test_wrong_usage_exits_with_two(tmp_path: Path, arguments: Sequence[str]) -> None:
    assert call(Workspace.at(tmp_path), *arguments).exit_code == 2


def test_what_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = Workspace.at(tmp_path)
    for arguments, text in (
        (("resume",), "no crawl to go on with"),
        (("retry",), "has no crawl yet"),
        (("plan", "unsplash", "--api-base", "http://127.0.0.1:9"), "cannot be reached"),
    ):
        result = call(workspace, *arguments)
        assert isinstance(result.exception, SafelightError)
        assert text in str(result.exception)
    assert "no crawls yet" in call(workspace, "status").output


def test_a_refusal_that_needs_no_catalog_comes_before_any_line(tmp_path: Path) -> None:
    words = ["run", "commons", "--search", "x", "--home", str(tmp_path)]
    display = ListDisplay()
    with show_progress(display):
        result = CliRunner().invoke(crawl, words, env={"SAFELIGHT_CONTACT": None})
    assert "needs a contact" in str(result.exception)
    assert display.shown == []


def test_a_plan_with_a_limit_and_no_key_asks_nobody(tmp_path: Path) -> None:
    arguments = ["plan", "unsplash", "--limit", "600", "--home", str(tmp_path)]
    result = CliRunner().invoke(crawl, arguments, env={"SAFELIGHT_UNSPLASH_KEY": None})
    assert "600 photos, 1,220 API calls" in result.output
    assert "at 5000 calls an hour (production key): 0.2 hours" in result.output


def test_a_folder_is_planned_without_opening_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"12345")
    (tmp_path / ".b").touch()
    result = CliRunner().invoke(crawl, ["plan", "folder", str(tmp_path)])
    assert "1 file, 5 B" in result.output
    assert "1 entry will be passed over" in result.output


def test_status_counts_failures_by_error(tmp_path: Path) -> None:
    workspace = Workspace.at(tmp_path)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("c1", "folder", {"path": "p"})
        frontier.add("c1", [ListedPhoto("a", {}), ListedPhoto("b", {})], Cursor())
        [item] = frontier.claim("c1", 1, 0.0)
        frontier.settle([Settlement(item.seq, "a", "failed", 1, 0, "final", "empty")])
    output = call(workspace, "status").output
    assert "c1  folder  open  0 done, 1 queued, 0 in_flight, 1 failed, 0 dead" in output
    assert "failed: empty 1" in output


def test_a_retry_that_chooses_no_picture_says_so_and_starts_no_session(tmp_path: Path) -> None:
    workspace = Workspace.at(tmp_path)
    with Frontier(workspace.frontier) as frontier:
        frontier.open_crawl("c1", "folder", {"path": "p"})
        frontier.add("c1", [ListedPhoto("a", {})], Cursor(finished=True))
        [item] = frontier.claim("c1", 1, 0.0)
        frontier.settle([Settlement(item.seq, "a", "failed", 1, 0, "final", "empty")])
    for choice in (("--where", "http_status = 403"), ("--class", "suspicious", "--where", "true")):
        result = call(workspace, "retry", *choice)
        assert result.exit_code == 0, result.output
        assert result.output.startswith("nothing to try again: 1 picture of crawl c1 failed, ")
        assert "finished" not in result.output
    assert not list(workspace.lake.glob("*")), "the catalog was not opened"


@pytest.mark.long
def test_a_signal_stops_a_crawl_in_good_order(workspace: Workspace) -> None:
    pictures = {f"p{number}": jpeg(seed=number) for number in range(400)}
    environment = os.environ | {
        "SAFELIGHT_HOME": str(workspace.home),
        "SAFELIGHT_UNSPLASH_KEY": KEY,
        "SAFELIGHT_CONTACT": "tests@example.org",
    }
    with FaultSite(pictures) as site:
        site.slowness_s = 0.5
        process = subprocess.Popen(
            [sys.executable, "-m", "safelight", "crawl", "run", "unsplash", "--api-base", site.url],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        while not site.images:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
        asked = site.images.total()
    assert process.returncode == 3, text
    assert "go on with: safelight crawl resume" in text
    with Frontier(workspace.frontier) as frontier:
        [record] = frontier.crawls()
    assert record.counts["done"] == asked  # what was in work came in and was kept
    assert "in_flight" not in record.counts
