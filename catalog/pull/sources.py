"""Where a pull reads from: a Safelight service, a folder of this machine, S3-like storage.

A source tells what it offers (`index`), gives small files whole (`read`) and big ones by ranges (`stream`). What it
gives is not believed: the puller checks every SHA-256.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from catalog.errors import MissingPartError, ReleaseError
from catalog.program_name import command_name
from catalog.pull.backoff import TransientError, retry_after, retrying
from catalog.pull.public_addresses import PrivateAddressError, sockets_of_a_source
from catalog.releases.deleted_data import INDEX
from catalog.releases.index import INDEX_FORMAT, describe, index_of
from catalog.releases.manifest import MANIFEST, ReleaseFile
from catalog.releases.revocations import FILE, parse_revocations

if TYPE_CHECKING:
    import aiohttp

TOKEN = "SAFELIGHT_PULL_TOKEN"  # noqa: S105 - the name of a variable
CONNECT_S, SILENCE_S = 15.0, 30.0
PIECE = 2**18
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)


class ReleaseSource(Protocol):
    """What a pull needs of a place that holds releases; use as an async context manager."""

    name: str

    async def index(self) -> dict[str, Any]:
        """Tell which releases are there, as `release_index.index_of` does."""

    async def read(self, release: str, path: str) -> bytes | None:
        """Give a small file of the release `NAME/VERSION`; None when it is not there."""

    def stream(
        self, release: str, file: ReleaseFile, start: int, stop: int
    ) -> AsyncIterator[bytes]:
        """Give the bytes from `start` to `stop`; raises `TransientError` when trying again may help."""

    async def __aenter__(self) -> "ReleaseSource": ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def open_source(where: str) -> ReleaseSource:
    """Choose the source by its address: http(s)://, s3://, or a path; raises `ReleaseError`."""
    scheme = urlsplit(where).scheme
    if scheme in ("http", "https"):
        return Service(where)
    if scheme == "s3":
        return ObjectStore(where)
    if scheme not in ("", "file") and len(scheme) > 1:
        raise ReleaseError(f"cannot pull from {where!r}: give http(s)://, s3:// or a folder")
    return Folder(Path(where.removeprefix("file://")))


