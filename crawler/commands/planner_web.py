"""The cost of a crawl of Wikimedia Commons before it starts."""

import math
from dataclasses import dataclass
from typing import Any

from crawler.commands.api_call import call_api
from crawler.errors import SourceRefusedError
from crawler.settings import CrawlSettings
from crawler.sources.commons import PER_PAGE, CommonsSource


@dataclass(frozen=True)
class CommonsPlan:
    """The cost of a listing, without the files of subcategories."""

    files: int
    calls: int
    subcategories: int = 0


async def plan_commons(source: CommonsSource, settings: CrawlSettings | None = None) -> CommonsPlan:
    """Get the number of files from the API (one call); a limit bounds it.

    Raises `SourceRefusedError`. The API gives no number for a range of dates, so such a listing needs a limit.
    """
    source.check()
    url = source.count_url()
    if url is None:
        if source.limit is None:
            raise SourceRefusedError(
                "the API does not say how many files a time holds; give --limit"
            )
        return CommonsPlan(source.limit, math.ceil(source.limit / PER_PAGE))
    answer = await _call(url, source.adjust(settings or CrawlSettings()))
    query = answer.get("query") or {}
    category = ((query.get("pages") or [{}])[0]).get("categoryinfo") or {}
    files = category.get("files", (query.get("searchinfo") or {}).get("totalhits"))
    if files is None:
        raise SourceRefusedError(f"Commons knows no files of {source.listing} {source.value}")
    to_fetch = int(files) if source.limit is None else min(int(files), source.limit)
    below = int(category.get("subcats", 0)) if source.recurse else 0
    return CommonsPlan(to_fetch, math.ceil(to_fetch / PER_PAGE), below)


async def _call(url: str, settings: CrawlSettings) -> dict[str, Any]:
    answer, _ = await call_api(url, settings)
    if not isinstance(answer, dict) or "error" in answer:
        raise SourceRefusedError(f"the API answered {answer} to {url}")
    return answer
