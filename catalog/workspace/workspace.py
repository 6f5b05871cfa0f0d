"""The workspace: one folder that holds everything Safelight keeps.

    home/
      safelight.toml      settings (optional)
      lake/               catalog.sqlite (DuckLake), data/ (its Parquet files), writer.lock
      packs/              original bytes, byte-addressable Parquet
      spool/              finished segments that wait for a commit
      frontier.sqlite     what crawls still have to fetch
      releases/           name/version/, immutable
      models/             one folder a model
      reports/            HTML pages and panels
      logs/

Every path written into it is relative, so a workspace may be moved or copied whole.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from catalog.errors import NoWorkspaceError, WorkspaceError

DEFAULT_HOME = "workspace"


@dataclass(frozen=True)
class Workspace:
    """The folders of one workspace, all below `home`."""

    home: Path

    @classmethod
    def named(cls, home: str | Path) -> "Workspace":
        """Name the workspace at `home` without looking at the disk."""
        return cls(Path(home).expanduser().resolve())

    @classmethod
    def existing(cls, home: str | Path) -> "Workspace":
        """Open the workspace at `home`, which must be one already; raises `NoWorkspaceError`.

        One is a folder with `lake/`, or with settings: they may name tables in a database.
        """
        workspace = cls.named(home)
        if not workspace.lake.is_dir() and not (workspace.home / "safelight.toml").is_file():
            beside = sorted(path.parent.name for path in workspace.home.parent.glob("*/lake"))
            raise NoWorkspaceError(workspace.home, beside)
        return cls.at(home)

    @classmethod
    def at(cls, home: str | Path) -> "Workspace":
        """Open the workspace at `home`, making its folders where they are missing; raises `WorkspaceError`."""
        workspace = cls.named(home)
        workspace.make()
        return workspace

    def make(self) -> None:
        """Make the folders that are missing; raises `WorkspaceError`."""
        try:
            for folder in ("lake", "packs", "spool", "releases", "models", "reports", "logs"):
                (self.home / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(self.home, error.strerror or str(error)) from error

    @property
    def lake(self) -> Path:
        """Folder of the tables."""
        return self.home / "lake"

    @property
    def packs(self) -> Path:
        """Folder of the original bytes."""
        return self.home / "packs"

    @property
    def spool(self) -> Path:
        """Folder of segments that wait for a commit."""
        return self.home / "spool"

    @property
    def releases(self) -> Path:
        """Folder of published datasets."""
        return self.home / "releases"

    @property
    def models(self) -> Path:
        """Folder of trained models."""
        return self.home / "models"

    @property
    def reports(self) -> Path:
        """Folder of reports for people."""
        return self.home / "reports"

    @property
    def logs(self) -> Path:
        """Folder of logs."""
        return self.home / "logs"

    @property
    def frontier(self) -> Path:
        """SQLite file of the crawl frontier."""
        return self.home / "frontier.sqlite"


def find_workspace(where: "Workspace | str | Path | None" = None) -> Workspace:
    """Return a workspace to read from; by default that of SAFELIGHT_HOME, else ./workspace.

    Raises `NoWorkspaceError` when there is none; nothing is made on the disk then.
    """
    if isinstance(where, Workspace):
        return where
    home = Path(where or os.environ.get("SAFELIGHT_HOME") or DEFAULT_HOME)
    workspace = Workspace.named(home)
    return workspace if workspace.releases.is_dir() else Workspace.existing(home)
