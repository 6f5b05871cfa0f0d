"""The cost of a crawl before it starts: API calls and hours, or files and bytes."""

import math
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from catalog import Workspace, load_settings
from crawler.commands.api_call import call_api
from crawler.errors import SourceRefusedError
from crawler.frontier.frontier import Frontier
from crawler.listing.file_source import FileSource
from crawler.settings import CrawlSettings
from crawler.sources.unsplash import KEY_VARIABLE, PER_PAGE, UnsplashSource, api_key, key_hash

DEMO_PER_HOUR, PRODUCTION_PER_HOUR = 50, 5000
CALLS_PER_PHOTO = 2  # detail and download


@dataclass(frozen=True)
class ApiPlan:
    """The cost of a listing of an API; `hours` maps calls an hour to hours."""

    photos: int
    calls: int
    hours: dict[int, float]
    own_per_hour: int | None = None


@dataclass(frozen=True)
class FilesPlan:
    """What a source of local files would read: files, their bytes, rows by table, skipped entries, refused names."""

    files: int = 0
    bytes: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    skipped: int = 0
    refused: int = 0


def plan_files(source: FileSource) -> FilesPlan:
    """Count what a source would read, without opening pictures and sounds.

    Bytes are those of label files, tables and existing listed files.
    """
    source.check()
    files = skipped = refused = 0
    size = sum(path.stat().st_size for path in source.inputs())
    rows: Counter[str] = Counter()
    for page in source.pages("plan"):
        files, skipped = files + len(page.photos), skipped + page.skipped
        rows.update({table: len(batch) for table, batch in page.rows.items()})
        refused += sum(source.refusal(photo.url) is not None for photo in page.photos)
        size += sum(map(source.size, page.photos))
    return FilesPlan(files, size, rows, skipped, refused)


def api_plan(photos: int, own_per_hour: int | None = None, *, paged: bool = True) -> ApiPlan:
    """Compute calls and hours for a number of photos: two calls each, and one per page of a `paged` listing.

    >>> api_plan(600).calls, round(api_plan(600).hours[50], 1)
    (1220, 24.4)
    """
    calls = photos * CALLS_PER_PHOTO + (math.ceil(photos / PER_PAGE) if paged else 0)
    rates = {DEMO_PER_HOUR, PRODUCTION_PER_HOUR} | ({own_per_hour} if own_per_hour else set())
    return ApiPlan(photos, calls, {rate: calls / rate for rate in sorted(rates)}, own_per_hour)


async def plan_unsplash(source: UnsplashSource, workspace: Workspace) -> ApiPlan:
    """Get the number of photos from the API (one call) and compute their cost.

    No call is made with a limit and without a key: the limit is the number. Neither is one made for random photos,
    whose number the user gives, and for ids, which need no page.
    """
    if source.listing == "ids":
        return api_plan(len(source.ids()), paged=False)
    if source.listing == "random" and source.limit is not None:
        return api_plan(source.limit)
    if source.limit is not None and not os.environ.get(KEY_VARIABLE):
        return api_plan(source.limit)
    total, per_hour = await _count_photos(source, workspace)
    return api_plan(total if source.limit is None else min(total, source.limit), per_hour)


async def _count_photos(source: UnsplashSource, workspace: Workspace) -> tuple[int, int | None]:
    settings = source.adjust(load_settings(CrawlSettings, "crawl", workspace))
    key = {"Authorization": f"Client-ID {api_key()}"}
    _in_frontier(workspace, lambda frontier: frontier.reserve_call(key_hash(api_key())))
    answer, headers = await call_api(source.page_url(1), settings, key)
    per_hour, remaining = (
        _whole(headers.get("X-Ratelimit-Limit")),
        _whole(headers.get("X-Ratelimit-Remaining")),
    )
    _in_frontier(
        workspace,
        lambda frontier: frontier.record_response(key_hash(api_key()), per_hour, remaining),
    )
    total = answer.get("total") if isinstance(answer, dict) else _whole(headers.get("X-Total"))
    if not isinstance(total, int):
        raise SourceRefusedError("the API does not say how many photos there are; give --limit")
    return total, per_hour


def _in_frontier(workspace: Workspace, act: Callable[[Frontier], object]) -> None:
    """Record a call in the frontier of an existing workspace; a plan does not create one."""
    if workspace.lake.is_dir():
        with Frontier(workspace.frontier) as frontier:
            act(frontier)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
