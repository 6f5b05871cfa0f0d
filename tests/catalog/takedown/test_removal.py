"""No table is forgotten when a picture is taken out: what goes follows from the contract of the tables."""

import re
from typing import Any

import pyarrow as pa
import pytest

from catalog import TABLES, Table, Workspace, open_catalog, rows, tombstone, write_segment
from catalog.stores.ducklake.removal import KEPT, deletions
from catalog.takedown.file_removal import remove_files
from catalog.takedown.identifying import IdentifyingWords

GONE, STAYS, PHOTO = "a" * 64, "b" * 64, "p" * 32
# Columns that look as if they named a picture but do not, or name it within rows that are kept or go by another column.
OTHER = {
    *("photos.source_photo_id", "curated_items.source_photo_id"),  # beside photo_id
    *("exif.serial_sha256", "health.pixel_sha256", "curation_runs.input_sha256"),
    *(
        "models.weights_sha256",
        "labels.subject_kind",
        "labels.subject_id",
    ),  # labels have a rule of their own
    *("faces.face_id", "face_scans.n_faces", "photos.photographer", "photos.photographer_url"),
    *("curated_items.photographer",),
}
_LOOKS_LIKE_ONE = re.compile(
    r"sha256|asset|photo|picture|file_id|image_id|subject|face|pair|member"
)


def test_every_column_that_may_name_a_picture_is_known_as_one_or_as_none() -> None:
    for table in TABLES.values():
        named = {*table.asset_columns, *table.photo_columns}
        for column in table.schema.names:
            if _LOOKS_LIKE_ONE.search(column):
                assert column in named or f"{table.name}.{column}" in OTHER, (table.name, column)


def test_a_new_table_is_covered_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = pa.schema([("asset_sha256", pa.string()), ("note", pa.string())])
    monkeypatch.setitem(TABLES, "sketches", Table("sketches", "new", ("asset_sha256",), schema))
    assert dict(deletions())["sketches"] == '"asset_sha256" IN (FROM gone_assets)'


def _row(table: Table, mark: str) -> dict[str, Any]:
    """Fill every text of a row with a mark, and name the picture in its columns."""
    values: dict[str, Any] = {
        name: f"{mark} {name}"
        for name in table.schema.names
        if table.schema.field(name).type == pa.string()
    }
    sha = GONE if mark == "leaves" else STAYS
    values |= dict.fromkeys(table.asset_columns, sha)
    values |= dict.fromkeys(table.photo_columns, PHOTO if mark == "leaves" else "q")
    return values


@pytest.fixture
def everywhere(workspace: Workspace) -> Workspace:
    """A row about a picture that goes and one about a picture that stays, in every table that names pictures."""
    named = [t for t in TABLES.values() if t.asset_columns or t.photo_columns]
    tables = {
        t.name: rows(t.name, [_row(t, mark) for mark in ("leaves", "remains")]) for t in named
    }
    faces = [{"face_id": "f1", "asset_sha256": GONE}, {"face_id": "f2", "asset_sha256": STAYS}]
    tables["faces"] = rows("faces", faces)
    subjects = [("asset", GONE), ("photo", PHOTO), ("face", "f1"), ("asset", STAYS), ("face", "f2")]
    tables["labels"] = rows(
        "labels",
        [{"label_id": f"{k}{s}", "subject_kind": k, "subject_id": s} for k, s in subjects],
    )
    quoting = [
        ("SELECT * FROM photos WHERE photographer = 'ANN  Lens'", "$1", False),
        ("SELECT 1 -- by ann lens", None, True),
        ("SELECT 'https://ann.test/7.jpg'", None, True),
        ("SELECT 'Annabel Lensing'", None, False),
        ("SELECT ?", '["Ann Lens"]', True),
    ]
    tables["queries"] = rows(
        "queries",
        [
            {"query_id": str(n), "sql": sql, "parameters_json": given}
            for n, (sql, given, _) in enumerate(quoting)
        ],
    )
    write_segment(workspace, tables, job="everything")
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


def test_rows_about_a_picture_go_from_every_table_and_what_people_typed_about_it(
    everywhere: Workspace,
) -> None:
    words = IdentifyingWords(("Ann Lens",), ("https://ann.test/",))
    with open_catalog(everywhere) as catalog:
        remove_files(catalog, [GONE], [PHOTO], [], "asked", words=words)
        for table in TABLES.values():
            named = (*table.asset_columns, *table.photo_columns)
            if not named:
                continue
            found = catalog.query(f"SELECT * FROM {table.name}").to_pylist()
            about = [row for row in found if GONE in row.values() or PHOTO in row.values()]
            assert len(found) - len(about) == 1, f"{table.name} keeps the row about the other"
            assert bool(about) == (table.name in KEPT), table.name
            if table.name != "dataset_items":  # ids and hashes only
                free = {"url", "error_detail", "etag", "modified", "evidence"}
                assert all(row.get(name) is None for row in about for name in free)
        left = catalog.records("SELECT subject_id FROM labels ORDER BY 1")
        assert [row["subject_id"] for row in left] == [STAYS, "f2"]
        sent = catalog.records(
            "SELECT query_id, sql, parameters_json AS given FROM queries ORDER BY 1"
        )
    blank = [row["query_id"] for row in sent if row["sql"] is None]
    assert blank == ["1", "2"]
    assert [row["given"] for row in sent] == ["$1", None, None, None, None]


def test_a_tombstone_has_a_name_of_its_own_each_time_that_somebody_asks() -> None:
    asked = {str(tombstone("sha256", GONE, "asked", blocks=True)["tombstone_id"]) for _ in range(3)}
    noticed = {
        str(tombstone("photo", PHOTO, "gone", blocks=False, crawl_id=c)["tombstone_id"])
        for c in ("a", "b")
    }
    assert (len(asked), len(noticed)) == (3, 1)
