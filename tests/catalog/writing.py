"""Change the tables behind the catalog's back, as older code has left them."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from catalog import Workspace
from catalog.lake.choose_store import open_store
from catalog.stores.ducklake.store import DuckLakeStore


@contextmanager
def writing(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a writing connection with the tables as `lake`."""
    store = open_store(workspace)
    assert isinstance(store, DuckLakeStore)
    connection = store.writer()
    yield connection
    store.release(connection)
