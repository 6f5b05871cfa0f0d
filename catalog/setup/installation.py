"""Look at the installation: Python, the libraries of each extra, the extensions of DuckDB."""

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version

import duckdb
from packaging.requirements import Requirement

from catalog.errors import SafelightError
from catalog.setup.check import Check
from catalog.stores import engine
from catalog.version import __version__
from catalog.workspace.error_lines import first_paragraph

OLDEST = (3, 11)
USER_EXTRAS = ("crawl", "curate", "train", "serve")
"""Extras that most people want; a missing one of the others is no line."""
NOT_FOR_USERS = ("all", "dev", "docs")
EXTENSIONS = {"ducklake": "", "sqlite_scanner": "", "postgres_scanner": "postgres", "httpfs": "s3"}
"""Extension of DuckDB -> the extra that brings it."""


def python_check() -> Check:
    """Tell the versions of Safelight and Python, and whether this Python is new enough."""
    value = f"Safelight {__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    if sys.version_info[:2] < OLDEST:
        return Check("python", "problem", value, "install Python 3.11 or newer")
    if sys.platform != "linux":
        return Check(
            "python", "note", value, "the sandbox needs Linux: serve no strangers from here"
        )
    return Check("python", "ok", value)


def extras_checks() -> Iterator[Check]:
    """Tell for each extra whether its libraries are installed in versions that fit."""
    try:
        installed = distribution("safelight")
    except PackageNotFoundError:
        yield Check("extras", "note", "not installed as a package, so its libraries are not listed")
        return
    for extra in sorted(installed.metadata.get_all("Provides-Extra") or ()):
        if extra in NOT_FOR_USERS:
            continue
        missing = [
            problem for needed in _requirements(installed, extra) if (problem := _misfit(needed))
        ]
        pip = f"pip install 'safelight[{extra}]'"
        if not missing:
            yield Check(f"extra {extra}", "ok", "installed")
        elif extra in USER_EXTRAS:
            yield Check(f"extra {extra}", "note", f"missing: {', '.join(missing)}", pip)


def extension_checks() -> Iterator[Check]:
    """Load each extension of DuckDB that is installed, in an instance of its own."""
    for name, extra in EXTENSIONS.items():
        if extra and not engine.is_packaged(name):
            continue
        label = f"extension {name}"
        try:
            engine.discard(engine.take((name,)))
        except (duckdb.Error, SafelightError) as error:
            pip = f"pip install duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
            yield Check(label, "problem", first_paragraph(error), pip)
        else:
            yield Check(label, "ok", f"loads in DuckDB {duckdb.__version__}")


def _requirements(installed: Distribution, extra: str) -> Iterator[Requirement]:
    """List what an extra needs beside the base; extras that name other extras are followed."""
    for line in installed.requires or ():
        needed = Requirement(line)
        if needed.marker is None or not needed.marker.evaluate({"extra": extra}):
            continue
        if needed.marker.evaluate({"extra": ""}):
            continue
        if needed.name == "safelight":
            for other in sorted(needed.extras):
                yield from _requirements(installed, other)
        else:
            yield needed


def _misfit(needed: Requirement) -> str:
    """Name a library that is missing or has another version; empty when it fits."""
    try:
        there = version(needed.name)
    except PackageNotFoundError:
        return needed.name
    fits = needed.specifier.contains(there, prereleases=True)
    return "" if fits else f"{needed.name}{needed.specifier} (there is {there})"
