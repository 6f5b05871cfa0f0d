"""One filled workspace for all tests of the console: they only read it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog import Catalog, Workspace, open_catalog
from tests.catalog.web.made_home import make_home


@pytest.fixture(scope="session")
def home(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Fill a copy of the empty workspace."""
    target = tmp_path_factory.mktemp("console") / "home"
    shutil.copytree(empty_home, target)
    return make_home(target)


@pytest.fixture(scope="session")
def tables(home: Workspace) -> Iterator[Catalog]:
    """The tables of that workspace, open."""
    with open_catalog(home) as catalog:
        yield catalog
