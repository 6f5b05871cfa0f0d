"""Give the packages of Safelight what they need of lazy-loader, on a machine that has only torch, numpy and Pillow."""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType


def attach_stub(
    package: str, file: str
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Read the names of a package from its `__init__.pyi` and import each on its first use."""
    tree = ast.parse(Path(file).with_suffix(".pyi").read_text("utf-8"))
    where = {
        name.asname or name.name: f"{package}.{node.module}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.level
        for name in node.names
    }

    def attribute(name: str) -> object:
        if name not in where:
            raise AttributeError(name)
        return getattr(importlib.import_module(where[name]), name)

    return attribute, lambda: sorted(where), sorted(where)


def install() -> None:
    """Put a module of this name in place where the library is not installed."""
    if importlib.util.find_spec("lazy_loader") is None:
        module = ModuleType("lazy_loader")
        module.attach_stub = attach_stub  # type: ignore[attr-defined]  # that is what makes it one
        sys.modules["lazy_loader"] = module
