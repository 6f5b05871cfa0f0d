"""What a crawl of Wikimedia Commons will cost, before it starts."""

import math
from dataclasses import dataclass
from typing import Any

import aiohttp

from crawler.errors import SourceRefusedError
from crawler.source import user_agent
from crawler.sources.commons import PER_PAGE, CommonsSource


@dataclass(frozen=True)
class CommonsPlan:
    """The cost of a listing; files of subcategories are not counted."""

    files: int
    calls: int
    subcategories: int = 0


async def plan_commons(source: CommonsSource) -> CommonsPlan:
    """Ask the API how many files the listing has (one call); a limit bounds them.

    Raises `SourceRefusedError`; a window of dates has no number, so it needs a limit.
    """
    source.check()
    url = source.count_url()
    if url is None:
        if source.limit is None:
            raise SourceRefusedError(
                "the API does not say how many files a time holds; give --limit"
            )
        return CommonsPlan(source.limit, math.ceil(source.limit / PER_PAGE))
    query = (await _ask(url)).get("query") or {}
    about = ((query.get("pages") or [{}])[0]).get("categoryinfo") or {}
    files = about.get("files", (query.get("searchinfo") or {}).get("totalhits"))
    if files is None:
        raise SourceRefusedError(f"Commons knows no files of {source.listing} {source.value}")
    wanted = int(files) if source.limit is None else min(int(files), source.limit)
    below = int(about.get("subcats", 0)) if source.recurse else 0
    return CommonsPlan(wanted, math.ceil(wanted / PER_PAGE), below)


async def _ask(url: str) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=30)
    try:
        async with (
            aiohttp.ClientSession(headers={"User-Agent": user_agent()}, timeout=timeout) as http,
            http.get(url, allow_redirects=False) as response,
        ):
            said = await response.json() if response.status == 200 else None
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise SourceRefusedError(f"the API cannot be reached: {error}") from error
    if not isinstance(said, dict) or "error" in said:
        raise SourceRefusedError(f"the API answered {said or response.status} to {url}")
    return said
