"""A frozen copy of the catalog is read by another process, while the live one goes on."""

import json
import subprocess
import sys
from pathlib import Path

from catalog import Workspace, open_catalog
from catalog.lake.choose_store import open_store
from catalog.stores import Frozen
from tests.catalog.each_store import each_store  # noqa: F401 - the fixture `workspace` of this module
from tests.catalog.pictures import bring

READER = """
import json, sys
import duckdb, duckdb_extensions
attach, extensions = sys.argv[1], filter(None, sys.argv[2].split(","))
connection = duckdb.connect()
for name in extensions:
    duckdb_extensions.import_extension(name, con=connection)
    connection.load_extension(name)
connection.execute(attach)
print(json.dumps(connection.execute("SELECT count(*), max(photo_id) FROM v_photos").fetchall()))
"""


def read_elsewhere(frozen: Frozen) -> object:
    arguments = [frozen.attach_sql, ",".join(frozen.extensions)]
    done = subprocess.run(
        [sys.executable, "-c", READER, *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_a_frozen_copy_stays_as_it_was(workspace: Workspace, tmp_path: Path) -> None:
    bring(workspace, range(3))
    with open_catalog(workspace) as catalog:
        catalog.commit()
        frozen = open_store(workspace).freeze(tmp_path / "frozen")
        assert frozen.snapshot_id == catalog.snapshot()
        bring(workspace, range(3, 8))
        catalog.commit()
        past = open_store(workspace).freeze(tmp_path / "past", as_of=frozen.snapshot_id - 1)
    for path in (tmp_path / "frozen").iterdir():
        path.chmod(0o444)
    (tmp_path / "frozen").chmod(0o555)
    assert read_elsewhere(frozen) == [[3, "p2"]]
    assert past.snapshot_id == frozen.snapshot_id - 1
    assert read_elsewhere(past) == [[0, None]]
