"""Damage is named, signatures bind everything, versions are compared."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

import safelight
from catalog import Release, ReleaseError, Workspace, publish
from catalog.errors import SignatureError
from catalog.pull.pull import PullOrder, pull
from catalog.releases.cards.card import write_card
from catalog.releases.diff import diff_releases
from catalog.releases.release import find_release
from catalog.releases.signing import make_key, sign
from catalog.releases.verify import verify_release
from tests.catalog.published import PLAN, bring_random, items, published


@pytest.fixture(scope="module")
def origin(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """cameras@1.0.0; 1.1.0 has two pictures more, one less, one in another split, one with another label."""
    home = tmp_path_factory.mktemp("proof") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    published(workspace, count=12, size=3000)
    shas = bring_random(workspace, range(14), 3000)
    changed = items(range(1, 14), shas[1:]).to_pylist()
    changed[0]["split"], changed[1]["iso_bin"] = "validation", 0
    from catalog import rows

    publish(
        workspace,
        "cameras",
        rows("curated_items", changed),
        plan=PLAN,
        run_id="r",
        shard_bytes=40_000,
    )
    return workspace


@pytest.fixture
def release(origin: Workspace, tmp_path: Path) -> Release:
    """A copy of cameras@1.0.0 that a test may damage."""
    shutil.copytree(origin.releases / "cameras" / "1.0.0", tmp_path / "cameras" / "1.0.0")
    return Release("cameras", "1.0.0", tmp_path / "cameras" / "1.0.0")


def flip(path: Path, byte: int) -> None:
    body = bytearray(path.read_bytes())
    body[byte] ^= 1 << (byte % 8)
    path.write_bytes(bytes(body))


def test_a_flipped_bit_in_a_picture_is_named_with_shard_and_picture(release: Release) -> None:
    for row in release.index().to_pylist()[::4]:
        flip(release.shard(row["shard"]), row["offset"] + row["length"] // 2)
        problems = verify_release(release)
        assert f"{row['shard']} is not what was published" in problems
        named = f"{row['shard']}: picture {row['sha256']} at byte {row['offset']} is damaged"
        assert named in problems
        flip(release.shard(row["shard"]), row["offset"] + row["length"] // 2)
    assert verify_release(release) == []


def test_a_flipped_bit_anywhere_is_named_with_its_file(release: Release) -> None:
    chance = random.Random(7)
    files = [path for path in release.path.rglob("*") if path.is_file()]
    for path in [*files, *chance.choices(files, k=12)]:
        byte = chance.randrange(path.stat().st_size)
        flip(path, byte)
        problems = verify_release(release)
        name = path.relative_to(release.path).as_posix()
        assert any(problem.startswith(name) for problem in problems), (name, byte, problems)
        flip(path, byte)
    assert verify_release(release) == []


def test_a_flipped_bit_in_the_manifest_names_the_manifest(release: Release) -> None:
    path = release.path / "manifest.json"
    raw = path.read_bytes()
    entry = next(each for each in release.manifest["files"] if each["path"] == "croissant.json")
    digest = raw.index(entry["sha256"].encode())
    for at in (*range(digest, digest + 64), raw.index(b'"created"') + 15):
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])
        problems = verify_release(release)
        assert problems[0].startswith("manifest.json is"), problems
        assert not any(problem.startswith("croissant") for problem in problems)


def test_missing_and_strange_files_are_named(release: Release) -> None:
    shard = release.manifest["shards"][0]["path"]
    (release.path / shard).unlink()
    (release.path / "data" / "more.parquet").write_bytes(b"x")
    assert verify_release(release) == [
        f"{shard} is missing",
        "data/more.parquet does not belong here",
    ]


def test_a_signature_binds_every_file(release: Release, tmp_path: Path) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    public, stranger = make_key(key), make_key(other)
    assert key.stat().st_mode & 0o777 == 0o600
    assert verify_release(release, public) == [
        f"cameras@1.0.0 is not signed, but a signature by {public} is asked for"
    ]
    sign(release.path, key)
    assert verify_release(release, public) == []
    assert verify_release(release) == []
    assert "is not by" in verify_release(release, stranger)[0]
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(public), "-rawin"]
    command += ["-in", "manifest.json", "-sigfile", "manifest.json.sig"]
    if shutil.which("openssl"):
        done = subprocess.run(
            command, cwd=release.path, check=False, capture_output=True, text=True
        )
        assert "Signature Verified Successfully" in done.stdout + done.stderr
    manifest = json.loads((release.path / "manifest.json").read_text())
    manifest["run_id"] = "another"  # not part of the content digest
    (release.path / "manifest.json").write_text(json.dumps(manifest))
    assert "its manifest was changed" in verify_release(release, public)[0]
    with pytest.raises(SignatureError, match="never overwritten"):
        make_key(key)


def test_pull_refuses_what_is_not_signed_as_asked(
    origin: Workspace, release: Release, tmp_path: Path
) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    public, stranger = make_key(key), make_key(other)
    source = str(release.path)
    target = Workspace.at(tmp_path / "target")
    with pytest.raises(SignatureError, match="is not signed"):
        pull(target, PullOrder("cameras@1.0.0", source, public_key=public))
    sign(release.path, key)
    with pytest.raises(SignatureError, match="is not by"):
        pull(target, PullOrder("cameras@1.0.0", source, public_key=stranger))
    assert not (target.releases / "cameras").exists()
    pulled = pull(target, PullOrder("cameras@1.0.0", source, public_key=public))
    assert verify_release(Release("cameras", "1.0.0", pulled.path), public) == []


def test_the_diff_tells_what_was_added_removed_moved_and_relabelled(origin: Workspace) -> None:
    old, new = (find_release(origin, f"cameras@{v}") for v in ("1.0.0", "1.1.0"))
    found = diff_releases(old, new)
    shas = {row["photo_id"]: row["asset_sha256"] for row in new.index().to_pylist()}
    gone = {row["photo_id"]: row["asset_sha256"] for row in old.index().to_pylist()}["p0"]
    assert set(found.added) == {shas["p12"], shas["p13"]}
    assert found.removed == [gone]
    assert found.moved == [
        {"asset_sha256": shas["p1"], "column": "split", "old": "train", "new": "validation"}
    ]
    assert found.relabelled == [
        {"asset_sha256": shas["p2"], "column": "iso_bin", "old": 2, "new": 0}
    ]
    splits = {
        row["split"]: (row["old"], row["new"]) for row in found.counts if row["what"] == "pictures"
    }
    assert splits == {"train": (6, 6), "validation": (3, 4), "test": (3, 3)}
    known = {shard["sha256"] for shard in old.manifest["shards"]}
    assert found.shards_new == len([s for s in new.manifest["shards"] if s["sha256"] not in known])


def test_the_commands_speak_of_diff_verify_and_revocation(origin: Workspace) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(safelight.cli, ["--home", str(origin.home), "dataset", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "2 added, 1 removed, 1 moved" in run("diff", "cameras@1.0.0", "cameras@1.1.0")
    said = json.loads(run("diff", "cameras@1.0.0", "cameras@1.1.0", "--format", "json"))
    assert len(said["added"]) == 2
    assert "nothing wrong" in run("verify", "cameras@1.0.0")
    run("revoke", "cameras@1.0.0", "--reason", "wrong labels", "--successor", "1.1.0")
    assert "REVOKED: wrong labels" in run("list")
    assert run("show", "cameras@1.0.0").startswith("REVOKED: cameras@1.0.0 was revoked")
    renewed = run("card", "cameras@1.1.0")
    assert "cameras@1.1.1: same content" in renewed
    assert "in place of 1.0.0, which was revoked: wrong labels" in run("show", "cameras@1.1.1")


def test_the_card_says_how_many_pictures_state_what_groups_are_made_of(release: Release) -> None:
    known = {"known": {"camera": 0.4, "photographer": 0.0}}
    card = write_card(release.manifest | known, {})
    assert (
        "Not every picture states these: camera 40 %, photographer none. "
        "Pictures that do not state one are not kept apart by it."
    ) in card
    assert "unknown" not in card
    all_state_it = {"known": {"camera": 1.0, "photographer": 0.99}}
    assert "Not every picture" not in write_card(release.manifest | all_state_it, {})


def test_the_card_names_known_licences_for_hubs(release: Release) -> None:
    def licence(*names: str) -> str:
        return (
            write_card(release.manifest, dict.fromkeys(names, 1))
            .split("license: ")[1]
            .split("\n")[0]
        )

    assert licence("CC0 1.0") == "cc0-1.0"
    assert licence("CC BY-SA 4.0") == "cc-by-sa-4.0"
    assert licence("CC0", "CC BY 4.0") == "other"
    assert licence("Unsplash License") == "other"


def test_an_unsafe_manifest_cannot_be_published_under_a_bad_name(workspace: Workspace) -> None:
    shas = bring_random(workspace, range(1), 100)
    for name in ("../up", "-x", "a b", "ä"):
        with pytest.raises(ReleaseError, match="not a dataset name"):
            publish(workspace, name, items(range(1), shas), plan=PLAN, run_id="r")


def test_a_flip_anywhere_in_a_shard_is_named_without_opening_it(
    origin: Workspace, tmp_path: Path
) -> None:
    """A Parquet reader given a damaged footer may end the process (a wrong length becomes an address)."""
    folder = tmp_path / "releases" / "cameras" / "1.0.0"
    shutil.copytree(find_release(origin, "cameras@1.0.0").path, folder)
    release = Release("cameras", "1.0.0", folder)
    assert verify_release(release) == []
    shard = max(folder.glob("data/*.parquet"), key=lambda path: path.stat().st_size)
    whole = shard.read_bytes()
    chance = random.Random(7)
    footer = range(len(whole) - 3000, len(whole))
    for place in [*chance.sample(footer, 150), *chance.sample(range(len(whole)), 30)]:
        content = bytearray(whole)
        content[place] ^= 1 << chance.randrange(8)
        shard.write_bytes(content)
        problems = verify_release(release)
        assert f"data/{shard.name} is not what was published" in problems
        assert all("no Parquet reader" not in line for line in problems)
    shard.write_bytes(whole)
    assert verify_release(release) == []
