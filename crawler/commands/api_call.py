"""One call of a source's API outside of a crawl, for `safelight crawl plan`."""

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from catalog import PrivateAddressError
from crawler.errors import SourceRefusedError
from crawler.fetch.connector import open_connector
from crawler.fetch.hosts import client_url
from crawler.listing.source_contract import user_agent
from crawler.settings import CrawlSettings

_LONGEST_S = 30.0


async def call_api(
    url: str, settings: CrawlSettings, headers: Mapping[str, str] | None = None
) -> tuple[Any, Mapping[str, str]]:
    """Return the JSON of an API's response and the response headers; raises `SourceRefusedError`."""
    request_headers = {"User-Agent": user_agent(), **(headers or {})}
    timeout = aiohttp.ClientTimeout(total=_LONGEST_S)
    try:
        async with (
            aiohttp.ClientSession(
                connector=open_connector(settings), headers=request_headers, timeout=timeout
            ) as http,
            http.get(client_url(url), allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise SourceRefusedError(f"the API answered {response.status} to {url}")
            return json.loads(await response.read()), response.headers
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, PrivateAddressError):
            raise SourceRefusedError(
                f"{error.host} is at a private address; allow it with allow_networks in [crawl] of safelight.toml, or "
                "allow all: export SAFELIGHT_CRAWL_ALLOW_PRIVATE=true"
            ) from error
        raise SourceRefusedError(f"the API cannot be reached: {error}") from error
    except (aiohttp.ClientError, TimeoutError) as error:
        raise SourceRefusedError(f"the API cannot be reached: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceRefusedError(
            f"the API did not answer with JSON to {url}; try again later"
        ) from error
