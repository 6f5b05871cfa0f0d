"""A PostgreSQL server for the tests of the catalog, started once and only when a test asks for it."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from catalog import Workspace, open_catalog
from tests.catalog.each_store import on_plain_files
from tests.catalog.postgres_server import PostgresServer, postgres_server, why_not


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    if reason := why_not():
        pytest.skip(reason)
    # Folders of pytest are closed to the user that the server runs as.
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with postgres_server(Path(folder) / "server") as server:
            yield server


@pytest.fixture(scope="session")
def empty_database(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with empty tables, made once."""
    address = postgres.new_database()
    workspace = at_address(tmp_path_factory.mktemp("template") / "home", address)
    open_catalog(workspace).close()
    return address.rsplit("/", maxsplit=1)[1]


@pytest.fixture
def postgres_workspace(postgres: PostgresServer, empty_database: str, tmp_path: Path) -> Workspace:
    """Give each test a workspace whose tables are in a PostgreSQL database of its own."""
    return at_address(tmp_path / "home", postgres.new_database(like=empty_database))


@pytest.fixture
def plain_workspace(workspace: Workspace) -> Workspace:
    """Give each test a workspace whose tables are plain Parquet files."""
    return on_plain_files(workspace)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def any_workspace(request: pytest.FixtureRequest) -> Workspace:
    """Run a test on every DuckLake, on PostgreSQL among the slow tests."""
    names = {"sqlite": "workspace", "postgres": "postgres_workspace"}
    workspace: Workspace = request.getfixturevalue(names[request.param])
    return workspace


def at_address(home: Path, address: str) -> Workspace:
    """Open a workspace whose settings name a database."""
    workspace = Workspace.at(home)
    (home / "safelight.toml").write_text(f'[catalog]\nstore = "{address}"\n')
    return workspace
