"""Pulls refuse what is not right, and give up servers that do not recover."""

import json
import shutil
import time
from pathlib import Path

import pytest
from aiohttp import web
from filelock import FileLock

from catalog import BusyError, Release, ReleaseError, Workspace, find_release
from catalog.errors import LockedError, RevokedError
from catalog.pull import backoff
from catalog.pull.lockfile import Locked, add_to_lock, read_lock
from catalog.pull.pull import cache_folder
from catalog.releases.revocations import read_revocations, revoke
from catalog.releases.verify import verify_release
from tests.catalog.pull.pulling import fetch
from tests.catalog.release_site import ReleaseSite, serving

pytestmark = pytest.mark.usefixtures("_impatient")


def test_a_shard_that_comes_in_damaged_is_thrown_away(
    own_origin: Workspace, target: Workspace
) -> None:
    shard = next((own_origin.releases / "cameras" / "1.0.0" / "data").iterdir())
    with serving(own_origin) as site:
        damaged = bytearray(shard.read_bytes())
        damaged[100] ^= 1
        shard.write_bytes(bytes(damaged))
        with pytest.raises(ReleaseError, match=f"data/{shard.name} came in with SHA-256"):
            fetch(target, site.url)
        assert not (target.releases / "cameras").exists()
        damaged[100] ^= 1
        shard.write_bytes(bytes(damaged))
        fetch(target, site.url)
    assert verify_release(find_release(target, "cameras@1.0.0")) == []


def test_repair_brings_a_damaged_shard_back(site: ReleaseSite, target: Workspace) -> None:
    release = Release("cameras", "1.0.0", fetch(target, site.url).path)
    shard = release.manifest["shards"][0]["path"]
    body = bytearray((release.path / shard).read_bytes())
    body[200] ^= 1
    (release.path / shard).write_bytes(bytes(body))
    assert any(shard in problem for problem in verify_release(release))
    fetch(target, site.url, repair=True)
    assert verify_release(release) == []


def test_a_busy_server_is_asked_again_when_it_says(site: ReleaseSite, target: Workspace) -> None:
    asked: list[float] = []

    def busy_once(request: web.Request) -> web.Response | None:
        asked.append(time.monotonic())
        if len(asked) == 1:
            return web.Response(status=503, headers={"Retry-After": "1"})
        return None

    site.trouble = busy_once
    fetch(target, site.url)
    assert asked[1] - asked[0] >= 1.0


def test_a_server_that_never_recovers_is_given_up(site: ReleaseSite, target: Workspace) -> None:
    site.trouble = lambda request: web.Response(status=500) if "/blobs/" in request.path else None
    with pytest.raises(ReleaseError, match="said 500"):
        fetch(target, site.url, jobs=1)
    blobs = [path for path, _ in site.requests if path.startswith("/blobs/")]
    assert len(blobs) == backoff.ATTEMPTS


def test_the_token_is_sent_to_its_host_and_not_across_a_redirect(
    own_origin: Workspace, site: ReleaseSite, target: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_PULL_TOKEN", "s3cret")
    with serving(own_origin) as elsewhere:

        def away(request: web.Request) -> web.Response | None:
            if "/blobs/" not in request.path:
                return None
            place = elsewhere.url.replace("127.0.0.1", "localhost") + request.path
            return web.Response(status=307, headers={"Location": place})

        site.trouble = away
        fetch(target, site.url)
    assert set(site.authorization) == {"Bearer s3cret"}
    assert elsewhere.requests
    assert set(elsewhere.authorization) == {None}


def test_a_forged_manifest_is_refused(own_origin: Workspace, target: Workspace) -> None:
    path = own_origin.releases / "cameras" / "1.0.0" / "manifest.json"
    good = json.loads(path.read_text())
    for change in ({"n_items": 7}, {"splits": {}}):
        path.write_text(json.dumps(good | change))
        with pytest.raises(ReleaseError, match="damaged or forged"):
            fetch(target, str(path.parent), "cameras@1.0.0")
        path.write_text(json.dumps(good))
    good["files"].append({"path": "../../evil", "sha256": "0" * 64, "bytes": 1})
    path.write_text(json.dumps(good))
    with pytest.raises(ReleaseError, match="cannot be a file of a release"):
        fetch(target, str(path.parent))


def test_another_release_of_the_same_name_is_not_overwritten(
    own_origin: Workspace, site: ReleaseSite, target: Workspace
) -> None:
    fetch(target, site.url)
    path = own_origin.releases / "cameras" / "1.0.0" / "manifest.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(ReleaseError, match="another release lies in"):
        fetch(target, str(own_origin.home))


def test_two_pulls_at_once_into_one_cache_are_refused(
    site: ReleaseSite, target: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("catalog.pull.pull.LOCK_WAIT_S", 0.1)
    cache_folder(target).mkdir(parents=True)
    with (
        FileLock(cache_folder(target) / "pull.lock"),
        pytest.raises(BusyError, match="in use by another process"),
    ):
        fetch(target, site.url)


def test_a_disk_that_is_too_small_is_noticed_before_the_first_byte(
    site: ReleaseSite, target: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(ReleaseError, match="make room or set SAFELIGHT_CACHE"):
        fetch(target, site.url)
    assert site.blob_bytes == {}


def test_revoked_releases_are_refused_unless_accepted(
    own_origin: Workspace, target: Workspace
) -> None:
    old = find_release(own_origin, "cameras@1.0.0")
    fetch(target, str(own_origin.home))
    revoke(own_origin, ("cameras", "1.0.0", old.digest), "someone asked", "1.1.0")
    fresh = Workspace.at(target.home / "fresh")
    with pytest.raises(RevokedError, match=r"someone asked; use cameras@1\.1\.0"):
        fetch(fresh, str(own_origin.home))
    pulled = fetch(fresh, str(own_origin.home), accept_revoked=True)
    assert "someone asked" in pulled.notes[0]
    told = fetch(target, str(own_origin.home), "cameras@1.1.0")
    assert "you have a revoked release here: cameras@1.0.0" in told.notes[0]
    assert [r.version for r in read_revocations(target.releases)] == ["1.0.0"]
    with pytest.raises(ReleaseError, match="nothing to do"):
        revoke(own_origin, ("cameras", "1.0.0", old.digest), "again")


def test_the_lock_file_notices_other_content_under_the_same_version(
    origin: Workspace, target: Workspace, tmp_path: Path
) -> None:
    path = tmp_path / "safelight.lock"
    digest = find_release(origin, "cameras@1.0.0").digest
    entry = Locked("cameras", "1.0.0", digest, 'https://data.test/ä"b', ("train", "test"))
    add_to_lock(path, [entry])
    assert read_lock(path) == [entry]
    fetch(target, str(origin.home), locked=tuple(read_lock(path)))
    forged = Locked("cameras", "1.0.0", "0" * 64)
    with pytest.raises(LockedError, match="other content under the same version"):
        add_to_lock(path, [forged])
    with pytest.raises(LockedError, match="other content under the same version"):
        fetch(target, str(origin.home), locked=(forged,))
    path.write_text("[[release]\n")
    with pytest.raises(LockedError, match="cannot be read"):
        read_lock(path)
