"""The tutorials of docs/ and the tours of the README, typed word by word on photographs made for them."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from catalog import find_release, find_workspace
from safelight import cli
from tests import factories
from tests.curation.small_catalog import scene
from tests.typed_commands import ROOT, typed_commands

Typed = Callable[[str], str]
README = (ROOT / "README.md").read_text("utf-8")
CAMERAS = ("Acme One", "Acme Two", "Bell 7", "Cirrus X", "Dorn 3", "Elm 20")


def tutorial(name: str) -> str:
    return (ROOT / "docs" / "tutorials" / name).read_text("utf-8")


def photograph(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    model = CAMERAS[seed % len(CAMERAS)]
    when = f"2024:{seed % 12 + 1:02}:{seed % 27 + 1:02} {seed % 23:02}:30:00"
    return factories.jpeg(
        f_number=((18, 10), (40, 10), (110, 10))[seed % 3],
        iso=(100, 400, 3200)[rng.integers(3)],
        exposure_time=((1, 1000), (1, 125), (1, 8))[rng.integers(3)],
        make=model.split()[0],
        model=model,
        tags={"DateTimeOriginal": when},
        image=scene(seed, (240, 180)),
    )


def fill(folder: Path, count: int, first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(first, first + count):
        (folder / f"IMG_{seed:04}.jpg").write_bytes(photograph(seed))


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Typed:
    """Type all commands of a text but `serve`, which does not end, in its order; gives what they printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SAFELIGHT_HOME", str(tmp_path / "safelight-photos"))

    def run(text: str) -> str:
        shown = ""
        for words in typed_commands(text):
            if words[0] == "serve":
                continue
            ids = re.findall(r"^([0-9a-f]{12,}) ", shown, re.MULTILINE)
            given = [ids[-1] if word == "MODEL_ID" else word for word in words]
            given = [str(Path(word).expanduser()) if word[0] == "~" else word for word in given]
            with pytest.raises(SystemExit) as ended:
                cli(given, prog_name="safelight")
            printed = capfd.readouterr()
            assert not ended.value.code, f"{shlex.join(given)}: {printed.out}{printed.err}"
            shown += f"$ {shlex.join(given)}\n{printed.out}"
        return shown

    return run


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_own_photographs_become_a_release_and_a_model(typed: Typed, tmp_path: Path) -> None:
    fill(tmp_path / "Pictures", 160)
    (tmp_path / "Pictures" / "broken.jpg").write_bytes(photograph(900)[:2000])
    shown = typed(tutorial("own-photographs.md"))
    assert "no problem" in shown
    assert shown.count("\n$ ") >= 13
    release = find_release(find_workspace(tmp_path / "safelight-photos"), "mine@1.0.0")
    assert len(release.index()) > 100


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_folders_become_a_model_that_predicts(typed: Typed, tmp_path: Path) -> None:
    for number, kind in enumerate(("good", "bad")):
        fill(tmp_path / "photos" / kind / "2019-rome", 70, 1000 * number)
    (tmp_path / "photos/good/2019-rome/IMG_0000.jpg").rename(
        tmp_path / "photos/good/2019-rome/IMG_0001.jpg"
    )
    shown = typed(tutorial("own-labels.md"))
    assert '"class": ' in shown


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_three_tours_of_the_readme_follow_each_other(typed: Typed, tmp_path: Path) -> None:
    fill(tmp_path / "Pictures", 160)
    (tmp_path / "Pictures" / "IMG_0003.jpg").rename(tmp_path / "Pictures" / "one.jpg")
    tours = README[README.index("## Three tours") : README.index("## For data engineers")]
    engineer, analyst, trainer = tours.split("\n### ")[1:]
    assert "no problem" in typed(engineer)
    assert "bell 7" in typed(analyst)
    answered = typed(trainer)
    assert all(name in answered for name in ("Aperture", "ISO", "Exposure time"))
