"""Pulls bring what was published, and fetch nothing twice."""

import json
import shutil
import subprocess

import obstore
import pytest
from obstore.store import S3Store

from catalog import ReleaseError, ReleaseNotFoundError, Workspace, find_release
from catalog.pull.pull import cache_folder
from catalog.releases.manifest import release_files
from catalog.releases.publish import renew_card
from catalog.releases.verify import verify_release
from tests.catalog.buckets import KEYS, served_bucket
from tests.catalog.pull.pulling import fetch, same_files
from tests.catalog.release_site import ReleaseSite, serving

pytestmark = pytest.mark.usefixtures("_impatient")


def test_a_pulled_release_is_the_published_one_byte_for_byte(
    origin: Workspace, site: ReleaseSite, target: Workspace
) -> None:
    pulled = fetch(target, site.url)
    assert same_files(pulled.path, origin.releases / "cameras" / "1.0.0")
    assert verify_release(find_release(target, "cameras@1.0.0")) == []
    assert pulled.shards_here == 0
    assert pulled.fetched_bytes == sum(site.blob_bytes.values())
    site.sent.clear()
    again = fetch(target, site.url)
    assert (again.fetched_bytes, site.blob_bytes) == (0, {})
    assert again.shards_here == again.shards == pulled.shards


def test_the_newest_version_is_meant_when_none_is_named(
    site: ReleaseSite, target: Workspace
) -> None:
    assert fetch(target, site.url, "cameras").version == "1.1.0"
    with pytest.raises(ReleaseNotFoundError) as refused:
        fetch(target, site.url, "cameras@9.0.0")
    offer = "it offers: cameras@1.1.0, cameras@1.0.0"
    assert str(refused.value) == f"{site.url} does not offer 'cameras@9.0.0'; {offer}"
    with pytest.raises(ReleaseError, match="not a release"):
        fetch(target, site.url, "../up@1.0.0")


def test_a_new_version_fetches_only_the_shards_that_changed(
    origin: Workspace, site: ReleaseSite, target: Workspace
) -> None:
    fetch(target, site.url)
    site.sent.clear()
    pulled = fetch(target, site.url, "cameras@1.1.0")
    old = {f.sha256 for f in release_files(find_release(origin, "cameras@1.0.0").manifest)}
    new = release_files(find_release(origin, "cameras@1.1.0").manifest)
    fresh = {f.sha256: f.bytes for f in new if f.sha256 not in old}
    assert site.blob_bytes == fresh
    assert pulled.fetched_bytes == sum(fresh.values())
    shared = [f for f in new if f.split and f.sha256 in old]
    assert pulled.shards_here == len(shared)


def test_shards_published_here_are_not_fetched(own_origin: Workspace, target: Workspace) -> None:
    with serving(own_origin) as site:
        fetch(target, site.url)
        shutil.rmtree(cache_folder(target))
        renew_card(own_origin, find_release(own_origin, "cameras@1.0.0"))
        site.sent.clear()
        pulled = fetch(target, site.url, "cameras@1.0.1")
    assert pulled.shards_here == pulled.shards
    assert len(site.blob_bytes) == 2, "the card and croissant.json"


@pytest.mark.parametrize("where", ["home", "releases", "release"])
def test_a_folder_of_this_machine_is_a_source(
    origin: Workspace, target: Workspace, where: str
) -> None:
    release = origin.releases / "cameras" / "1.0.0"
    places = {"home": origin.home, "releases": origin.releases, "release": release}
    assert same_files(fetch(target, str(places[where])).path, release)


def test_a_bucket_is_a_source(
    origin: Workspace, target: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served_bucket() as bucket:
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{bucket.port}")
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        place = f"s3://{bucket.name}/team"
        store = S3Store.from_url(
            place, virtual_hosted_style_request=False, client_options={"allow_http": True}
        )
        for path in (origin.releases / "cameras").rglob("*"):
            if path.is_file():
                obstore.put(store, path.relative_to(origin.home).as_posix(), path.read_bytes())
        pulled = fetch(target, place, splits=("test",))
        assert pulled.splits == ("test",)
        assert fetch(target, f"{place}/releases").splits is None
    assert same_files(pulled.path, origin.releases / "cameras" / "1.0.0")


def test_a_part_of_the_splits_may_be_pulled_and_the_rest_later(
    origin: Workspace, site: ReleaseSite, target: Workspace
) -> None:
    pulled = fetch(target, site.url, splits=("test",))
    assert pulled.splits == ("test",)
    assert {p.name.split("-")[0] for p in (pulled.path / "data").iterdir()} == {"test"}
    part = find_release(target, "cameras@1.0.0")
    assert verify_release(part) == []
    done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=part.path, check=False)
    assert done.returncode == 0
    train = next(s["path"] for s in part.manifest["shards"] if "train" in s["path"])
    with pytest.raises(ReleaseError, match=r"only test of cameras@1\.0\.0 was pulled"):
        part.shard(train)
    with serving(target) as copy:
        assert fetch_index(copy)["releases"] == [], "a part is not passed on"
    fetch(target, site.url, splits=("validation",))
    assert find_release(target, "cameras").pulled_splits == ["test", "validation"]
    assert fetch(target, site.url).splits is None
    assert same_files(pulled.path, origin.releases / "cameras" / "1.0.0")
    with pytest.raises(ReleaseError, match="it has test, train, validation"):
        fetch(target, site.url, splits=("dev",))


def fetch_index(site: ReleaseSite) -> dict[str, list[object]]:
    from urllib.request import urlopen

    with urlopen(f"{site.url}/releases/index.json") as answer:
        found: dict[str, list[object]] = json.load(answer)
    return found
