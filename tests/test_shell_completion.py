"""The shell completes commands and options, by the lines of docs/reference/command-line.md."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "command-line.md").read_text("utf-8")
LINES = {
    shell: next(line.strip() for line in PAGE.splitlines() if f"{shell}_source" in line)
    for shell in ("bash", "zsh", "fish")
}
"""Shell -> what the page tells to put into the file that it reads at its start."""


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """An environment whose shells find `safelight` as they find an installed command."""
    command = tmp_path / "safelight"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m safelight "$@"\n')
    command.chmod(0o755)
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def complete(shell: str, words: str, environment: dict[str, str]) -> list[str]:
    """Return what the shell is told when Tab is pressed behind `words`, split at spaces."""
    word = words.rsplit(" ", maxsplit=1)[-1] if shell == "fish" else str(words.count(" "))
    request = {
        "_SAFELIGHT_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": word,
    }
    return run(["safelight"], environment | request).split()


@pytest.mark.parametrize("shell", list(LINES))
def test_each_shell_gets_a_script_and_answers_of_its_own(
    shell: str, installed: dict[str, str]
) -> None:
    script = run(["safelight"], installed | {"_SAFELIGHT_COMPLETE": f"{shell}_source"})
    assert f"_SAFELIGHT_COMPLETE={shell}_complete" in script
    if program := shutil.which(shell):
        run([program, "-n", "-c", script], installed)
    answer = " ".join(complete(shell, "safelight crawl re", installed))
    assert [word for word in ("report", "resume", "retry") if word in answer] == [
        "report", "resume", "retry",
    ]  # fmt: skip
    assert "block" not in answer


def test_options_are_completed_without_a_workspace(installed: dict[str, str]) -> None:
    assert complete("bash", "safelight catalog tables --js", installed) == ["plain,--json"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_line_of_the_page_completes_in_bash(installed: dict[str, str]) -> None:
    line = re.sub(r"\s+#.*", "", LINES["bash"])
    typed = 'COMP_WORDS=(safelight dataset pu) COMP_CWORD=2; _safelight_completion safelight; echo "${COMPREPLY[@]}"'
    assert run(["bash", "-c", f"{line}\n{typed}"], installed).split() == ["publish", "pull"]
