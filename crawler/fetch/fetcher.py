"""Fetch the bytes of one address over HTTP, within bounds, or return the reason for a failure.

One attempt is bounded in bytes (`max_bytes`), in time (`deadline_s`, over all hops), in speed (`grace_s`,
`min_bytes_per_s`) and in hops (`max_redirects`; each hop is checked like the first). Private addresses are refused when
the socket connects, so a public name that resolves to a private address is refused, too.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urljoin

import aiohttp

from catalog import PrivateAddressError
from crawler.fetch.connector import open_connector
from crawler.fetch.failures import TRANSIENT_STATUSES, Failure, status_failure
from crawler.fetch.hosts import client_url, host_of, is_refused
from crawler.fetch.rate_limits import ByteBudget, HostLimits, HostPermit, retry_after_s
from crawler.fetch.robots import MAX_ROBOTS_BYTES, RobotsCache, RobotsUnavailableError, opt_out
from crawler.settings import CrawlSettings

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 1 << 16
_CONDITIONS = frozenset({"If-None-Match", "If-Modified-Since"})
# Failures of the network: the host did not respond, or too slowly.
_UNREACHED = frozenset(
    {
        "timeout",
        "too_slow",
        "dns_error",
        "connect_error",
        "disconnected",
        "network_error",
        "tls_error",
    }
)
_QUOTA_TEXT = b"Rate Limit Exceeded"  # Unsplash sends it with status 403


@dataclass(frozen=True)
class FetchResponse:
    """The result of one attempt: a body or a failure. `url` is the last requested address."""

    url: str
    body: bytes = b""
    failure: Failure | None = None
    http_status: int | None = None
    content_type: str | None = None
    etag: str | None = None
    modified: str | None = None
    duration_ms: float = 0.0
    unchanged: bool = False  # 304: the catalog holds these bytes already
    elsewhere: str | None = None  # redirect to a host of another worker


class FetchRefusedError(Exception):
    """An attempt ended without a body; carries the failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.error)
        self.failure = failure


