"""Every source by name. A new one is one file, one line here and one command in `crawler/commands/`."""

from typing import Any

from crawler.sources.ava import AvaSource
from crawler.sources.commons import CommonsSource
from crawler.sources.defects import DefectsSource
from crawler.sources.folder import FolderSource
from crawler.sources.generated_faces import GeneratedFacesSource
from crawler.sources.idx import IdxSource
from crawler.sources.imdb_wiki import ImdbWikiSource
from crawler.sources.img2dataset import Img2DatasetSource
from crawler.sources.sounds import SoundsSource
from crawler.sources.spider import UserSpiderSource
from crawler.sources.table import TableSource
from crawler.sources.unsplash import UnsplashSource
from crawler.sources.unsplash_dataset import UnsplashDatasetSource
from crawler.sources.urls import UrlListSource
from crawler.sources.utkface import UtkFaceSource

SOURCES: dict[str, Any] = {
    "ava": AvaSource,
    "commons": CommonsSource,
    "defects": DefectsSource,
    "folder": FolderSource,
    "generated-faces": GeneratedFacesSource,
    "idx": IdxSource,
    "imdb-wiki": ImdbWikiSource,
    "img2dataset": Img2DatasetSource,
    "sounds": SoundsSource,
    "table": TableSource,
    "spider": UserSpiderSource,
    "unsplash": UnsplashSource,
    "unsplash-dataset": UnsplashDatasetSource,
    "urls": UrlListSource,
    "utkface": UtkFaceSource,
}

__all__ = [
    "SOURCES",
    "AvaSource",
    "CommonsSource",
    "DefectsSource",
    "FolderSource",
    "GeneratedFacesSource",
    "IdxSource",
    "ImdbWikiSource",
    "Img2DatasetSource",
    "SoundsSource",
    "TableSource",
    "UnsplashDatasetSource",
    "UnsplashSource",
    "UrlListSource",
    "UserSpiderSource",
    "UtkFaceSource",
]