class Service:
    """A Safelight service (`safelight serve`), or anything that answers as catalog/web/api/releases.py does."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        if split.username or split.password:
            raise ReleaseError(f"put no password into the address; give a token in {TOKEN}")
        self.name = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def index(self) -> dict[str, Any]:
        """Read `/releases/index.json`."""
        raw = await self._whole(f"{self.name}/releases/index.json")
        try:
            listing: dict[str, Any] = json.loads(raw or b"")
        except ValueError:
            listing = {}
        if listing.get("format") != INDEX_FORMAT:
            raise ReleaseError(f"{self.name} does not offer releases (no /releases/index.json)")
        return listing

    async def read(self, release: str, path: str) -> bytes | None:
        """Read one small file by its path."""
        return await self._whole(f"{self.name}/releases/{release}/{path}")

    async def stream(
        self,
        release: str,  # noqa: ARG002 - content has one address, whatever release it is in
        file: ReleaseFile,
        start: int,
        stop: int,
    ) -> AsyncIterator[bytes]:
        """Read a range of a file by its SHA-256: what such an address means never changes."""
        import aiohttp

        url = f"{self.name}/blobs/sha256/{file.sha256}"
        headers = {"Range": f"bytes={start}-{stop - 1}", "If-Match": f'"{file.sha256}"'}
        try:
            async with self._open().get(url, headers=self._headers(headers)) as answer:
                self._check(answer, file.path)
                expected = f"bytes {start}-{stop - 1}/{file.bytes}"
                whole = answer.status == 200 and (start, stop) == (0, file.bytes)
                if not whole and answer.headers.get("Content-Range") != expected:
                    raise ReleaseError(
                        f"{self.name} does not send the byte ranges that are asked for"
                    )
                async for piece in answer.content.iter_chunked(PIECE):
                    yield piece
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> Exception:
        """Tell a connection that may work next time from one that must not be made."""
        if isinstance(getattr(error, "os_error", None), PrivateAddressError):
            return ReleaseError(f"{self.name} redirects to a private address, which is not asked")
        return TransientError(f"{self.name}: {error or type(error).__name__}")

    async def _whole(self, url: str) -> bytes | None:
        import aiohttp

        async def once() -> bytes | None:
            try:
                async with self._open().get(url, headers=self._headers({})) as answer:
                    if answer.status == 404:
                        return None
                    self._check(answer, url.removeprefix(self.name))
                    return await answer.read()
            except (
                aiohttp.ClientConnectionError,
                aiohttp.ClientPayloadError,
                TimeoutError,
            ) as error:
                raise self._broken(error) from error

        return await retrying()(once)

    def _check(self, answer: "aiohttp.ClientResponse", what: str) -> None:
        if answer.status in _TRANSIENT:
            raise TransientError(
                f"{self.name} said {answer.status} for {what}",
                retry_after(answer.headers.get("Retry-After")),
            )
        if answer.status in (401, 403):
            raise ReleaseError(f"{self.name} asks for a valid token; give it in {TOKEN}")
        if answer.status == 410:
            raise ReleaseError(
                f"{self.name} has taken {what} away; {command_name()} dataset pull, without a version, brings "
                "the newest version that is whole"
            )
        if answer.status not in (200, 206):
            raise ReleaseError(f"{self.name} said {answer.status} for {what}")

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        """Add the token; aiohttp drops it when a redirect leads to another host."""
        token = os.environ.get(TOKEN)
        return more | ({"Authorization": f"Bearer {token}"} if token else {})

    def _open(self) -> "aiohttp.ClientSession":
        assert self._session is not None, "use the source as a context manager"
        return self._session

    async def __aenter__(self) -> "Service":
        try:
            import aiohttp
        except ModuleNotFoundError as error:
            raise MissingPartError("aiohttp", "pull") from error
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=sockets_of_a_source()),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S),
            headers={"Accept-Encoding": "identity", "User-Agent": "safelight-pull"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open().close()


class Folder:
    """A folder of this machine: a workspace, its `releases/`, or one release."""

    def __init__(self, path: Path) -> None:
        path = path.expanduser().resolve()
        self.name = str(path)
        self._one = path if (path / MANIFEST).is_file() else None
        self._releases = path / "releases" if (path / "releases").is_dir() else path
        if not path.is_dir():
            raise ReleaseError(f"cannot pull from {path}: there is no such folder")

    async def index(self) -> dict[str, Any]:
        """Look which releases lie there."""
        if self._one is None:
            return index_of(self._releases)
        described = describe((self._one / MANIFEST).read_bytes(), self._one, [])
        return {"format": INDEX_FORMAT, "releases": [described], "revocations": []}

    async def read(self, release: str, path: str) -> bytes | None:
        """Read one small file."""
        try:
            return (self._at(release) / path).read_bytes()
        except FileNotFoundError:
            return None

    async def stream(
        self, release: str, file: ReleaseFile, start: int, stop: int
    ) -> AsyncIterator[bytes]:
        """Read a range of a file."""
        try:
            with (self._at(release) / file.path).open("rb") as raw:
                raw.seek(start)
                yield await asyncio.to_thread(raw.read, stop - start)
        except FileNotFoundError as error:
            raise ReleaseError(f"{file.path} is missing in {self.name}") from error

    def _at(self, release: str) -> Path:
        return self._one or self._releases / release

    async def __aenter__(self) -> "Folder":
        return self

    async def __aexit__(self, *_: object) -> None: ...


class ObjectStore:
    """S3-like storage: `s3://bucket/prefix` over a folder of releases; keys and endpoint come from AWS_* variables."""

    def __init__(self, url: str) -> None:
        try:
            from obstore.store import S3Store
        except ModuleNotFoundError as error:
            raise MissingPartError("obstore", "s3") from error
        self.name = url.rstrip("/")
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        self._store = S3Store.from_url(
            self.name,
            virtual_hosted_style_request=not endpoint,
            client_options={"allow_http": endpoint.startswith("http://")},
        )
        self._prefix = ""

    async def index(self) -> dict[str, Any]:
        """List the manifests and read them: there is no server that could tell."""
        raw = await self._get(f"{self._prefix}{FILE}")
        revocations = parse_revocations(json.loads(raw)) if raw else []
        entries = []
        for name in await self._folders(self._prefix):
            for version in await self._folders(f"{name}/"):
                manifest = await self._get(f"{version}/{MANIFEST}")
                if manifest is not None:
                    entry = describe(manifest, Path(version), revocations)
                    has_data = not entry["revoked"] or await self._has(f"{version}/{INDEX}")
                    entries.append(entry | {"has_data": has_data})
        revoked = [asdict(each) for each in revocations]
        return {"format": INDEX_FORMAT, "releases": entries, "revocations": revoked}

    async def _folders(self, prefix: str) -> list[str]:
        import obstore

        listing = await obstore.list_with_delimiter_async(self._store, prefix or None)
        return [path.rstrip("/") for path in listing["common_prefixes"]]

    async def _has(self, key: str) -> bool:
        import obstore

        try:
            await obstore.head_async(self._store, key)
        except FileNotFoundError:
            return False
        return True

    async def read(self, release: str, path: str) -> bytes | None:
        """Read one small file."""
        return await self._get(f"{self._prefix}{release}/{path}")

    async def _get(self, key: str) -> bytes | None:
        import obstore

        try:
            answer = await obstore.get_async(self._store, key)
            return bytes(await answer.bytes_async())
        except FileNotFoundError:
            return None

    async def stream(
        self, release: str, file: ReleaseFile, start: int, stop: int
    ) -> AsyncIterator[bytes]:
        """Read a range of a file; obstore itself tries again when the network fails."""
        import obstore

        key = f"{self._prefix}{release}/{file.path}"
        try:
            yield bytes(await obstore.get_range_async(self._store, key, start=start, end=stop))
        except FileNotFoundError as error:
            raise ReleaseError(f"{file.path} is missing in {self.name}") from error

    async def __aenter__(self) -> "ObjectStore":
        """Look whether the releases lie in a folder of their own."""
        if "releases" in await self._folders(""):
            self._prefix = "releases/"
        return self

    async def __aexit__(self, *_: object) -> None: ...
