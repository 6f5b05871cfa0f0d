"""A query that meets damage says which file is damaged, in one plain line."""

import duckdb
import pytest

from catalog import QueryError, Workspace, open_catalog
from catalog.workspace.error_lines import first_paragraph
from tests.catalog.maintenance.damage import commits, files


def test_a_query_on_a_damaged_file_names_it_and_the_command(workspace: Workspace) -> None:
    commits(workspace, range(2))
    path = files(workspace, "lake/data/main/photos/*")[0]
    raw = bytearray(path.read_bytes())
    start = len(raw) - 8 - int.from_bytes(raw[-8:-4], "little")
    raw[start : start + 300] = bytes(300)  # in the footer
    path.write_bytes(raw)
    with open_catalog(workspace) as catalog, pytest.raises(QueryError) as raised:
        catalog.records("SELECT * FROM photos")
    said = str(raised.value)
    assert path.name in said
    assert "safelight catalog verify" in said
    assert "\n" not in said


@pytest.mark.parametrize("damage", ["zeroes", "end"])
def test_a_damaged_table_file_is_told_in_plain_words(workspace: Workspace, damage: str) -> None:
    commits(workspace, range(3))
    [path, *_] = files(workspace, "lake/data/**/photos/*.parquet")
    raw = bytearray(path.read_bytes())
    places = {"zeroes": slice(40, 200), "end": slice(-8, None)}
    raw[places[damage]] = bytes(len(raw[places[damage]]))
    path.write_bytes(raw)
    with open_catalog(workspace) as catalog, pytest.raises(QueryError) as told:
        catalog.query("SELECT * FROM photos ORDER BY ALL")
    assert str(told.value).startswith(f"table file {path} is damaged: its SHA-256 is not")
    assert str(told.value).endswith("; list all damage with: safelight catalog verify")


@pytest.mark.parametrize(
    "said",
    [
        "Out of buffer",
        "TProtocolException: Invalid data",
        "don't know what type:",
        "ZSTD Decompression fail",
    ],
)
def test_what_a_reader_says_of_damage_is_put_in_words(said: str) -> None:
    line = first_paragraph(duckdb.IOException(f"{said}\n\nLINE 1: SELECT"))
    assert line.startswith("a file ")
    assert "damaged" in line
    assert line.endswith(f"({said})")
