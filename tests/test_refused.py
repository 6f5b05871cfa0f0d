"""A command that is refused makes nothing: no workspace of empty folders stays behind."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import safelight
from catalog import Workspace
from tests.catalog.published import published

LIST = "https://photos.example/1.jpg\n"
# What is refused, and a word of what is said about it; FILE is an address list, BOUND a port in use.
REFUSED = {
    "crawl run urls FILE": "SAFELIGHT_CONTACT",
    "crawl run urls FILE --url-col nothing": "SAFELIGHT_CONTACT",
    "crawl run urls FILE --no-such-option": "No such option",
    "crawl run urls FILE --recrawl soon": "no age",
    "crawl run unsplash": "SAFELIGHT_CONTACT",
    "crawl run unsplash --search a --topic b": "only one of",
    "crawl run commons": "give one of",
    "crawl run commons --category Bridges": "SAFELIGHT_CONTACT",
    "crawl run generated-faces": "SAFELIGHT_CONTACT",
    "crawl run spider nothing.py": "SAFELIGHT_CONTACT",
    "crawl run utkface nothing": "nothing",
    "crawl run imdb-wiki nothing.mat": "nothing.mat",
    "crawl run idx nothing nothing": "nothing",
    "crawl run table nothing.csv": "nothing.csv",
    "crawl plan unsplash": "SAFELIGHT_UNSPLASH_KEY",
    "crawl block url_prefix nothing --reason r": "nothing",
    "crawl block sha256 12 --reason r": "12",
    "dataset pull": "name a release",
    "dataset pull cameras": "where to pull from",
    "dataset pull cameras@9.0.0 --from SOURCE": "it offers: cameras@1.0.0",
    "dataset pull cameras@1.0.0 --from SOURCE --split dev": "no split dev",
    "dataset pull cameras --locked": "has no release",
    "serve --port BOUND": "cannot listen",
    "serve --host 0.0.0.0 --port 0": "token",
    "catalog restore EMPTY": "no backup",
}


@pytest.fixture(scope="module")
def bound() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


@pytest.mark.parametrize("command", REFUSED)
def test_a_refused_command_leaves_nothing_behind(
    command: str, workspace: Workspace, tmp_path: Path, bound: int,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("SAFELIGHT_CONTACT", "SAFELIGHT_UNSPLASH_KEY", "SAFELIGHT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    if "SOURCE" in command:
        published(workspace, count=4, size=700)
    (tmp_path / "list.txt").write_text(LIST)
    (tmp_path / "empty").mkdir()
    there = sorted(tmp_path.iterdir())
    places = {
        "FILE": str(tmp_path / "list.txt"), "SOURCE": str(workspace.home),
        "EMPTY": str(tmp_path / "empty"), "BOUND": str(bound),
    }  # fmt: skip
    words = [places.get(word, word) for word in command.split()]
    with pytest.raises(SystemExit) as stopped:
        safelight.main([*words, "--home", str(tmp_path / "new" / "home")])
    assert stopped.value.code in (1, 2)
    said = capsys.readouterr().err
    assert REFUSED[command] in said
    assert sorted(tmp_path.iterdir()) == there, said


def test_a_key_is_asked_for_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAFELIGHT_CONTACT", "tests@example.org")
    monkeypatch.delenv("SAFELIGHT_UNSPLASH_KEY", raising=False)
    with pytest.raises(SystemExit):
        safelight.main(["crawl", "run", "unsplash", "--home", str(tmp_path / "home")])
    assert "SAFELIGHT_UNSPLASH_KEY" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
