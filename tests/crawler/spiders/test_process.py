"""Tests of the settings of a spider's process."""

import asyncio
from typing import Any

import pytest

pytest.importorskip("scrapy")

import scrapy
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.settings import Settings, default_settings
from scrapy.utils.misc import load_object

from crawler.settings import CrawlSettings
from crawler.sources.unsplash import UnsplashSource
from crawler.spiders import scrapy_settings as project
from crawler.spiders.process import scrapy_settings

PORTS = ("telnet.TelnetConsole", "remote_control.RemoteControl")
"""The extensions of Scrapy that open a port."""


def settings_of(kind: str) -> dict[str, Any]:
    """Return the settings of the crawls' process, or those of `scrapy shell` in this repository."""
    if kind == "crawl":
        return scrapy_settings(UnsplashSource(api_base="http://127.0.0.1:1"), CrawlSettings())
    return {name: getattr(project, name) for name in dir(project) if name.isupper()}


@pytest.mark.parametrize("kind", ["crawl", "project"])
def test_no_extension_opens_a_port(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@localhost")
    names = [name for name in default_settings.EXTENSIONS_BASE if name.endswith(PORTS)]
    assert len(names) == len(PORTS)

    async def make(name: str, settings: Settings) -> None:
        crawler = Crawler(scrapy.Spider, settings)
        load_object(name).from_crawler(crawler)

    for name in names:
        with pytest.raises(NotConfigured):
            asyncio.run(make(name, Settings(settings_of(kind))))
