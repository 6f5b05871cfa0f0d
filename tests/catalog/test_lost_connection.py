"""Connections to PostgreSQL that end at any moment: the process lives, nothing is lost and nothing is there twice."""

import subprocess
import sys
import threading
import time

import duckdb
import pytest

from catalog import Workspace, open_catalog
from catalog.stores import engine
from tests.catalog.postgres_server import PostgresServer

WRITER = """
import sys
from contextlib import suppress
from catalog import CatalogError, Workspace, open_catalog
from catalog.maintenance.maintain import maintain
from catalog.stores import RetentionPolicy
from tests.catalog.pictures import bring
workspace = Workspace.at(sys.argv[1])
with open_catalog(workspace) as catalog:
    print("ready", flush=True)
    for number in range(30):
        bring(workspace, range(3 * number, 3 * number + 3))
        with suppress(CatalogError):
            catalog.commit(retry_s=0)
        with suppress(CatalogError):
            catalog.query("SELECT * FROM photos")
        if number % 9 == 8:
            with suppress(CatalogError):
                maintain(workspace, RetentionPolicy(keep_snapshots=3, grace_hours=0))
"""


def address_of(workspace: Workspace) -> str:
    return (workspace.home / "safelight.toml").read_text().split('"')[1]


@pytest.mark.slow
def test_a_process_survives_connections_that_end(
    postgres: PostgresServer, postgres_workspace: Workspace
) -> None:
    command = [sys.executable, "-c", WRITER, str(postgres_workspace.home)]
    ended = 0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        heard: list[str] = []
        listening = threading.Thread(target=lambda: heard.extend(writer.communicate()))
        listening.start()
        while writer.poll() is None:
            ended += postgres.end_connections(address_of(postgres_workspace))
            time.sleep(0.15)
        listening.join()
    assert writer.returncode == 0, heard
    assert ended > 10
    with open_catalog(postgres_workspace) as catalog:
        catalog.commit()
        for table, key in (
            ("photos", "photo_id"),
            ("assets", "sha256"),
            ("segments", "segment_id"),
        ):
            [row] = catalog.records(
                f"SELECT count(*) AS n, count(DISTINCT {key}) AS d FROM {table}"
            )
            assert row["n"] == row["d"] == (30 if table == "segments" else 90)


TRANSACTION = """
import sys
from catalog import Workspace, open_catalog
from catalog.stores import engine
with open_catalog(Workspace.at(sys.argv[1])) as catalog:
    connection = catalog.store.writer()
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM photos").fetchall()
    print("ready", flush=True)
    sys.stdin.readline()
    engine.discard(connection)
    print(catalog.records("SELECT count(*) AS n FROM photos"))
"""


def test_a_transaction_whose_connection_is_lost_ends_no_process(
    postgres: PostgresServer, postgres_workspace: Workspace
) -> None:
    command = [sys.executable, "-c", TRANSACTION, str(postgres_workspace.home)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        assert postgres.end_connections(address_of(postgres_workspace)) > 0
        text, _ = process.communicate("go on\n", timeout=60)
    assert (process.returncode, text) == (0, "[{'n': 0}]\n")


def test_a_discarded_instance_is_closed() -> None:
    connection = engine.take(("ducklake", "sqlite_scanner"))
    connection.execute("BEGIN")
    engine.discard(connection)
    engine.discard(connection)  # closed already
    with pytest.raises(duckdb.ConnectionException):
        connection.execute("SELECT 1")
