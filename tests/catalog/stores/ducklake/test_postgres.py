"""The tables in PostgreSQL: the same SQL, several homes on one database, no password anywhere."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import BusyError, CatalogError, UsageError, Workspace, open_catalog
from catalog.lake.choose_store import CatalogSettings, open_store
from catalog.workspace.logs import redacted
from tests.catalog.conftest import at_address
from tests.catalog.pictures import bring
from tests.catalog.postgres_server import PASSWORD, PostgresServer
from tests.catalog.stores.test_frozen import read_elsewhere

COUNT = "SELECT count(*) AS n, count(DISTINCT photo_id) AS d FROM photos"


def test_rows_snapshots_and_frozen_copies(postgres_workspace: Workspace, tmp_path: Path) -> None:
    bring(postgres_workspace, range(5))
    with open_catalog(postgres_workspace) as catalog:
        before = catalog.snapshot()
        assert catalog.commit() == {"assets": 5, "photos": 5}
        assert catalog.snapshots()[0].message == "crawl:a"
        frozen = catalog.store.freeze(tmp_path / "frozen")
        bring(postgres_workspace, range(3, 8))
        assert catalog.commit() == {"assets": 3, "photos": 3}
        assert catalog.records("SELECT count(*) AS n FROM v_photos") == [{"n": 8}]
    with open_catalog(postgres_workspace, as_of=before) as past:
        assert past.records(COUNT) == [{"n": 0, "d": 0}]
    assert frozen.extensions == ("ducklake",)
    assert read_elsewhere(frozen) == [[5, "p4"]]


WRITER = """
import sys
from catalog import Workspace, open_catalog
from tests.catalog.pictures import bring
workspace = Workspace.at(sys.argv[1])
sys.stdin.readline()
shift = 2 * int(sys.argv[2])
for number in range(shift, 16 + shift, 4):  # half of each segment is in two of the other writer
    bring(workspace, range(number, number + 4))
    with open_catalog(workspace) as catalog:
        catalog.commit()
"""


@pytest.mark.long
def test_two_homes_that_commit_the_same_keys_at_once_double_no_row(
    postgres: PostgresServer, empty_database: str, tmp_path: Path
) -> None:
    address = postgres.new_database(like=empty_database)
    homes = [at_address(tmp_path / name, address) for name in ("one", "two")]
    (homes[1].lake / "data").symlink_to(homes[0].lake / "data")  # data that both machines reach
    (homes[0].lake / "data").mkdir()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(home.home), str(number)],
            stdin=subprocess.PIPE,
            text=True,
        )
        for number, home in enumerate(homes)
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with open_catalog(homes[1]) as catalog:
        assert catalog.records(COUNT) == [{"n": 18, "d": 18}]
        assert catalog.records("SELECT count(*) AS n FROM segments") == [{"n": 8}]


def test_the_lock_of_one_home_keeps_another_out(
    postgres: PostgresServer, empty_database: str, tmp_path: Path
) -> None:
    address = postgres.new_database(like=empty_database)
    one, two = (open_store(at_address(tmp_path / name, address)) for name in ("one", "two"))
    with one.lock(), pytest.raises(BusyError, match="another process"), two.lock(timeout_s=0.2):
        pass
    with pytest.raises(KeyError), one.lock():
        raise KeyError
    with two.lock(timeout_s=1):
        pass


def test_a_new_home_takes_the_tables_that_are_there(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    address = postgres.new_database()
    with open_catalog(at_address(tmp_path / "one", address)) as catalog:
        before = catalog.snapshot()
    with open_catalog(at_address(tmp_path / "two", address)) as catalog:
        assert catalog.snapshot() == before


@pytest.mark.parametrize("broken", ["password", "port", "database"])
def test_an_error_tells_no_password(
    postgres: PostgresServer, tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    address = f"postgres://safelight:wrong%40secret@127.0.0.1:{postgres.port}/none"
    address = address.replace(str(postgres.port), "1") if broken == "port" else address
    if broken == "database":
        address = postgres.new_database().rsplit("/", maxsplit=1)[0] + "/none"
    workspace = at_address(tmp_path / "home", address)
    with caplog.at_level(logging.DEBUG), pytest.raises(CatalogError) as caught:
        open_catalog(workspace)
    told = f"{caught.value} {caught.value.__cause__!r} {caplog.text}"
    assert "127.0.0.1" in told
    for secret in ("wrong", PASSWORD, "p%40ss"):
        assert secret not in told


def test_queries_see_no_password(postgres_workspace: Workspace) -> None:
    with open_catalog(postgres_workspace) as catalog:
        told = str(
            [
                catalog.records(f"SELECT * EXCLUDE (tags) FROM {name}()")
                for name in ("duckdb_databases",)
            ]
        )
        told += str(catalog.records("FROM duckdb_secrets()"))
    assert "127.0.0.1" in told
    assert PASSWORD not in told


@pytest.mark.parametrize(
    "store", ["postgres://host", "postgres://u:pw-x@h:port/d", "mysql://u:pw-x@h/d"]
)
def test_a_store_that_is_none_is_refused_without_its_password(
    workspace: Workspace, store: str
) -> None:
    with pytest.raises(UsageError) as caught:
        open_store(workspace, CatalogSettings(store))
    assert "pw-x" not in str(caught.value)
    assert "pw-x" not in repr(CatalogSettings(store))
    assert "pw-x" not in redacted(store, {})
