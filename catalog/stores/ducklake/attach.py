"""How a DuckLake is attached: its options, and what is said when that fails."""

import duckdb

from catalog.errors import CatalogError
from catalog.stores import engine
from catalog.stores.engine import quoted
from catalog.workspace.error_lines import first_paragraph
from catalog.workspace.explained import advice_on


def data_options(data_path: str) -> list[str]:
    """Give the options of ATTACH for table files at `data_path`, an address with a slash at its end."""
    path = f"DATA_PATH '{quoted(data_path)}'"
    return [path, "OVERRIDE_DATA_PATH true", "DATA_INLINING_ROW_LIMIT 0"]


def forget_data_path(uri: str, extensions: tuple[str, ...]) -> None:
    """Take the path of the data out of a copy; readers are told another one when they attach it."""
    path = uri.removeprefix("ducklake:")
    is_sqlite, path = path.startswith("sqlite:"), path.removeprefix("sqlite:")
    connection = engine.take(extensions)
    try:
        connection.execute(f"ATTACH '{path}' AS copy {'(TYPE sqlite)' if is_sqlite else ''}")
        connection.execute(
            "UPDATE copy.ducklake_metadata SET value = 'data/' WHERE key = 'data_path'"
        )
        connection.execute("DETACH copy")
    finally:
        engine.give_back(connection, extensions)


def opening_error(error: duckdb.Error) -> CatalogError:
    """Explain why a catalog could not be attached."""
    message = first_paragraph(error)
    return CatalogError(f"the catalog cannot be opened: {message}{advice_on(message)}")


def as_of_options(snapshot_id: int | None) -> list[str]:
    """Give the option of ATTACH that reads an earlier snapshot, or none."""
    return [] if snapshot_id is None else [f"SNAPSHOT_VERSION {snapshot_id:d}"]
