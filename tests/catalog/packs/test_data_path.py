"""A home opens only a catalog whose table files it sees, wherever these were when the catalog was made."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from catalog import CatalogError, CommitError, Workspace, open_catalog
from catalog.errors import OtherFilesError
from catalog.maintenance.verify import verify_catalog
from catalog.packs.objects import open_objects
from tests.catalog.buckets import KEYS, Bucket
from tests.catalog.conftest import at_address
from tests.catalog.pictures import bring
from tests.catalog.postgres_server import PASSWORD, PostgresServer
from tests.catalog.stores.ducklake.test_postgres import COUNT

HELD = "SELECT value FROM ducklake_metadata WHERE key = 'data_path'"


@pytest.fixture
def address(postgres: PostgresServer, empty_database: str) -> str:
    return postgres.new_database(like=empty_database)


def filled(workspace: Workspace, n: int = 5) -> Workspace:
    bring(workspace, range(n))
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return workspace


def count(workspace: Workspace) -> int:
    with open_catalog(workspace) as catalog:
        return int(str(catalog.records(COUNT)[0]["n"]))


def test_a_second_home_without_the_files_is_refused_in_one_line(
    address: str, tmp_path: Path
) -> None:
    one = filled(at_address(tmp_path / "one", address))
    two = at_address(tmp_path / "two", address)
    with pytest.raises(OtherFilesError) as caught:
        open_catalog(two)
    said = str(caught.value)
    for part in (str(one.lake / "data"), str(two.lake / "data"), "main/", "docs/store.md"):
        assert part in said
    assert "\n" not in said
    assert PASSWORD not in said
    assert isinstance(caught.value, CatalogError)
    assert count(one) == 5


def test_the_same_path_on_another_machine_is_another_folder(address: str, tmp_path: Path) -> None:
    one = filled(at_address(tmp_path / "home", address))
    one.home.rename(tmp_path / "on the other machine")
    with pytest.raises(OtherFilesError, match="folder of the same name"):
        open_catalog(at_address(tmp_path / "home", address))


def test_files_that_lie_below_another_path_are_the_same_files(address: str, tmp_path: Path) -> None:
    one = filled(at_address(tmp_path / "one", address))
    two = at_address(tmp_path / "two", address)
    (two.lake / "data").symlink_to(one.lake / "data")
    assert count(two) == 5
    (two.lake / "data").unlink()
    one.home.rename(tmp_path / "moved")
    assert count(at_address(tmp_path / "moved", address)) == 5


def test_homes_share_a_disk_as_the_documentation_says(address: str, tmp_path: Path) -> None:
    if not Path("/dev/shm").is_dir():
        pytest.skip("needs a second file system")
    homes = [Workspace.named(tmp_path / name) for name in ("one", "two")]
    with TemporaryDirectory(dir="/dev/shm") as disk:
        for home in homes:
            home.lake.mkdir(parents=True)
            for name in ("lake/data", "packs", "releases"):
                shared = Path(disk) / name.rpartition("/")[2]
                shared.mkdir(exist_ok=True)
                (home.home / name).symlink_to(shared)
            at_address(home.home, address)
        filled(homes[0], 5)
        filled(homes[1], 8)
        for home in homes:
            with open_catalog(home) as catalog:
                assert catalog.records(COUNT) == [{"n": 8, "d": 8}]
                assert verify_catalog(catalog) == []
        assert not list(Path(disk).rglob(".tmp-*"))


def test_a_bucket_without_the_files_is_refused_until_they_are_there(
    workspace: Workspace, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(workspace)
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    bucket.keep(workspace)
    with pytest.raises(OtherFilesError, match="table files in s3://"):
        open_catalog(workspace)
    objects = open_objects(workspace)
    for path in list(workspace.home.glob("lake/data/**/*.parquet")):
        objects.put(path.relative_to(workspace.home).as_posix(), path)
    assert count(workspace) == 5


def test_of_two_homes_on_empty_tables_the_first_that_commits_has_them(
    postgres: PostgresServer, address: str, tmp_path: Path
) -> None:
    one, two = (at_address(tmp_path / name, address) for name in ("one", "two"))
    with open_catalog(one) as late, open_catalog(two) as first:
        bring(two, range(3))
        first.commit()
        bring(one, range(5))
        with pytest.raises(
            CommitError, match=r"this home keeps its table files in .*such as main/"
        ):
            late.commit(retry_s=0)
    assert len(list(one.spool.iterdir())) == 1
    assert not list((one.lake / "data").rglob("*.parquet"))
    assert count(two) == 3
    database = address.rsplit("/", maxsplit=1)[1]
    assert postgres.sql(HELD, database).strip() == f"{two.lake}/data/"


def test_one_lost_file_does_not_close_the_catalog(address: str, tmp_path: Path) -> None:
    one = filled(at_address(tmp_path / "one", address))
    next((one.lake / "data").rglob("*.parquet")).unlink()
    open_catalog(one).close()


def test_a_moved_home_opens_and_a_copied_database_without_its_files_does_not(
    tmp_path: Path,
) -> None:
    one = filled(Workspace.at(tmp_path / "one"))
    one.home.rename(tmp_path / "moved")
    moved = Workspace.at(tmp_path / "moved")
    assert count(moved) == 5
    filled(moved, 7)
    assert count(moved) == 7
    copy = Workspace.at(tmp_path / "copy")
    shutil.copy(moved.lake / "catalog.sqlite", copy.lake)
    with pytest.raises(OtherFilesError, match="one/lake/data/ that are not there"):
        open_catalog(copy)


def test_a_moved_home_without_rows_opens(tmp_path: Path) -> None:
    one = Workspace.at(tmp_path / "one")
    open_catalog(one).close()
    one.home.rename(tmp_path / "moved")
    assert count(filled(Workspace.at(tmp_path / "moved"))) == 5
