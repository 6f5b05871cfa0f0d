"""Functions of the face that had the name of a folder: the old name works, with a warning, until 1.0."""

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any


def call_as(folder: str, function: str) -> None:
    """Let the package `folder` be called as `catalog.<function>`, which once had its name."""

    class CallableFolder(ModuleType):
        def __call__(self, *args: Any, **options: Any) -> Any:
            old = folder.removeprefix("catalog.")
            warnings.warn(
                f"catalog.{old}() is now catalog.{function}()", DeprecationWarning, stacklevel=2
            )
            return getattr(import_module("catalog"), function)(*args, **options)

    sys.modules[folder].__class__ = CallableFolder
