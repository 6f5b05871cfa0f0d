"""`import safelight` in somebody's own script: what it gives, what it loads, and what stands in its way."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mypy import api

import safelight
from catalog import QueryError, Workspace
from catalog.errors import NoWorkspaceError

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "duckdb", "numpy", "polars", "pyarrow", "catalog", "training", "PIL", "cv2")


def run_script(script: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.py").write_text(script, "utf-8")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, folder / "script.py"],
        cwd=folder, env=environment | more, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_importing_it_loads_nothing_heavy(tmp_path: Path) -> None:
    script = f"import sys, safelight\nprint([name for name in {HEAVY} if name in sys.modules])"
    done = run_script(script, tmp_path)
    assert done.stdout.strip() == "[]", done.stderr


def test_every_public_name_is_there_and_documented() -> None:
    for name in {*safelight.PUBLIC, "predict"}:
        assert name in dir(safelight)
        assert getattr(safelight, name).__doc__
    with pytest.raises(AttributeError, match="has no attribute 'datasett'"):
        _ = safelight.datasett  # type: ignore[attr-defined]  # that is the test


@pytest.mark.parametrize("hiding", ["catalog.py", "training/__init__.py"])
def test_a_file_that_hides_a_package_is_named_in_one_line(tmp_path: Path, hiding: str) -> None:
    (tmp_path / hiding).parent.mkdir(exist_ok=True)
    (tmp_path / hiding).write_text("")
    done = run_script("import safelight\nsafelight.load('any')", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: {tmp_path / hiding} hides Safelight's own")
    assert "Rename it" in last


def test_the_stub_names_what_is_there() -> None:
    stub = (ROOT / "stubs" / "safelight-stubs" / "__init__.pyi").read_text("utf-8")
    names = set[str]()
    for node in ast.parse(stub).body:
        if isinstance(node, ast.ImportFrom):
            names |= {each.asname for each in node.names if each.asname}
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    assert names == {*safelight.__all__, "cli"}


def test_sql_gives_a_frame(workspace: Workspace) -> None:
    frame = safelight.sql("SELECT 7 AS n WHERE ? = 1", [1], workspace=workspace)
    assert frame.to_dicts() == [{"n": 7}]
    assert safelight.sql("SELECT count(*) AS n FROM photos", workspace=workspace.home).item() == 0
    with pytest.raises(QueryError):
        safelight.sql("DROP TABLE photos", workspace=workspace)


def test_sql_without_a_workspace_makes_none(tmp_path: Path) -> None:
    with pytest.raises(NoWorkspaceError, match="does not exist"):
        safelight.sql("SELECT 1", workspace=tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_type_checker_sees_the_types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPYPATH", str(ROOT / "stubs"))  # in a wheel it lies beside safelight.py
    (tmp_path / "script.py").write_text(
        "import safelight\n"
        "reveal_type(safelight.load('a'))\n"
        "reveal_type(safelight.dataset('a'))\n"
        "reveal_type(safelight.loader('a', size=8, batch_size=2))\n"
        "reveal_type(safelight.sql('SELECT 1'))\n"
        "reveal_type(safelight.predict('m', 'a.jpg'))\n"
    )
    out, _, code = api.run(
        ["--strict", "--no-incremental", "--python-executable", sys.executable,
         "--config-file", os.devnull, "--follow-imports", "silent", str(tmp_path / "script.py")]
    )  # fmt: skip
    assert code == 0, out
    shown = [line.split('"')[1] for line in out.splitlines() if "Revealed type" in line]
    assert shown[0].endswith("Pictures")
    assert shown[1].endswith("PictureDataset")
    assert shown[2].endswith("Loader")
    assert "DataFrame" in shown[3]
    assert shown[4] == "list[dict[str, Any]]"
