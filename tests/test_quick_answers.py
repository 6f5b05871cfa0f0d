"""Help and mistakes are answered within a second of CPU, and load no library that the answer does not need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from catalog import Workspace

ROOT = Path(__file__).parents[1]
MOST_CPU_S = 1.0
HEAVY = (
    "aiohttp", "cv2", "daft", "duckdb", "faiss", "matplotlib", "numpy", "polars", "pyarrow", "scipy", "scrapy",
    "sklearn", "torch",
)  # fmt: skip

_RUN = f"""
import sys
import safelight
try:
    safelight.main(sys.argv[1:])
finally:
    heavy = [name for name in {HEAVY} if name in sys.modules]
    print("heavy:", *heavy, file=sys.stderr)
"""


def _answered(*words: str) -> tuple[int, str]:
    """Run a command; give its exit code and what it wrote. Fails when that took long or loaded much."""
    child = subprocess.Popen(
        [sys.executable, "-c", _RUN, *words],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
    )  # fmt: skip
    assert child.stdout is not None
    written = child.stdout.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert written.splitlines()[-1].strip() == "heavy:", written
    assert used.ru_utime + used.ru_stime < MOST_CPU_S, written
    return child.returncode, written


@pytest.mark.parametrize(
    "words",
    [
        "", "crawl", "crawl run", "crawl run urls", "crawl plan unsplash", "crawl basis", "catalog", "catalog sql",
        "catalog takedown", "curate", "curate run", "curate review", "dataset", "dataset pull", "dataset export",
        "train", "train run", "train predict", "serve", "demo", "demo run",
    ],
)  # fmt: skip
def test_help_is_quick(words: str) -> None:
    code, written = _answered(*words.split(), "--help")
    assert code == 0
    assert "Usage: safelight" in written


@pytest.mark.parametrize(
    ("words", "code", "answer"),
    [
        ("trian run exif", 2, "Did you mean 'train'?"),
        ("train rum exif", 2, "Did you mean 'run'?"),
        ("train run exif --sede 3", 2, "'--seed'"),
        ("train run exfi", 1, "recipe 'exfi' does not exist; did you mean exif?"),
        ("train run copy-detection", 1, "did you mean copy_detection?"),
        ("train run exif --preset smok", 1, "preset 'smok' does not exist; did you mean smoke?"),
        ("train run exif --policies splitt", 1, "--policies takes split and random_split"),
        ("train effects --preset smok", 1, "preset 'smok' does not exist; did you mean smoke?"),
        ("curate rum", 2, "Did you mean 'run'?"),
        ("curate run --plam plan.json", 2, "'--plan'"),
        ("curate run --rebalance squrt", 2, "'none', 'sqrt', 'inverse', 'effective'"),
        ("curate run --plan PLAN/paln.json", 1, "did you mean PLAN/plan.json?"),
        ("curate run --plan PLAN/plan.json", 1, "no entry 'rebalence'; did you mean rebalance?"),
        ("crawl run unsplsh", 2, "Did you mean"),
        ("crawl run unsplash --serch fog", 2, "'--search'"),
        ("catalog sqll", 2, "'sql'"),
        ("dataset publsh", 2, "'publish'"),
        ("dataset export faces --format webdatset", 2, "'webdataset'"),
    ],
)
def test_a_mistake_is_answered_quickly_and_with_a_suggestion(
    words: str, code: int, answer: str, workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "plan.json").write_text('{"rebalence": "sqrt"}')
    given = words.replace("PLAN", str(tmp_path)).split()
    ended, written = _answered("--home", str(workspace.home), *given)
    assert ended == code, written
    assert answer.replace("PLAN", str(tmp_path)) in written
