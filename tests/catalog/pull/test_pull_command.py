"""The command that pulls: it locks what it pulls, and goes on after kills and cut connections."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from aiohttp import web

from catalog import Workspace, find_release
from catalog.pull.pull import cache_folder
from catalog.releases.manifest import release_files
from tests.catalog.published import published
from tests.catalog.pull.pulling import ROOT, same_files
from tests.catalog.release_site import ReleaseSite, serving

pytestmark = pytest.mark.usefixtures("_impatient")


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


@pytest.mark.parametrize(
    "kills", [pytest.param(3, marks=pytest.mark.long), pytest.param(10, marks=pytest.mark.slow)]
)
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
