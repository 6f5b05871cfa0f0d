from catalog import Workspace, open_catalog, rows, write_segment
from curation.inputs import read_inputs
from tests.curation.small_catalog import CRAWLED, fill, sound_shots


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
