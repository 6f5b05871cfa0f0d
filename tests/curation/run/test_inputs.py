import polars as pl

from catalog import Workspace, open_catalog, rows, write_segment
from curation.run.inputs import exif_with_rules, read_inputs
from tests.catalog.writing import writing
from tests.curation.small_catalog import CRAWLED, Shot, exif, fill, sound_shots


def test_sounds_are_no_input_of_curation(workspace: Workspace) -> None:
    fill(workspace, sound_shots(2))
    asset = {"sha256": "ab" * 32, "bytes": 3, "mime": "audio/wav", "first_seen": CRAWLED}
    photo = {"photo_id": "s", "source": "sounds", "asset_sha256": "ab" * 32, "fetched_at": CRAWLED}
    tables = {"assets": rows("assets", [asset]), "photos": rows("photos", [photo])}
    write_segment(workspace, tables, job="crawl:test", images=[("ab" * 32, b"wav")])
    with open_catalog(workspace) as catalog:
        catalog.commit()
        assert len(catalog.records("FROM assets")) == 3
        inputs = read_inputs(catalog)
    assert inputs.pictures.height == 2
    assert "ab" * 32 not in inputs.pictures["asset_sha256"]


def test_a_column_of_older_code_is_left_behind(workspace: Workspace) -> None:
    fill(workspace, sound_shots(1))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    with writing(workspace) as connection:
        connection.execute(
            "ALTER TABLE lake.exif ADD COLUMN thumbnail_correlation DOUBLE DEFAULT 0.1"
        )
    with open_catalog(workspace) as catalog:
        inputs = read_inputs(catalog)
    assert inputs.exif.columns == [*rows("exif", []).schema.names, "fetched_at"]


def test_rules_on_the_thumbnail_apply_only_to_the_record_from_the_file(
    workspace: Workspace,
) -> None:
    place = {"thumbnail_offset": 30, "thumbnail_length": 5}
    shots = [
        Shot("a.jpg", b"a" * 40, exif(0) | place, api=exif(1)),
        Shot("b.jpg", b"b" * 40, exif(2)),
    ]
    fill(workspace, shots)
    with open_catalog(workspace) as catalog:
        catalog.commit()
        inputs = read_inputs(catalog)
    locations = {row["asset_sha256"]: row for row in inputs.locations().to_pylist()}
    offsets = [[locations[s.sha256][name] for name in place] for s in shots]
    assert offsets == [[30, 5], [0, 0]]
    health = pl.DataFrame(
        {
            "asset_sha256": [s.sha256 for s in shots],
            "thumbnail_correlation": [0.1, None],
            "exif_blocks": [1, 1],
        }
    )
    voided = exif_with_rules(inputs, health, 0.7).filter(pl.col("record_void").is_not_null())
    columns = ("asset_sha256", "exif_source", "record_void")
    assert voided.select(columns).rows() == [(shots[0].sha256, "file", "thumbnail_mismatch")]
