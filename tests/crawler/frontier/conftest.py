"""A frontier with one crawl."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.frontier.frontier import Frontier
from tests.crawler.frontier.listing import CRAWL


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    with Frontier(tmp_path / "frontier.sqlite") as opened:
        opened.open_crawl(CRAWL, "folder", {"path": "p"})
        yield opened
