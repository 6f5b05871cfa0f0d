"""docs/crawling.md says what is: every setting with its default, every metric, every command."""

import dataclasses
import re
import shlex
from pathlib import Path

import click
import pytest

from crawler.commands.crawl import crawl, run
from crawler.commands.session_runner import EXIT_CODES, UNCOMMITTED
from crawler.session.metrics import CrawlMetrics
from crawler.session.progress import CrawlProgress
from crawler.settings import CrawlSettings

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "crawling.md").read_text("utf-8")


def test_every_setting_stands_there_with_its_default() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE, re.MULTILINE)
    said = {name: default for name, default in rows if not name.startswith("safelight_")}
    settings = {
        field.name: str(field.default) or "none" for field in dataclasses.fields(CrawlSettings)
    }
    assert said == settings


def test_every_metric_stands_there_and_no_other() -> None:
    metrics = CrawlMetrics()
    assert not list(metrics.collect())  # before the session has said something
    metrics.update(CrawlProgress())
    made = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in metrics.collect()
    }
    assert set(re.findall(r"^\| `(safelight_\w+)`", PAGE, re.MULTILINE)) == made


def test_every_exit_code_stands_there() -> None:
    said = set(map(int, re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)))
    assert said == {*EXIT_CODES.values(), 2, UNCOMMITTED}


@pytest.mark.parametrize(
    "line", re.findall(r"^safelight (crawl .*?)(?: +#.*)?$", PAGE, re.MULTILINE)
)
def test_every_command_exists(line: str) -> None:
    command: click.Command = crawl
    words = shlex.split(line)[1:]
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words.pop(0))
        assert found, line
        command = found
    known = {flag for parameter in command.params for flag in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("page", ["crawling.md", "consent.md", "sources/index.md"])
def test_links_lead_somewhere(page: str) -> None:
    path = DOCS / page
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


def test_every_source_stands_in_the_index() -> None:
    index = (DOCS / "sources" / "index.md").read_text("utf-8")
    said = re.findall(r"^\| \[?`([\w-]+)`", index, re.MULTILINE)
    assert set(run.commands) <= set(said)
