"""The limits of the tree: few files in a folder, short files."""

from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
ROOMS = ("catalog", "crawler", "curation", "photosite", "training")
MOST_MODULES, MOST_LINES = 16, 400  # as in CONTRIBUTING


def _sources(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*.py*")
        if "cache" not in str(path)
    ]


def _too_long(paths: list[Path], most: int = MOST_LINES) -> dict[str, int]:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in paths}
    return {str(path.relative_to(ROOT)): n for path, n in lines.items() if n > most}


def test_no_folder_of_the_product_has_more_than_16_modules() -> None:
    modules = Counter(path.parent for path in _sources(*ROOMS) if path.suffix == ".py")
    assert len(modules) > 60
    full = {str(folder.relative_to(ROOT)): n for folder, n in modules.items() if n > MOST_MODULES}
    assert not full, "split these folders by what their modules do"


def test_no_file_has_more_than_400_lines() -> None:
    files = [*_sources(*ROOMS, "tests", "benchmarks", "docs", "examples"), *ROOT.glob("*.py")]
    assert len(files) > 600
    assert not _too_long(files), "split these files by what they hold"


def test_no_recipe_has_more_than_150_lines() -> None:
    recipes = list((ROOT / "training" / "recipes").glob("[a-z]*.py"))
    assert len(recipes) >= 10
    assert not _too_long(recipes, 150), "move what is not the recipe's to the core"
