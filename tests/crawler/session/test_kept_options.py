"""What a run was told counts for its crawl: a resume or a retry goes on with it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from catalog import Workspace
from crawler.commands.crawl import crawl
from crawler.frontier.frontier import Frontier
from crawler.session.crawl import CrawlOptions, crawl as crawl_source, resume
from crawler.settings import CrawlSettings
from crawler.sources.urls import UrlListSource
from tests.factories import jpeg
from tests.fakes.fault_site import FaultSite
from tests.fakes.victim import Victim

PICTURES = {f"{number:02}": jpeg(seed=number) for number in range(12)}


def call(workspace: Workspace, *arguments: str) -> Result:
    environment = {"SAFELIGHT_HOME": str(workspace.home)}
    environment |= {"SAFELIGHT_CONTACT": "tests@example.org"}
    return CliRunner().invoke(crawl, arguments, env=environment)


def listed(site: FaultSite, folder: Path) -> str:
    path = folder / "list.txt"
    path.write_text("\n".join(site.address(name) for name in site.pictures))
    return str(path)


@pytest.mark.slow
def test_a_killed_crawl_of_private_addresses_is_resumed_as_it_was_run(
    workspace: Workspace, tmp_path: Path
) -> None:
    with FaultSite(PICTURES) as site:
        site.slowness_s = 0.3
        order = ("run", "urls", listed(site, tmp_path), "--allow-private")
        victim = Victim(workspace, *order, concurrency=2)
        assert victim.kill_when(site, 2, 0.05)
        site.slowness_s = 0.0
        again = call(workspace, "resume")
        assert again.exit_code == 0, again.output
        assert "private_address" not in again.output
        assert set(site.images) == set(PICTURES)
    assert "allow_private=True" in call(workspace, "status").output


def test_failures_of_an_earlier_run_are_named_and_retried_as_the_last_run_was(
    workspace: Workspace, tmp_path: Path
) -> None:
    with FaultSite(PICTURES) as site:
        order = ("run", "urls", listed(site, tmp_path))
        first = call(workspace, *order)
        assert "failed: private_address 12" in first.output
        assert "failed earlier" not in first.output  # nothing but what was just said
        assert "safelight crawl retry --class suspicious --allow-private" in first.output
        assert "allow_networks" in first.output
        assert "allow_networks" in call(workspace, "status").output
        second = call(workspace, *order, "--allow-private")
        assert "failed earlier and not tried again: 12" in second.output
        assert "private_address 12" in second.output
        assert "allow_networks" not in second.output, "they are allowed now"
        assert "safelight crawl retry --class all" in second.output
        third = call(workspace, "retry", "--class", "all")
        assert "brought in 12" in third.output, third.output
        assert "failed earlier" not in third.output


def test_retry_takes_the_option_itself_and_the_crawl_keeps_it(
    workspace: Workspace, tmp_path: Path
) -> None:
    with FaultSite(PICTURES) as site:
        call(workspace, "run", "urls", listed(site, tmp_path))
        again = call(workspace, "retry", "--class", "all", "--allow-private")
    assert "brought in 12" in again.output, again.output
    with Frontier(workspace.frontier) as frontier:
        [record] = frontier.crawls()
    assert record.changed == {"allow_private": True}


def test_every_changed_setting_is_kept_and_a_new_run_begins_without_it(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    changed = {"allow_private": True, "max_bytes": 10}
    with FaultSite(PICTURES) as site:
        source = UrlListSource(listed(site, tmp_path))
        crawl_source(workspace, source, CrawlSettings(), CrawlOptions(changed=changed))
        with Frontier(workspace.frontier) as frontier:
            [record] = frontier.crawls()
            assert frontier.errors(record.crawl_id) == {"too_big": 12}
            frontier.retry(record.crawl_id)
        assert resume(workspace, CrawlSettings()).errors == {"too_big": 12}
        with Frontier(workspace.frontier) as frontier:
            frontier.retry(record.crawl_id)
        assert crawl_source(workspace, source, CrawlSettings()).errors == {"private_address": 12}
    assert json.loads(json.dumps(record.changed)) == changed
