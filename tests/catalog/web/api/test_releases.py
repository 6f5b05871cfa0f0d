"""Releases over HTTP: ranges, ETags, and nothing but what a manifest lists."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from catalog import Release, Workspace
from catalog.releases.revocations import Revocation, merge_revocations
from tests.catalog.published import published
from tests.catalog.release_site import serving


@pytest.fixture(scope="module")
def served(
    empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Release]]:
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    release = published(workspace, count=8, size=3000)
    revoked = Revocation("cameras", "1.0.0", release.digest, "why", None, "2026-01-01T00:00:00")
    merge_revocations(workspace.releases, [revoked])
    with serving(workspace) as site:
        yield site.url, release


def ask(url: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    request = Request(
        url, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urlopen(request) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except HTTPError as error:
        return error.code, dict(error.headers), error.read()


@pytest.fixture
def shard(served: tuple[str, Release]) -> tuple[str, bytes, str]:
    """Address by content, bytes and SHA-256 of one shard."""
    url, release = served
    entry = release.manifest["shards"][0]
    body = (release.path / entry["path"]).read_bytes()
    return f"{url}/blobs/sha256/{entry['sha256']}", body, entry["sha256"]


def test_the_index_tells_digests_sizes_and_revocations(served: tuple[str, Release]) -> None:
    url, release = served
    status, headers, body = ask(f"{url}/releases/index.json")
    assert status == 200
    (entry,) = json.loads(body)["releases"]
    assert entry["digest"] == release.digest
    assert entry["bytes"] == sum(shard["bytes"] for shard in release.manifest["shards"])
    assert entry["revoked"]["reason"] == "why"
    again = ask(f"{url}/releases/index.json", If_None_Match=headers["Etag"])
    assert (again[0], again[2]) == (304, b"")


def test_every_listed_file_is_sent_with_its_hash_as_etag(served: tuple[str, Release]) -> None:
    url, release = served
    for path in release.path.rglob("*"):
        if path.is_file():
            name = path.relative_to(release.path).as_posix()
            status, headers, body = ask(f"{url}/releases/cameras/1.0.0/{name}")
            assert (status, body) == (200, path.read_bytes()), name
            assert headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("byte_range", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=10-99", 10, 100),
        ("bytes=50-", 50, None),
        ("bytes=-7", -7, None),
    ],
)
def test_a_range_is_sent_as_asked(
    shard: tuple[str, bytes, str], byte_range: str, start: int, stop: int | None
) -> None:
    url, whole, sha = shard
    status, headers, body = ask(url, Range=byte_range)
    assert (status, body) == (206, whole[start:stop])
    first = start % len(whole) if start < 0 else start
    assert headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"
    assert headers["Etag"] == f'"{sha}"'
    assert headers["Cache-Control"] == "public, no-cache"


def test_conditions_and_ranges_that_do_not_fit(shard: tuple[str, bytes, str]) -> None:
    url, whole, sha = shard
    assert ask(url, Range=f"bytes={len(whole)}-")[0] == 416
    assert ask(url, Range="bytes=9-3")[0] == 416
    assert ask(url, Range="bytes=0-3,5-9")[::2] == (200, whole)
    assert ask(url, Range="bytes=0-3", If_Range=f'"{sha}"')[::2] == (206, whole[:4])
    assert ask(url, Range="bytes=0-3", If_Range='"other"')[::2] == (200, whole)
    assert ask(url, If_Match='"other"')[0] == 412
    assert ask(url, If_None_Match=f'W/"x", "{sha}"')[0] == 304


def test_head_tells_the_size_without_the_body(shard: tuple[str, bytes, str]) -> None:
    status, headers, body = ask(shard[0], "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(shard[1])), b"")


@pytest.mark.parametrize(
    "path",
    [
        "/releases/cameras/1.0.0/../../../safelight.toml",
        "/releases/cameras/1.0.0/%2e%2e/%2e%2e/%2e%2e/safelight.toml",
        "/releases/cameras/1.0.0/..%2f..%2f..%2fsafelight.toml",
        "/releases/cameras/1.0.0//etc/passwd",
        "/releases/cameras/1.0.0/data",
        "/releases/cameras/1.0.0/stray.txt",
        "/releases/../lake/catalog.sqlite/x",
        "/releases/%2e%2e/lake/catalog.sqlite",
        "/releases/cameras/9.9.9/manifest.json",
        f"/blobs/sha256/{'0' * 64}",
        "/blobs/sha256/../../safelight.toml",
    ],
)
def test_nothing_else_is_sent(served: tuple[str, Release], path: str) -> None:
    url, release = served
    (release.path.parents[2] / "safelight.toml").write_text("[secret]\n")
    (release.path / "stray.txt").write_text("stray")
    try:
        status, _, body = ask(url + path)
    finally:
        (release.path / "stray.txt").unlink()
    assert status == 404
    assert b"secret" not in body
    assert body != b"stray"


def test_a_link_that_leads_out_is_not_followed(served: tuple[str, Release], tmp_path: Path) -> None:
    url, release = served
    card = release.path / "README.md"
    kept = card.read_bytes()
    (tmp_path / "outside").write_text("secret")
    card.unlink()
    card.symlink_to(tmp_path / "outside")
    try:
        status, _, body = ask(f"{url}/releases/cameras/1.0.0/README.md")
    finally:
        card.unlink()
        card.write_bytes(kept)
    assert (status, b"secret" in body) == (410, False)
