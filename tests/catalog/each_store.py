"""Run the tests of a module on each store that needs no server.

A module imports `each_store` (or `each_store_at_leisure`), and the `workspace` that its tests take is one of each.
"""

import shutil

import pytest

from catalog import Workspace


def on_plain_files(workspace: Workspace) -> Workspace:
    """Let a workspace with empty tables keep them as plain Parquet files."""
    shutil.rmtree(workspace.lake)
    (workspace.home / "safelight.toml").write_text('[catalog]\nstore = "parquet"\n')
    return Workspace.at(workspace.home)


PLAIN_SLOWLY = pytest.param("parquet", marks=pytest.mark.slow)


@pytest.fixture(name="workspace", params=["sqlite", PLAIN_SLOWLY])
def each_store_at_leisure(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """Give each test a workspace of each store; on plain files only when there is time for slow tests."""
    return workspace if request.param == "sqlite" else on_plain_files(workspace)


@pytest.fixture(name="workspace", params=["sqlite", "parquet"])
def each_store(request: pytest.FixtureRequest, workspace: Workspace) -> Workspace:
    """Give each test a workspace of its own with empty tables, once for each store."""
    return workspace if request.param == "sqlite" else on_plain_files(workspace)
