"""Every source of pictures by name. A new one is one file, one line here and one command in `crawler/cli.py`."""

from typing import Any

from crawler.sources.commons import CommonsSource
from crawler.sources.folder import FolderSource
from crawler.sources.generated_faces import GeneratedFacesSource
from crawler.sources.img2dataset import Img2DatasetSource
from crawler.sources.unsplash import UnsplashSource
from crawler.sources.unsplash_dataset import UnsplashDatasetSource
from crawler.sources.urls import UrlListSource

SOURCES: dict[str, Any] = {
    "commons": CommonsSource,
    "folder": FolderSource,
    "generated-faces": GeneratedFacesSource,
    "img2dataset": Img2DatasetSource,
    "unsplash": UnsplashSource,
    "unsplash-dataset": UnsplashDatasetSource,
    "urls": UrlListSource,
}

__all__ = [
    "SOURCES",
    "CommonsSource",
    "FolderSource",
    "GeneratedFacesSource",
    "Img2DatasetSource",
    "UnsplashDatasetSource",
    "UnsplashSource",
    "UrlListSource",
]
