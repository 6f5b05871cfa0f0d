"""A workspace with two versions of a release, where it is served, and a workspace to pull into."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Workspace, publish
from catalog.pull import backoff
from tests.catalog.published import PLAN, bring_random, items, published
from tests.catalog.release_site import ReleaseSite, serving


@pytest.fixture(scope="session")
def origin(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with cameras@1.0.0 and, with six pictures more, cameras@1.1.0; no test changes it."""
    home = tmp_path_factory.mktemp("origin") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    published(workspace)
    shas = bring_random(workspace, range(30), 5_000)
    publish(workspace, "cameras", items(range(30), shas), plan=PLAN, run_id="r", shard_bytes=40_000)
    return workspace


@pytest.fixture
def own_origin(origin: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the origin that a test may change."""
    shutil.copytree(origin.home, tmp_path / "origin")
    return Workspace.at(tmp_path / "origin")


@pytest.fixture
def site(origin: Workspace) -> Iterator[ReleaseSite]:
    with serving(origin) as served:
        yield served


@pytest.fixture
def target(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "target")


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.01)
