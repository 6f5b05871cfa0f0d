"""Fixtures that every room's tests share."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from catalog import Workspace, open_catalog
from tests.catalog.buckets import KEYS, Bucket, served_bucket

# A worker takes whole files: a long one that is left for the end keeps everybody waiting.
_LONGEST = (
    "tests/test_end_to_end.py",
    "tests/catalog/takedown/",
    "tests/catalog/web/console/",
    "tests/catalog/stores/test_crash.py",
    "tests/catalog/stores/test_concurrency.py",
    "tests/curation/run/test_run.py",
    "tests/crawler/test_rough_crawl.py",
    "tests/crawler/test_kill.py",
    "tests/crawler/session/test_faults.py",
    "tests/crawler/report/test_shaky_api.py",
    "tests/catalog/web/test_api.py",
    "tests/catalog/maintenance/test_verify",
    "tests/training/recipes/test_copy_detection.py",
)


# How long an example takes says more about what else the machine does than about the code.
settings.register_profile("safelight", deadline=None)
settings.load_profile("safelight")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with empty tables, made once: making forty tables and views takes a second."""
    home = tmp_path_factory.mktemp("template") / "home"
    open_catalog(Workspace.at(home)).close()
    return home


@pytest.fixture
def workspace(empty_home: Path, tmp_path: Path) -> Workspace:
    """Give each test a workspace of its own with empty tables."""
    shutil.copytree(empty_home, tmp_path / "home")
    return Workspace.at(tmp_path / "home")


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """A bucket of an S3 server on 127.0.0.1, started once."""
    pytest.importorskip("moto.server", reason="needs moto: pip install 'safelight[dev]'")
    pytest.importorskip("obstore", reason="needs obstore: pip install 'safelight[s3]'")
    with served_bucket() as served:
        yield served


@pytest.fixture
def in_bucket(workspace: Workspace, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Give a test a workspace with empty tables whose files lie in a bucket."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return bucket.keep(workspace)
