"""Where Python finds the parts of Safelight, and what of the same name may stand in the way.

The parts have plain names: a folder with a `catalog.py` of its own would hide ours from a process that searches it
first. Our own processes do not search the folder that they are started in (`python -P`); Ray's do.
"""

from importlib.machinery import PathFinder
from pathlib import Path

from catalog.errors import UsageError

PARTS = ("catalog", "crawler", "curation", "photosite", "training", "safelight")


def shadows(folder: Path) -> list[Path]:
    """List the modules of a folder that bear the name of a part of Safelight and are not that part."""
    if folder.resolve() == Path(__file__).resolve().parents[2]:
        return []
    specs = [PathFinder.find_spec(name, [str(folder)]) for name in PARTS]
    # A folder without __init__.py hides nothing: Python takes a whole package wherever it stands.
    return [Path(spec.origin) for spec in specs if spec and spec.loader and spec.origin]


def check_ray_folder(folder: Path | None = None) -> None:
    """Raise `UsageError` when Ray's workers, which search this folder first, would take another module for ours."""
    folder = folder or Path.cwd()
    if files := shadows(folder):
        name = files[0].parent.name if files[0].name == "__init__.py" else files[0].stem
        raise UsageError(
            f"Ray's workers search the folder that the command is run in, and {files[0]} there hides Safelight's "
            f"own {name}; run it in another folder, or rename the file"
        )
