"""Links from reports into the console: the page of a picture, and a query in the editor.

A report is a file that people open from disk, so its links name the address at which `safelight serve` of this
workspace listens. They work while it runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from catalog.web.http.settings import ServeSettings
from catalog.web.sections.section import console_link, inline_parameters
from catalog.workspace.settings import load_settings
from catalog.workspace.workspace import Workspace

_ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 - where a server listens


@dataclass(frozen=True)
class ConsoleLinks:
    """Links into the console at `address`, such as http://127.0.0.1:8360.

    >>> ConsoleLinks("http://127.0.0.1:8360").query("SELECT $1", ["a"])
    'http://127.0.0.1:8360/#q=U0VMRUNUICdhJw'
    """

    address: str

    @classmethod
    def of_workspace(cls, workspace: Workspace) -> Self:
        """Make links to the host and port in section [serve] of `safelight.toml`; raises `UsageError` as it does."""
        settings = load_settings(ServeSettings, "serve", workspace)
        host = _ANY_ADDRESS.get(settings.host, settings.host)
        host = f"[{host}]" if ":" in host and not host.startswith("[") else host
        return cls(f"http://{host}:{settings.port}")

    def picture(self, sha256: str) -> str:
        """Give the address of a picture's page."""
        return f"{self.address}/pictures/{sha256}"

    def query(self, sql: str, values: Sequence[object] = ()) -> str:
        """Give the address that opens a statement in the editor, parameters `$1`, `$2` ... as literals."""
        return self.address + console_link(inline_parameters(sql, values))
