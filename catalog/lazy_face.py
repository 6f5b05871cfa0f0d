"""Lazy attributes of a package (PEP 562): a module is imported when one of its names is first used.

So `safelight train --help` and a mistyped option are answered without torch, DuckDB or polars.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazy_attributes(
    package: str, modules: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Make `__getattr__` and `__dir__` of `package` from the names that each module gives to it.

    A name must not be that of a module or folder in the package: once imported, that would be found in its place.

    >>> get, _ = lazy_attributes("catalog", {"fractions": ["Fraction"]})
    >>> get("Fraction")
    <class 'fractions.Fraction'>
    """
    origin = {name: module for module, names in modules.items() for name in names}

    def get_attribute(name: str) -> Any:
        if name not in origin:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(origin[name]), name)
        vars(sys.modules[package])[name] = value  # found without us from now on
        return value

    def list_attributes() -> list[str]:
        return sorted({*vars(sys.modules[package]), *origin})

    return get_attribute, list_attributes
