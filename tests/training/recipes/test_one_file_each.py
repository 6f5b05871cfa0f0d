"""A recipe is one short file that nothing else in training names, so that the next one is a file, too."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.recipes import RECIPES

ROOT = Path(__file__).parents[3]
RECIPES_FOLDER = ROOT / "training" / "recipes"
FILES = {
    importlib.import_module(f"training.recipes.{path.stem}").RECIPE.name: path.relative_to(ROOT)
    for path in RECIPES_FOLDER.glob("*.py")
    if path.stem != "__init__"
}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def texts(path: Path) -> Iterator[str]:
    """Yield the texts of a Python file but its docstrings and examples of help, or a whole file of another kind."""
    content = path.read_text("utf-8")
    if path.suffix != ".py":
        yield content
        return
    tree = ast.parse(content)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None
        if isinstance(node.body[0], ast.Expr)
    }
    shown = {
        id(each)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "examples"
        for each in node.args
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in docstrings | shown:
                yield node.value
        elif isinstance(node, ast.ImportFrom):
            yield from ([f"import {node.module}"] if node.module else [])


def names_recipe(text: str, name: str) -> bool:
    """Whether a text means the recipe: alone, in a command, as the beginning of a model's name, or imported."""
    patterns = (
        rf"^{name}$",
        rf"run {name}\b",
        rf"\b{name}@",
        rf"^import training\.recipes\.{name}$",
    )
    return any(re.search(pattern, text) for pattern in patterns)


def test_each_recipe_has_a_file_of_at_most_150_lines() -> None:
    assert FILES.keys() == RECIPES.keys()
    for file in FILES.values():
        assert len((ROOT / file).read_text("utf-8").splitlines()) <= 150, file


@pytest.fixture(scope="module")
def texts_by_file() -> dict[str, list[str]]:
    """The texts of each file of training that can name a recipe."""
    paths = (ROOT / "training").rglob("*")
    kinds = {".py", ".html", ".css", ".js"}
    return {str(p.relative_to(ROOT)): list(texts(p)) for p in paths if p.suffix in kinds}


@pytest.mark.parametrize("name", RECIPES)
def test_no_other_file_of_training_names_a_recipe(
    name: str, texts_by_file: dict[str, list[str]]
) -> None:
    guilty = [
        file
        for file, all_texts in texts_by_file.items()
        if any(names_recipe(text, name) for text in all_texts)
    ]
    assert guilty == [str(FILES[name])]


@pytest.mark.parametrize(
    ("text", "is_meant"),
    [("exif", True), ("train run exif", True), ("exif@3f9c", True), ("import training.recipes.exif", True),
     ("JOIN exif USING (asset_sha256)", False), ("exif rules", False), ("v_exif", False), ("exif_transpose", False)],
)  # fmt: skip
def test_the_table_exif_is_not_the_recipe(text: str, is_meant: bool) -> None:
    assert names_recipe(text, "exif") == is_meant
