"""Run the tests of a module on each store that needs no server.

A module imports `each_store`, and the `workspace` that its tests take is one of each.
"""

import shutil

import pytest

from catalog import Workspace


def on_plain_files(workspace: Workspace) -> Workspace:
    """Let a workspace with empty tables keep them as plain Parquet files."""
    shutil.rmtree(workspace.lake)
    (workspace.home / "safelight.toml").write_text('[catalog]\nstore = "parquet"\n')
    return Workspace.at(workspace.home)


@pytest.fixture(name="workspace", params=["sqlite", "parquet"])
def each_store(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """Give each test a workspace of its own with empty tables, once for each store."""
    return workspace if request.param == "sqlite" else on_plain_files(workspace)
