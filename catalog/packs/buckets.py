"""Which storage a workspace asks for, and the keys to it.

    [storage]
    url = "s3://bucket/prefix"             # nothing here: the workspace's own folders
    endpoint = "https://minio.example"     # for everything but Amazon; else AWS_ENDPOINT_URL
    region = "eu-central-1"                # else AWS_REGION, AWS_DEFAULT_REGION, us-east-1

Packs (`packs/`), the Parquet files of the tables (`lake/data/`) and releases (`releases/`) lie there under the names
that they have in a workspace; everything else stays on the local disk. The keys come from the environment only:
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where there is one, AWS_SESSION_TOKEN.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from catalog.errors import UsageError
from catalog.workspace.settings import load_settings
from catalog.workspace.workspace import Workspace


@dataclass(frozen=True)
class StorageSettings:
    """Section `[storage]` of safelight.toml; keys are never settings."""

    url: str = ""
    endpoint: str = ""
    region: str = ""


@dataclass(frozen=True)
class Access:
    """A bucket with the keys to it; `repr` hides them."""

    url: str
    endpoint: str
    region: str
    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return urlsplit(self.url).netloc


def access_of(workspace: Workspace, environment: Mapping[str, str] = os.environ) -> Access | None:
    """Say how to reach the bucket of a workspace; None when it keeps its files itself."""
    settings = load_settings(StorageSettings, "storage", workspace, environment)
    if not settings.url:
        return None
    url = urlsplit(settings.url)
    if url.scheme != "s3" or not url.hostname or url.username or url.query:
        raise UsageError('[storage] url must look like "s3://bucket/prefix", without keys')
    keys = [environment.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")]
    if not all(keys):
        raise UsageError(
            f"{settings.url} needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "in the environment (never in safelight.toml)"
        )
    regions = ("AWS_REGION", "AWS_DEFAULT_REGION")
    return Access(
        url=settings.url.rstrip("/"),
        endpoint=(settings.endpoint or environment.get("AWS_ENDPOINT_URL", "")).rstrip("/"),
        region=settings.region or next(filter(None, map(environment.get, regions)), "us-east-1"),
        key_id=keys[0],
        secret=keys[1],
        token=environment.get("AWS_SESSION_TOKEN", ""),
    )


@dataclass(frozen=True)
class TableFiles:
    """Where DuckDB finds the Parquet files of the tables, and what an instance needs to read and write them there.

    `setup_sql` (a statement with its semicolon, or nothing) is run before anything is attached; it holds the keys, so
    `repr` hides it: never log or print it.
    """

    path: str
    extensions: tuple[str, ...] = ()
    setup_sql: str = field(default="", repr=False)


def table_files(workspace: Workspace, folder: str = "lake/data") -> TableFiles:
    """Say where the files of the tables lie: below the workspace, or in its bucket; raises `UsageError`."""
    access = access_of(workspace)
    if access is None:
        return TableFiles(f"{workspace.home / folder}/")
    return TableFiles(f"{access.url}/{folder}/", ("httpfs",), _RETRIES + _secret_sql(access))


# As patient as the client of packs and releases: seven tries in some 40 s. DuckDB's own three are over in 2 s.
_RETRIES = "SET http_retries = 6; SET http_retry_wait_ms = 100; SET http_retry_backoff = 3; "


def _secret_sql(access: Access) -> str:
    """Give DuckDB the keys, for this bucket only."""
    endpoint = urlsplit(access.endpoint)
    options = {
        "KEY_ID": access.key_id,
        "SECRET": access.secret,
        "SESSION_TOKEN": access.token,
        "REGION": access.region,
        "ENDPOINT": endpoint.netloc + endpoint.path,
        "URL_STYLE": "path" if access.endpoint else "",
        "SCOPE": f"s3://{access.bucket}",
    }
    given = [
        f"{name} '{value.replace(chr(39), 2 * chr(39))}'"
        for name, value in options.items()
        if value
    ]
    given += ["USE_SSL false"] if endpoint.scheme == "http" else []
    return f"CREATE OR REPLACE TEMPORARY SECRET safelight_storage (TYPE s3, {', '.join(given)}); "
