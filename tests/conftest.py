"""Fixtures that every room's tests share."""

import shutil
from pathlib import Path

import pytest

from catalog import Workspace, open_catalog


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
