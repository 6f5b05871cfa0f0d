"""Pulls bring what was published, fetch nothing twice, and refuse what is not right."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest
from aiohttp import web
from filelock import FileLock
from obstore.store import S3Store

from catalog import (
    BusyError,
    Release,
    ReleaseError,
    ReleaseNotFoundError,
    Workspace,
    find_release,
    publish,
)
from catalog.errors import LockedError, RevokedError
from catalog.pull import backoff
from catalog.pull.lockfile import Locked, add_to_lock, read_lock
from catalog.pull.pull import Pulled, PullOrder, cache_folder, pull
from catalog.releases.manifest import release_files
from catalog.releases.publish import renew_card
from catalog.releases.revocations import read_revocations, revoke
from catalog.releases.verify import verify_release
from tests.catalog.buckets import KEYS, served_bucket
from tests.catalog.published import PLAN, bring_random, items, published
from tests.catalog.release_site import ReleaseSite, serving

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def origin(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with cameras@1.0.0 and, with six pictures more, cameras@1.1.0; no test changes it."""
    home = tmp_path_factory.mktemp("origin") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    published(workspace)
    shas = bring_random(workspace, range(30), 5_000)
    publish(workspace, "cameras", items(range(30), shas), plan=PLAN, run_id="r", shard_bytes=40_000)
    return workspace


@pytest.fixture
def own_origin(origin: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the origin that a test may change."""
    shutil.copytree(origin.home, tmp_path / "origin")
    return Workspace.at(tmp_path / "origin")


@pytest.fixture
def site(origin: Workspace) -> Iterator[ReleaseSite]:
    with serving(origin) as served:
        yield served


@pytest.fixture
def target(tmp_path: Path) -> Workspace:
    return Workspace.at(tmp_path / "target")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_WAIT_S", 0.01)


def fetch(target: Workspace, source: str, wanted: str = "cameras@1.0.0", **more: object) -> Pulled:
    return pull(target, PullOrder(wanted, source, chunk_bytes=20_000, **more))  # type: ignore[arg-type]  # what the test varies


def same_files(one: Path, other: Path) -> bool:
    def contents(folder: Path) -> dict[str, bytes]:
        files = (p for p in folder.rglob("*") if p.is_file())
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}

    return contents(one) == contents(other)


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
    with pytest.raises(ReleaseNotFoundError, match=r"cameras@1\.1\.0"):
        fetch(target, site.url, "cameras@9.0.0")
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


def safelight(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "safelight", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | more,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_locks_what_it_pulls_and_brings_it_back(
    origin: Workspace, tmp_path: Path
) -> None:
    home = ["--home", str(tmp_path / "a")]
    done = safelight(
        *home,
        "dataset",
        "pull",
        "cameras@1.0.0",
        "--from",
        str(origin.home),
        "--split",
        "test",
        cwd=tmp_path,
    )
    assert "(splits test): 0 of 2 shards were here already" in done.stdout, done.stderr
    again = safelight("--home", str(tmp_path / "b"), "dataset", "pull", "--locked", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert same_files(
        tmp_path / "a" / "releases" / "cameras", tmp_path / "b" / "releases" / "cameras"
    )


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_a_pull_interrupted_ten_times_fetches_no_finished_shard_again(
    empty_home: Path, tmp_path: Path, kills: int
) -> None:
    """Kills of the process and cut connections, ten in all (or more), at random bytes."""
    chance = random.Random(kills)
    shutil.copytree(empty_home, tmp_path / "origin")
    origin = Workspace.at(tmp_path / "origin")
    release = published(origin, count=24, size=100_000, shard_bytes=600_000)
    files = {f.sha256: f for f in release_files(release.manifest)}
    total, chunk, jobs = sum(f.bytes for f in files.values()), 65_536, 2
    target = Workspace.at(tmp_path / "target")
    (target.home / "safelight.toml").write_text(
        f"[dataset]\nchunk_bytes = {chunk}\njobs = {jobs}\n"
    )
    plan = ["kill"] * kills + ["cut"] * max(7, 10 - kills)
    chance.shuffle(plan)
    finished: dict[str, int] = {}  # SHA-256 -> bytes sent when it was seen whole in the cache
    state = {"next": chance.randrange(total // 12), "child": 0, "kills": 0, "cuts": 0}
    lock = threading.Lock()

    def note_finished(site: ReleaseSite) -> None:
        for path in (cache_folder(target) / "sha256").glob("*/*"):
            finished.setdefault(path.name, site.blob_bytes[path.name])

    async def interrupt(site: ReleaseSite, request: web.Request, piece: bytes) -> None:
        with lock:
            if "/blobs/" not in request.path or sum(site.sent.values()) < state["next"] or not plan:
                return
            state["next"] = sum(site.sent.values()) + chance.randrange(total // 12)
            if plan.pop() == "kill":
                os.kill(state["child"], signal.SIGKILL)
                state["kills"] += 1
            else:
                assert request.transport is not None
                request.transport.abort()
                state["cuts"] += 1

    with serving(origin) as site:
        site.on_piece = interrupt
        for _ in range(kills + 2):
            command = ["--home", str(target.home), "dataset", "pull", "cameras", "--from", site.url]
            child = subprocess.Popen(
                [sys.executable, "-m", "safelight", *command], cwd=tmp_path,
                env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE,
            )  # fmt: skip
            state["child"] = child.pid
            _, said = child.communicate()
            note_finished(site)
            if child.returncode == 0:
                break
            assert child.returncode == -signal.SIGKILL, said.decode()
    assert (state["kills"], len(plan)) == (kills, 0), "every interruption happened"
    assert state["cuts"] + state["kills"] >= 10
    pulled = find_release(target, "cameras")
    assert pulled.digest == release.digest
    assert same_files(pulled.path, release.path)
    assert {sha: site.blob_bytes[sha] for sha in finished} == finished
    # What was fetched twice is what was on its way: at most one chunk a job and interruption.
    twice = sum(site.blob_bytes.values()) - total
    assert 0 <= twice <= (state["kills"] + state["cuts"]) * jobs * chunk
