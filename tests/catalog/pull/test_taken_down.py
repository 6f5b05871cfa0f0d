"""Releases that a takedown emptied, and lock files that name them: people are told which takedown, and what to do."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import safelight
from catalog import Workspace, find_release
from catalog.errors import ReleaseError, RevokedError
from catalog.pull.lockfile import read_lock
from catalog.pull.pull import PullOrder, pull
from catalog.releases.revocations import read_revocations, revoke
from catalog.releases.verify import verify_release
from catalog.takedown.takedown import TakedownRequest, take_down
from crawler import FrontierQueue
from tests.catalog.published import published
from tests.catalog.release_site import serving

REASON = "the author asked for it"
Told = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def emptied(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """cameras@1.0.0 and 1.1.0 lost a picture each to takedowns that deleted their data; 1.2.0 is whole."""
    home = tmp_path_factory.mktemp("emptied") / "home"
    shutil.copytree(empty_home, home)
    workspace = Workspace.at(home)
    published(workspace, size=700)
    shutil.copytree(workspace.releases, home.parent / "elsewhere")
    for photo in ("p3", "p7"):
        order = TakedownRequest("photo", photo, REASON, purge_releases=True)
        take_down(workspace, order, FrontierQueue)
    return workspace


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """Run a command in an empty folder; return its exit code and all that it printed."""
    monkeypatch.chdir(tmp_path)

    def run(home: Path, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(safelight.cli, ["--home", str(home), "dataset", *words])
        return done.exit_code, done.output + str(done.exception or "")

    return run


def test_verify_names_the_takedown_and_what_to_use(emptied: Workspace, told: Told) -> None:
    code, said = told(emptied.home, "verify", "cameras@1.0.0")
    assert code == 1
    assert "a takedown deleted the pictures of cameras@1.0.0" in said
    assert f"{REASON}; use cameras@1.2.0" in said, "the successor 1.1.0 is revoked itself"
    proof = said.partition("What was taken out: ")[2].split(". ")[0]
    assert "p3" in (emptied.home / proof).read_text("utf-8")
    assert "is missing" not in said
    assert told(emptied.home, "verify", "cameras") == (
        0,
        "cameras@1.2.0: 22 pictures, nothing wrong\n",
    )


def test_other_damage_of_an_emptied_release_is_named_too(
    emptied: Workspace, tmp_path: Path, told: Told
) -> None:
    shutil.copytree(emptied.home, tmp_path / "copy")
    (tmp_path / "copy" / "releases" / "cameras" / "1.0.0" / "README.md").write_text("forged")
    code, said = told(tmp_path / "copy", "verify", "cameras@1.0.0")
    assert (code, said.splitlines()[0]) == (1, "README.md is not what was published")


def test_a_lost_index_is_damage_where_no_takedown_deleted_it(workspace: Workspace) -> None:
    release = published(workspace, size=700)
    (release.path / "_index.parquet").unlink()
    assert "_index.parquet is missing" in verify_release(release)
    assert release.deleted_data is None


def test_another_home_sees_it_by_the_revocation(
    emptied: Workspace, tmp_path: Path, told: Told
) -> None:
    shutil.copytree(emptied.releases, tmp_path / "copy" / "releases")
    (tmp_path / "copy" / "lake").mkdir()
    code, said = told(tmp_path / "copy", "verify", "cameras@1.0.0")
    assert (code, f"{REASON}; use cameras@1.2.0" in said) == (1, True)


def test_a_revoked_release_that_is_whole_is_checked_with_a_warning(
    workspace: Workspace, told: Told
) -> None:
    release = published(workspace, size=700)
    revoke(workspace, ("cameras", "1.0.0", release.digest), "wrong labels")
    code, said = told(workspace.home, "verify", "cameras")
    assert (code, "REVOKED: cameras@1.0.0 was revoked on" in said) == (0, True)
    assert "nothing wrong" in said


@pytest.mark.parametrize("where", ["folder", "service"])
@pytest.mark.parametrize("accept", [False, True])
def test_a_pull_of_an_emptied_release_says_so_before_it_fetches(
    emptied: Workspace, tmp_path: Path, where: str, *, accept: bool
) -> None:
    target = Workspace.at(tmp_path / "target")
    with serving(emptied) as site:
        source = str(emptied.home) if where == "folder" else site.url
        with pytest.raises(RevokedError) as refused:
            pull(target, PullOrder("cameras@1.0.0", source, accept_revoked=accept))
    assert f"{REASON}; use cameras@1.2.0" in str(refused.value)
    assert "A takedown has deleted its pictures" in str(refused.value)
    assert "--accept-revoked" not in str(refused.value), "it would not help"
    assert not (target.releases / "cameras").exists()


def test_a_pull_does_not_bring_back_what_a_takedown_deleted_here(
    emptied: Workspace, tmp_path: Path
) -> None:
    elsewhere = str(emptied.home.parent / "elsewhere")
    copy = Workspace.at(shutil.copytree(emptied.home, tmp_path / "copy"))
    with pytest.raises(RevokedError, match=REASON):
        pull(copy, PullOrder("cameras@1.0.0", elsewhere))
    # Of a release that others publish a takedown writes no revocation; its record is enough.
    (copy.releases / "revocations.json").unlink()
    with pytest.raises(RevokedError, match="ask its publisher"):
        pull(copy, PullOrder("cameras@1.0.0", elsewhere))
    pull(copy, PullOrder("cameras@1.0.0", elsewhere, accept_revoked=True))
    assert verify_release(find_release(copy, "cameras@1.0.0")) == []


def test_a_source_that_lost_its_pictures_without_a_word_is_refused(
    emptied: Workspace, tmp_path: Path
) -> None:
    copy = Workspace.at(shutil.copytree(emptied.home, tmp_path / "copy"))
    (copy.releases / "revocations.json").unlink()
    target = Workspace.at(tmp_path / "target")
    with pytest.raises(ReleaseError, match=r"has no pictures of cameras@1\.0\.0 any more"):
        pull(target, PullOrder("cameras@1.0.0", str(copy.home)))


@pytest.fixture
def locked(emptied: Workspace, tmp_path: Path, told: Told) -> Path:
    """A home with a lock file that names cameras@1.0.0, which was emptied since."""
    source = Workspace.at(tmp_path / "source")
    shutil.copytree(emptied.home.parent / "elsewhere", source.releases, dirs_exist_ok=True)
    assert told(tmp_path / "home", "pull", "cameras@1.0.0", "--from", str(source.home))[0] == 0
    shutil.rmtree(source.releases)
    shutil.copytree(emptied.releases, source.releases)
    return tmp_path / "home"


def test_a_locked_release_that_was_revoked_is_named_with_the_ways_out(
    locked: Path, tmp_path: Path, told: Told
) -> None:
    before = (tmp_path / "safelight.lock").read_bytes()
    code, said = told(locked, "pull", "--locked")
    assert code == 1
    assert "safelight.lock names cameras@1.0.0: cameras@1.0.0 was revoked on" in said
    assert f"{REASON}; use cameras@1.2.0" in said
    assert "Replace the entry with: safelight dataset pull cameras; or drop it with: " in said
    assert "safelight dataset unlock cameras@1.0.0" in said
    assert (tmp_path / "safelight.lock").read_bytes() == before


def test_a_newer_version_replaces_the_revoked_entry(
    locked: Path, tmp_path: Path, told: Told
) -> None:
    code, said = told(locked, "pull", "cameras", "--from", str(tmp_path / "source"))
    assert code == 0, said
    assert "cameras@1.2.0 replaces cameras@1.0.0, which was revoked, in safelight.lock" in said
    assert [each.spoken for each in read_lock(tmp_path / "safelight.lock")] == ["cameras@1.2.0"]
    assert told(locked, "pull", "--locked")[0] == 0


def test_a_version_that_is_not_revoked_stays_locked_beside_a_newer_one(
    workspace: Workspace, tmp_path: Path, told: Told
) -> None:
    from catalog.releases.publish import renew_card

    renew_card(workspace, published(workspace, size=700))
    for version in ("1.0.0", "1.0.1"):
        words = ("pull", f"cameras@{version}", "--from", str(workspace.home))
        assert told(tmp_path / "other", *words)[0] == 0
    found = read_lock(tmp_path / "safelight.lock")
    assert [each.version for each in found] == ["1.0.0", "1.0.1"]


def test_one_revoked_entry_does_not_hold_up_the_others(
    locked: Path, tmp_path: Path, told: Told
) -> None:
    assert (
        told(
            locked, "pull", "cameras@1.2.0", "--from", str(tmp_path / "source"), "--lock-file", "b"
        )[0]
        == 0
    )
    with (tmp_path / "safelight.lock").open("ab") as file:
        file.write((tmp_path / "b").read_bytes())
    code, said = told(tmp_path / "fresh", "pull", "--locked")
    assert code == 1
    assert "cameras@1.2.0: 0 of" in said
    assert [each.version for each in read_lock(tmp_path / "safelight.lock")] == ["1.0.0", "1.2.0"]


def test_unlock_drops_entries_and_names_what_is_there(
    locked: Path, tmp_path: Path, told: Told
) -> None:
    code, said = told(locked, "unlock", "cameras@1.0.0", "dogs")
    assert (code, "does not name dogs; it names: cameras@1.0.0" in said) == (1, True)
    assert len(read_lock(tmp_path / "safelight.lock")) == 1
    assert told(locked, "unlock", "cameras") == (
        0,
        "cameras@1.0.0 is no longer in safelight.lock\n",
    )
    assert read_lock(tmp_path / "safelight.lock") == []
    assert (locked / "releases" / "cameras" / "1.0.0" / "manifest.json").exists()


def test_a_revocation_that_was_learned_here_holds_for_every_source(
    locked: Path, emptied: Workspace, told: Told, tmp_path: Path
) -> None:
    home = Workspace.at(locked)
    assert told(locked, "pull", "cameras", "--from", str(tmp_path / "source"))[0] == 0
    assert read_revocations(home.releases)
    elsewhere = str(emptied.home.parent / "elsewhere")
    with pytest.raises(RevokedError, match=REASON):
        pull(home, PullOrder("cameras@1.0.0", elsewhere))
