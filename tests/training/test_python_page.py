"""Every block of docs/python.md, the five lines of the README and the example of an own model run as written."""

import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.catalog.release_site import serving
from tests.training.conftest import Trained

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "# train_ddp.py\n"
RELEASE = "made@1.0.0"


def blocks(page: str) -> list[str]:
    """Cut the Python blocks out of a page; each begins at its own line, so that a traceback names that of the page."""
    text = (
        (ROOT / page)
        .read_text("utf-8")
        .replace("mine@1.0.0", RELEASE)
        .replace('"mine"', f'"{RELEASE}"')
    )
    return [
        "\n" * text.count("\n", 0, match.start(1)) + match[1]
        for match in re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    ]


@pytest.fixture
def beside(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Work in an empty folder, with the workspace of a trained model as SAFELIGHT_HOME."""
    monkeypatch.setenv("SAFELIGHT_HOME", str(trained.workspace.home))
    monkeypatch.setenv("SAFELIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield tmp_path
    torch.set_num_threads(threads)


def run(block: str, names: dict[str, Any]) -> None:
    exec(compile(block, "docs/python.md", "exec"), names)


def test_every_block_of_the_page_runs(
    trained: Trained, beside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    with serving(trained.workspace) as site:
        for block in blocks("docs/python.md"):
            if SCRIPT not in block:
                run(block.replace("https://data.example.org", site.url), names)
        assert site.blob_bytes
    shown = capsys.readouterr().out
    for line in (
        r"\d+ pictures with the columns \[",
        r"torch\.Size\(\[8, 3, 64, 64\]\)",
        r"epoch 1: loss \d\.\d+",
        r"accuracy \d\.\d+, the most frequent class alone \d\.\d+",
        r"buckets \[\(8, 3, 32, 32\)",
        r"'picture\.jpg', .*'task': 'f_number', 'predicted': '(low|medium|high)'",
    ):
        assert re.search(line, shown), line


@pytest.mark.slow
def test_two_processes_run_the_script_of_the_page(beside: Path) -> None:
    [script] = [block for block in blocks("docs/python.md") if SCRIPT in block]
    (beside / "train_ddp.py").write_text(script)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "train_ddp.py",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(re.findall(r"rank (\d): (\d+) batches", done.stdout)) == [("0", "3"), ("1", "3")]


def test_the_five_lines_of_the_readme_run(beside: Path) -> None:
    [block] = [block for block in blocks("README.md") if "safelight.loader" in block]
    names: dict[str, Any] = {}
    run(block, names)
    assert names["batch"]["image"].shape[1:] == (3, 224, 224)
    assert len([line for line in block.splitlines() if line.strip()]) <= 5


def test_the_example_trains_a_model(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"RELEASE": RELEASE, "SIDE": 32, "EPOCHS": 1}
    source = (ROOT / "examples" / "train_own_model.py").read_text("utf-8")
    for name, value in options.items():
        source = re.sub(rf"^{name} = .*$", f"{name} = {value!r}", source, flags=re.MULTILINE)
    (beside / "example.py").write_text(source)
    runpy.run_path(str(beside / "example.py"), run_name="__main__")
    assert re.search(
        r"accuracy \d\.\d\d of \d+ pictures; the most frequent class alone: \d\.\d\d",
        capsys.readouterr().out,
    )
