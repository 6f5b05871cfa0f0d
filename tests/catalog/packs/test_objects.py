"""Files by name: a folder and a bucket keep the same promises."""

import time
from pathlib import Path

import pytest

from catalog import MissingPartError, StorageError, UsageError, Workspace
from catalog.packs import objects as objects_module
from catalog.packs.buckets import access_of, table_files
from catalog.packs.objects import LocalObjects, Objects, open_objects
from catalog.packs.shards import ImageRange
from tests.catalog.buckets import KEYS, Bucket


@pytest.fixture(params=["folder", "bucket"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    home = Workspace.at(tmp_path / "home")
    if request.param == "folder":
        return open_objects(home)
    monkeypatch = request.getfixturevalue("monkeypatch")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return open_objects(request.getfixturevalue("bucket").keep(home))


def put(objects: Objects, folder: Path, name: str, body: bytes) -> None:
    (folder / "new").write_bytes(body)
    objects.put(name, folder / "new")


def test_any_range_of_a_stored_file_can_be_read(objects: Objects, tmp_path: Path) -> None:
    body = bytes(range(256)) * 40
    put(objects, tmp_path, "packs/a.parquet", body)
    spans = [(0, 5), (700, 300), (10, 0), (len(body) - 3, 3), (0, len(body))]
    for offset, length in spans:
        assert objects.read("packs/a.parquet", offset, length) == body[offset : offset + length]
    found = objects.read_many("packs/a.parquet", [ImageRange(*span) for span in spans])
    assert found == [body[offset : offset + length] for offset, length in spans]


def test_reading_beyond_the_end_gives_what_is_there(objects: Objects, tmp_path: Path) -> None:
    put(objects, tmp_path, "packs/a.parquet", b"0123456789")
    assert objects.read("packs/a.parquet", 8, 5) == b"89"
    assert objects.read("packs/a.parquet", 30, 5) == b""
    ranges = [ImageRange(8, 5), ImageRange(0, 2), ImageRange(30, 5)]
    assert objects.read_many("packs/a.parquet", ranges) == [b"89", b"01", b""]


def test_storing_again_replaces_and_deleting_twice_is_harmless(
    objects: Objects, tmp_path: Path
) -> None:
    put(objects, tmp_path, "packs/a.parquet", b"old")
    put(objects, tmp_path, "packs/a.parquet", b"newer")
    assert objects.size("packs/a.parquet") == 5
    objects.delete("packs/a.parquet")
    objects.delete("packs/a.parquet")
    assert objects.size("packs/a.parquet") is None


def test_a_listing_has_names_and_sizes_below_a_folder(objects: Objects, tmp_path: Path) -> None:
    for name in ("packs/b", "packs/a", "packs2/c", "releases/x/1.0.0/data/d"):
        put(objects, tmp_path, name, name.encode())
    assert [(one.name, one.bytes) for one in objects.listed("packs")] == [
        ("packs/a", 7),
        ("packs/b", 7),
    ]
    assert [one.name for one in objects.listed("releases")] == ["releases/x/1.0.0/data/d"]
    assert abs(objects.listed("packs")[0].modified.timestamp() - time.time()) < 60
    assert objects.listed("nothing") == []


def test_a_name_is_created_once(objects: Objects) -> None:
    assert objects.create("releases/x/.claims/1.0.0", b"first")
    assert not objects.create("releases/x/.claims/1.0.0", b"second")
    assert objects.read("releases/x/.claims/1.0.0", 0, 99) == b"first"
    assert len(objects.listed("releases")) == 1


def test_a_whole_object_is_fetched(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "PIECE", 1000)
    body = bytes(range(251)) * 17
    put(objects, tmp_path, "packs/a", body)
    put(objects, tmp_path, "packs/empty", b"")
    objects.fetch("packs/a", tmp_path / "got")
    objects.fetch("packs/empty", tmp_path / "nothing")
    assert (tmp_path / "got").read_bytes() == body
    assert (tmp_path / "nothing").read_bytes() == b""


def test_what_is_not_there_is_a_missing_file(objects: Objects, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        objects.read("packs/a", 0, 1)
    with pytest.raises(FileNotFoundError):
        objects.read_many("packs/a", [ImageRange(0, 1), ImageRange(1, 1)])
    with pytest.raises(FileNotFoundError):
        objects.fetch("packs/a", tmp_path / "got")


def test_old_packs_are_closed_when_many_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects_module, "OPEN_FILES", 2)
    objects = LocalObjects(tmp_path)
    for name in "abcd":
        (tmp_path / name).write_bytes(name.encode())
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert b"".join(objects.read(name, 0, 1) for name in "abcdab") == b"abcdab"
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 2
    objects.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def with_storage(tmp_path: Path, text: str) -> Workspace:
    workspace = Workspace.at(tmp_path / "home")
    (workspace.home / "safelight.toml").write_text(f"[storage]\n{text}\n")
    return workspace


def test_keys_come_from_the_environment_only(tmp_path: Path) -> None:
    workspace = with_storage(tmp_path, 'url = "s3://bucket/x"')
    with pytest.raises(UsageError, match="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        access_of(workspace, {})
    workspace = with_storage(tmp_path, 'url = "s3://bucket/x"\nsecret = "hush"')
    with pytest.raises(UsageError, match="no setting 'secret'") as caught:
        access_of(workspace, KEYS)
    assert "hush" not in str(caught.value)


def test_no_key_stands_in_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    workspace = with_storage(tmp_path, 'url = "s3://bucket/x"')
    assert KEYS["AWS_SECRET_ACCESS_KEY"] in table_files(workspace).setup_sql
    shown = repr([access_of(workspace), table_files(workspace), vars(open_objects(workspace))])
    assert not [value for value in KEYS.values() if value in shown]


@pytest.mark.parametrize(
    "url", ["http://bucket/x", "s3://", "bucket", "s3://key@bucket/x", "s3://b/x?key=1"]
)
def test_a_url_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="s3://bucket/prefix"):
        access_of(with_storage(tmp_path, f'url = "{url}"'), KEYS)


def test_region_and_endpoint_have_their_usual_variables(tmp_path: Path) -> None:
    workspace = with_storage(tmp_path, 'url = "s3://bucket/x/"')
    found = access_of(workspace, KEYS)
    assert found is not None
    assert (found.url, found.region, found.endpoint) == ("s3://bucket/x", "us-east-1", "")
    more = {"AWS_DEFAULT_REGION": "eu-north-1", "AWS_ENDPOINT_URL": "https://minio.example/"}
    found = access_of(workspace, KEYS | more)
    assert found is not None
    assert (found.region, found.endpoint) == ("eu-north-1", "https://minio.example")


def test_a_bucket_that_cannot_be_reached_is_one_line(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    workspace = bucket.keep(Workspace.at(tmp_path / "home"))
    toml = workspace.home / "safelight.toml"
    toml.write_text(toml.read_text().replace("s3://pictures", "s3://elsewhere"))
    with pytest.raises(StorageError, match=r"cannot create s3://elsewhere/.*\[storage\]") as caught:
        open_objects(workspace).create("x", b"1")
    assert "\n" not in str(caught.value)
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in str(caught.value)


def test_a_missing_library_names_its_pip_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "obstore.store", None)
    monkeypatch.setenv("SAFELIGHT_STORAGE_URL", "s3://never-opened-before/x")
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(MissingPartError, match=r"safelight\[s3\]"):
        open_objects(Workspace.at(tmp_path / "home"))