class Deadline:
    """The rest of the time that one attempt may take. Waits for our own rate limits do not count."""

    def __init__(self, left_s: float) -> None:
        self.left_s = left_s

    @asynccontextmanager
    async def timeout(self) -> AsyncIterator[None]:
        """Count the time of the block; raises `TimeoutError` when none is left."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.left_s):
                yield
        finally:
            self.left_s -= time.monotonic() - began


class HttpFetcher:
    """The HTTP client of one worker; `open_fetcher` opens and closes it."""

    def __init__(self, http: aiohttp.ClientSession, settings: CrawlSettings) -> None:
        self._http = http
        self._settings = settings
        self.limits = HostLimits(settings)
        self.is_ours: Callable[[str], bool] = lambda host: True  # noqa: ARG005 - all hosts are
        self.on_pause: Callable[[str, float], None] = lambda host, wait_s: None  # noqa: ARG005 - ignored by default
        self._budget = ByteBudget(settings.inflight_bytes)
        self._robots = RobotsCache(self._read_robots)

    async def fetch(
        self,
        url: str,
        *,
        permit: HostPermit | None = None,
        etag: str | None = None,
        modified: str | None = None,
        hops: int = 0,
    ) -> FetchResponse:
        """Make one attempt; never raises except for cancellation.

        `permit` is one of the URL's host, which the attempt releases; without one it waits for its own. `etag` and
        `modified` are the validators of bytes that the catalog holds. `hops` counts the redirects so far.
        """
        urls, reached = [url], False
        validators = {"If-None-Match": etag, "If-Modified-Since": modified}
        headers = {name: value for name, value in validators.items() if value}
        started = time.monotonic()
        permit = permit or await self.limits.acquire(host_of(url))
        try:
            response = await self._follow(permit, urls, headers, hops)
            reached = True
        except FetchRefusedError as refused:
            reached = refused.failure.error not in _UNREACHED
            response = FetchResponse(urls[-1], failure=refused.failure)
        finally:
            permit.release(reached=reached)
        return replace(response, duration_ms=(time.monotonic() - started) * 1000)

    async def _follow(
        self, permit: HostPermit, urls: list[str], headers: Mapping[str, str], hops: int
    ) -> FetchResponse:
        """Send the request and follow redirects; each address is appended to `urls` before it is requested."""
        deadline = Deadline(self._settings.deadline_s)
        for _ in range(hops, self._settings.max_redirects + 1):
            step = await self._request(permit, urls[-1], headers, deadline)
            if isinstance(step, FetchResponse):
                return step
            if step in urls:
                raise _refused("final", "redirect_loop", step)
            urls.append(step)
            self._check_address(step)
            host, other = map(host_of, urls[-2:])
            if host == other:
                await self._wait_for_token(permit, host)
            elif self.is_ours(other):
                await self._move(permit, other)
            else:
                return FetchResponse(urls[0], elsewhere=step)
        raise _refused("final", "too_many_redirects", urls[-1])

    async def _wait_for_token(self, permit: HostPermit, host: str) -> None:
        """Wait for one more token of a permit's host (a redirect within the host), but not for a long pause."""
        if (paused_s := permit.limiter.paused_s) > self._settings.grace_s:
            raise _busy(host, paused_s)
        await permit.limiter.wait_for_token()

    async def _move(self, permit: HostPermit, host: str) -> None:
        """Move a permit to a redirect's host, but do not wait long: this task blocks others."""
        limiter = self.limits.limiter(host)
        try:
            async with asyncio.timeout(self._settings.grace_s):
                await permit.move(limiter)
        except TimeoutError as error:
            raise _busy(host, max(limiter.paused_s, 1.0)) from error

    async def _request(
        self, permit: HostPermit, url: str, headers: Mapping[str, str], deadline: Deadline
    ) -> FetchResponse | str:
        """Request one address; return its response, or the address it redirects to."""
        self._check_address(url)
        await self._check_robots(permit, url)
        try:
            async with deadline.timeout(), self._get(url, headers) as response:
                return await self._read(url, response)
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
            raise FetchRefusedError(_failure(error)) from error
        except FetchRefusedError as refused:
            self._pause(url, refused.failure.retry_after_s)
            raise

    def _pause(self, url: str, wait_s: float) -> None:
        """Pause a host for as long as its response states (Retry-After)."""
        if wait_s:
            self.limits.limiter(host_of(url)).pause_for(wait_s)
            self.on_pause(host_of(url), wait_s)

    @asynccontextmanager
    async def _get(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self._http.get(
            client_url(url), allow_redirects=False, headers=headers
        ) as response:
            yield response

    def _check_address(self, url: str) -> None:
        try:
            host = client_url(url).raw_host or ""
        except ValueError as error:
            raise _refused("final", "bad_url", str(error)) from error
        # Names are checked when they are resolved, and every address again when the socket connects.
        if is_refused(host, self._settings):
            raise _refused("suspicious", "private_address", host)

    async def _check_robots(self, permit: HostPermit, url: str) -> None:
        """Raise unless robots.txt allows an address; the first request to a host reads the file.

        robots.txt used the rate token of that first request, so the request itself is sent without waiting. Requests
        that waited for robots.txt acquire the host's limiter again, because a Crawl-delay may apply now.
        """
        address = str(client_url(url))  # `/a/../b` is requested as `/b`
        limiter, before = permit.limiter, self._robots.state(address)
        try:
            rules = await self._robots.rules(address)
        except RobotsUnavailableError as error:
            raise _refused("transient", "robots_unavailable", str(error)) from error
        if not rules.allow(address):
            raise _refused("final", "robots_disallowed")
        if rules.delay_s:
            limiter.set_min_delay(rules.delay_s)
        if before == "new":
            limiter.take_token_now()
        elif before == "loading":
            await self._reacquire(permit, "Crawl-delay" if rules.delay_s else host_of(url))

    async def _reacquire(self, permit: HostPermit, what: str) -> None:
        """Acquire a host again after its limits changed, but do not wait long."""
        limiter = permit.limiter
        if (wait := limiter.wait_s()) > self._settings.grace_s:
            raise _busy(what, wait)
        try:
            async with asyncio.timeout(self._settings.grace_s):
                await limiter.reacquire()
        except TimeoutError as error:
            raise _busy(what, max(limiter.wait_s(), 1.0)) from error

    async def _read_robots(self, url: str) -> tuple[int, str]:
        try:
            async with asyncio.timeout(self._settings.grace_s):
                for hop in range(self._settings.max_redirects):
                    self._check_address(url)
                    if hop:
                        await self.limits.limiter(host_of(url)).wait_for_token()
                    async with self._get(url) as response:
                        if response.status not in _REDIRECTS:
                            if response.status in TRANSIENT_STATUSES:
                                self._pause(url, retry_after_s(response.headers.get("Retry-After")))
                            text = await response.content.read(MAX_ROBOTS_BYTES)
                            return response.status, text.decode("utf-8", "replace")
                        url = urljoin(url, response.headers.get("Location", ""))
        except (TimeoutError, OSError, aiohttp.ClientError, ValueError) as error:
            if (failure := _failure(error)).error_class != "transient":
                raise FetchRefusedError(failure) from error
            raise RobotsUnavailableError(f"{url}: {type(error).__name__}") from error
        return 404, ""  # RFC 9309: too many redirects count as an absent file

    async def _read(self, url: str, response: aiohttp.ClientResponse) -> FetchResponse | str:
        if response.status in _REDIRECTS and "Location" in response.headers:
            return urljoin(url, response.headers["Location"])
        if response.status == 304 and _CONDITIONS & set(response.request_info.headers):
            return FetchResponse(url, http_status=304, unchanged=True)
        await self._check_status(response)
        if refusal := opt_out(response.headers):
            raise _refused("final", "opted_out", refusal, response.status)
        return FetchResponse(
            url,
            await self._body(response),
            http_status=response.status,
            content_type=response.headers.get("Content-Type"),
            etag=response.headers.get("ETag"),
            modified=response.headers.get("Last-Modified"),
        )

    async def _check_status(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 200:
            return
        wait = retry_after_s(response.headers.get("Retry-After"))
        body = await response.content.read(200)
        if response.status == 403 and _QUOTA_TEXT in body:
            wait = wait or self._settings.quota_wait_s
            raise FetchRefusedError(Failure("transient", "rate_limited", "", 403, wait))
        raise FetchRefusedError(status_failure(response.status, response.reason or "", wait))

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        limit, body = self._settings.max_bytes, bytearray()
        if (response.content_length or 0) > limit:
            raise _refused("final", "too_big", f"{response.content_length} bytes", 200)
        started = time.monotonic()
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                waited = time.monotonic()
                await self._budget.grow(response, len(chunk))
                started += (
                    time.monotonic() - waited
                )  # a pause of ours does not count as the server's
                body += chunk
                if len(body) > limit:
                    raise _refused("final", "too_big", f"more than {limit} bytes", 200)
                self._check_speed(len(body), time.monotonic() - started)
        except aiohttp.ClientPayloadError as error:
            if response.content_length is None:
                raise
            raise _truncated(len(body), response.content_length) from error
        finally:
            await self._budget.free(response)
        self._check_length(response, len(body))
        return bytes(body)

    def _check_speed(self, received: int, elapsed_s: float) -> None:
        settings = self._settings
        if elapsed_s > settings.grace_s and received < settings.min_bytes_per_s * elapsed_s:
            raise _refused("transient", "too_slow", f"{received} bytes in {elapsed_s:.1f} s", 200)

    def _check_length(self, response: aiohttp.ClientResponse, received: int) -> None:
        announced = response.content_length
        if (
            announced is not None
            and "Content-Encoding" not in response.headers
            and announced != received
        ):
            raise _truncated(received, announced)


@asynccontextmanager
async def open_fetcher(settings: CrawlSettings, user_agent: str) -> AsyncIterator[HttpFetcher]:
    """Open one connection pool with one TLS context, and close it at the end."""
    connector = open_connector(settings, settings.concurrency)
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=settings.grace_s, sock_read=settings.grace_s
    )
    # identity: the bytes must be those of the file, not of a transfer encoding.
    headers = {
        "User-Agent": user_agent,
        "Accept": "image/*,*/*;q=0.5",
        "Accept-Encoding": "identity",
    }
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        # aiohttp would repeat a GET on a kept connection that the server has closed, past our limiter. aiohttp 3.14 has
        # no public option for it.
        http._retry_connection = False
        yield HttpFetcher(http, settings)


def _refused(
    kind: str, error: str, detail: str = "", status: int | None = None
) -> FetchRefusedError:
    return FetchRefusedError(Failure(kind, error, detail, status))  # type: ignore[arg-type]  # literals above


def _truncated(received: int, announced: int) -> FetchRefusedError:
    return _refused("transient", "truncated_body", f"{received} of {announced} bytes", 200)


def _busy(detail: str, wait_s: float) -> FetchRefusedError:
    return FetchRefusedError(Failure("transient", "host_busy", detail, None, wait_s))


# The first match wins, so subclasses come before their parents.
_ERRORS: Sequence[tuple[type[Exception], str, str]] = (
    (PrivateAddressError, "suspicious", "private_address"),
    (aiohttp.ClientConnectorCertificateError, "final", "tls_error"),
    (aiohttp.ClientConnectorSSLError, "final", "tls_error"),
    (aiohttp.InvalidURL, "final", "bad_url"),
    (TimeoutError, "transient", "timeout"),
    (aiohttp.ClientConnectorDNSError, "transient", "dns_error"),
    (aiohttp.ClientConnectorError, "transient", "connect_error"),
    (aiohttp.ClientPayloadError, "transient", "truncated_body"),
    (aiohttp.ServerDisconnectedError, "transient", "disconnected"),
    (aiohttp.ClientResponseError, "transient", "bad_answer"),
    (OSError, "transient", "network_error"),
    (aiohttp.ClientError, "transient", "network_error"),
    (ValueError, "final", "bad_url"),
)


def _failure(error: Exception) -> Failure:
    """Turn an exception of the network into a failure; aiohttp may wrap the cause."""
    if isinstance(getattr(error, "os_error", None), PrivateAddressError):
        error = error.os_error  # type: ignore[attr-defined]  # just seen
    kind, name = next((k, w) for kind_of_error, k, w in _ERRORS if isinstance(error, kind_of_error))
    return Failure(kind, name, f"{type(error).__name__}: {error}"[:300])  # type: ignore[arg-type]  # literals above
