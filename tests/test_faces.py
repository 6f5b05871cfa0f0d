"""What each room gives to the others: listed, typed, and loaded when it is first used."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import catalog
from catalog import Workspace, list_packs, list_releases

ROOT = Path(__file__).parents[1]
ROOMS = ("catalog", "crawler", "curation", "training")
HEAVY = ("numpy", "polars", "pyarrow", "duckdb", "torch", "scrapy", "aiohttp", "faiss", "cv2")


def _typed(room: str) -> dict[str, str]:
    """The names that mypy sees and the modules it takes them from."""
    tree = ast.parse((ROOT / room / "__init__.pyi").read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name: f"{room}.{node.module}" for node in imports for alias in node.names}


@pytest.mark.parametrize("room", ROOMS)
def test_the_face_of_each_room_is_documented(room: str) -> None:
    module = importlib.import_module(room)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert thing.__doc__, f"{room}.{name} has no docstring"


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_gives_what_mypy_sees(room: str) -> None:
    module, typed = importlib.import_module(room), _typed(room)
    assert set(module.__all__) == set(typed)
    for name, origin in typed.items():
        assert getattr(module, name) is getattr(importlib.import_module(origin), name), name


@pytest.mark.parametrize("room", ROOMS)
def test_no_name_of_a_face_is_that_of_a_module_in_it(room: str) -> None:
    module = importlib.import_module(room)
    inside = {each.name for each in pkgutil.iter_modules(module.__path__)}
    assert not inside & set(module.__all__)


@pytest.mark.parametrize("room", ROOMS)
def test_a_face_lists_its_names_before_it_loads_them(room: str) -> None:
    code = f"""
import sys, {room}
assert set({room}.__all__) <= set(dir({room})), set({room}.__all__) - set(dir({room}))
assert not [name for name in {HEAVY} if name in sys.modules], sys.modules.keys()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_name_that_no_module_gives_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"catalog.*Catalogue"):
        _ = catalog.Catalogue  # type: ignore[attr-defined]
    with pytest.raises(ImportError):
        from catalog import Catalogue  # type: ignore[attr-defined]  # noqa: F401


def test_functions_that_had_the_name_of_a_folder_still_answer_to_it(workspace: Workspace) -> None:
    from catalog import packs, releases

    with pytest.warns(DeprecationWarning, match=r"catalog\.list_releases") as warned:
        assert releases(workspace) == list_releases(workspace)  # type: ignore[operator]
    assert warned[0].filename == __file__
    with pytest.warns(DeprecationWarning, match=r"catalog\.list_packs"):
        assert packs(workspace) == list_packs(workspace)  # type: ignore[operator]
