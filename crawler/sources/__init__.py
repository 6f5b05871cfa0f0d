"""Every source of pictures by name. A new one is one file, one line here and one command in `crawler/cli.py`."""

from typing import Any

from crawler.sources.folder import FolderSource
from crawler.sources.unsplash import UnsplashSource
from crawler.sources.urls import UrlListSource

SOURCES: dict[str, Any] = {
    "folder": FolderSource,
    "unsplash": UnsplashSource,
    "urls": UrlListSource,
}

__all__ = ["SOURCES", "FolderSource", "UnsplashSource", "UrlListSource"]
