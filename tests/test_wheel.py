"""An installation without extras: the catalog works, and a room that needs more says which extra brings it."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from catalog import TABLES, Workspace

ROOT = Path(__file__).parents[1]

# Run `safelight` as if only some distributions had been installed: its first argument is the list of
# the top-level modules that the others bring.
WITHOUT = """
import importlib.abc, json, sys

hidden = set(json.loads(sys.argv.pop(1)))

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hidden())
import safelight
safelight.main(sys.argv[1:])
"""


def modules_of_the_extras() -> list[str]:
    """Name the importable modules that an installation without extras does not bring."""
    waiting, core = ["safelight"], set[str]()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in core:
            continue
        core.add(name)
        for line in importlib.metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    owners = importlib.metadata.packages_distributions()
    return sorted(
        module
        for module, distributions in owners.items()
        if not core & {canonicalize_name(each) for each in distributions}
    )


def run(*command: str | Path, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    words = [str(part) for part in command]
    return subprocess.run(
        words, cwd=home, env=environment, capture_output=True, text=True, check=False
    )


def check_bare(*safelight: str | Path, home: Path) -> None:
    """Ask an installation without extras for a table, and for a training run."""
    Workspace.at(home / "workspace")
    tables = run(*safelight, "catalog", "tables", home=home)
    assert tables.returncode == 0, tables.stderr
    assert all(name in tables.stdout for name in TABLES)
    trained = run(*safelight, "train", "run", "exif", "--dataset", "any", home=home)
    assert trained.returncode == 1
    assert trained.stderr.startswith("error: ")
    assert "pip install 'safelight[train]'" in trained.stderr
    assert "Traceback" not in trained.stderr


def test_without_extras_the_catalog_works_and_training_names_its_extra(tmp_path: Path) -> None:
    hidden = modules_of_the_extras()
    assert {"torch", "scrapy", "faiss", "polars"} <= set(hidden)
    script = tmp_path / "without.py"
    script.write_text(WITHOUT, "utf-8")
    check_bare(sys.executable, script, json.dumps(hidden), home=tmp_path)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_wheel_without_extras_does_the_same(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    built = run(*pip, "wheel", "--no-deps", "-w", tmp_path / "wheels", ROOT, home=tmp_path)
    assert built.returncode == 0, built.stderr
    venv.create(tmp_path / "bare")
    python = tmp_path / "bare/bin/python"
    constraints = ("-c", ROOT / "constraints.txt")
    wheel = next((tmp_path / "wheels").glob("safelight-*.whl"))
    install = run(*pip, "--python", python, "install", *constraints, wheel, home=tmp_path)
    if install.returncode and "No matching distribution" in install.stderr:
        pytest.skip("needs a package index for the wheel's dependencies")
    assert install.returncode == 0, install.stderr
    check_bare(tmp_path / "bare/bin/safelight", home=tmp_path)


def test_all_brings_every_extra_but_those_of_developers_of_gpus_and_of_large_libraries() -> None:
    """UMAP compiles itself with numba, which is as large as all the rest; timm brings torchvision, baseline dlib."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    [brought] = [Requirement(line) for line in extras["all"]]
    assert brought.extras == set(extras) - {
        "all",
        "dev",
        "docs",
        "faiss-gpu",
        "map",
        "timm",
        "baseline",
    }
    assert [Requirement(line).name for line in extras["pull"]] == ["aiohttp"], (
        "what `dataset pull http://...` imports"
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_built_holds_whole_parts_types_and_a_description_without_dead_links(
    tmp_path: Path,
) -> None:
    venv.create(tmp_path / "tools", with_pip=True)
    python = tmp_path / "tools/bin/python"
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    install = run(python, "-m", "pip", "-q", "install", *needed, home=tmp_path)
    if install.returncode:
        pytest.skip("needs a package index for the tools that build")
    built = run(python, "-m", "hatchling", "build", "-d", tmp_path / "dist", home=ROOT)
    assert built.returncode == 0, built.stderr
    with tarfile.open(next((tmp_path / "dist").glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    tops = {name.partition("/")[0] for name in names}
    rooms = {"catalog", "crawler", "curation", "photosite", "training"}
    assert rooms | {"docs", "examples", "safelight.py", "stubs", "README.md", "LICENSE"} <= tops
    assert not {"tests", "benchmarks", "docker"} & tops
    assert {"docs/store.md", "docs/sources/index.md"} <= names
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        held = set(wheel.namelist())
        [about] = [name for name in held if name.endswith("/METADATA")]
        metadata = wheel.read(about).decode()
    assert {f"{room}/py.typed" for room in rooms} | {"safelight-stubs/__init__.pyi"} <= held
    templates = {
        path.relative_to(ROOT).as_posix()
        for room in rooms
        for path in (ROOT / room).rglob("templates/*")
    }
    assert "curation/report/templates/report.html" in templates
    assert templates <= held
    assert {name.partition("/")[0] for name in held} - rooms == {
        *("safelight.py", "safelight-stubs"),
        about.partition("/")[0],
    }
    assert "Classifier: Typing :: Typed" in metadata
    links = re.findall(r"\]\(([^)]*)\)", metadata)
    assert [link for link in links if not link.startswith(("http://", "https://"))] == []
    assert "crawling.md" in metadata, "the words of a link stay"
