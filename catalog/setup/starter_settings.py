"""The `safelight.toml` of a new workspace: the settings that people change most, each as a comment."""

from catalog.workspace.files import write_text
from catalog.workspace.workspace import Workspace

TEXT = """# Settings of this workspace. Each line is a comment with its default: take the # away to change one.
# A variable of the environment counts more: SAFELIGHT_CRAWL_RATE=2.0 is [crawl] rate = 2.0.
# Keys, tokens and passwords do not belong here. All settings: docs, page "Settings".

[catalog]
# store = "sqlite"            # a team keeps the tables in PostgreSQL: set SAFELIGHT_CATALOG_STORE

[storage]
# url = ""                    # s3://bucket/prefix keeps packs, tables and releases in a bucket
# endpoint = ""               # of a bucket that is not Amazon's
# region = ""

[crawl]
# rate = 5.0                  # requests a second to one host
# per_host = 4                # requests at once to one host
# concurrency = 32            # pictures at once over all hosts
# max_bytes = 134217728       # a longer body is refused

[curate]
# runner = "daft"             # or threads
# cluster = ""                # address of a Ray cluster: local, auto or HOST:PORT
# faces = "auto"              # on, off, or auto: where safelight[faces] is installed
# embedder = ""               # a model or an ONNX file in place of EfficientNet-Lite0

[dataset]
# source = ""                 # where releases are pulled from: an address, a folder or a bucket
# public_key = ""             # pulls refuse what this key has not signed
# jobs = 4                    # parts of a file that are fetched at once

[train]
# threads = 0                 # 0: all processors
# device = "auto"             # cpu, cuda, or auto: a GPU where there is one
# cache_mb = 2000             # decoded pictures kept in memory

[serve]
# host = "127.0.0.1"          # any other address needs a token
# port = 8360
# allowed_hosts = ""          # names of this server behind a proxy, separated by spaces
# max_running = 2             # statements at once
"""


def write_starter_settings(workspace: Workspace) -> bool:
    """Make the folders of a workspace and its `safelight.toml`; False where that file was there, which stays.

    Raises `WorkspaceError` when the folder cannot be made.
    """
    workspace.make()
    path = workspace.home / "safelight.toml"
    if path.exists():
        return False
    write_text(path, TEXT)
    return True
