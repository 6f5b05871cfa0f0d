"""The frontier's part in takedown and purge: count, blank and fail the items of removed pictures."""

from collections.abc import Collection, Iterator, Mapping

from catalog import Workspace
from crawler.frontier.frontier import Frontier


class FrontierQueue:
    """The frontier of one workspace for takedown and purge of the catalog (`catalog.takedown.crawl_queue`)."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.frontier

    def count(self, kind: str, value: str, photos: Collection[str]) -> int:
        """Count the items of these photos, and the items that match `kind` and `value`; changes nothing."""
        with Frontier(self._path) as frontier:
            return len(_matching(frontier, kind, value, photos))

    def forget(
        self, kind: str, value: str, photos: Collection[str], assets: Collection[str]
    ) -> int:
        """Blank the items of these photos, and delete crawls whose settings match; return the number of items."""
        with Frontier(self._path) as frontier:
            items = _matching(frontier, kind, value, photos)
            frontier.remove(items, photos, assets)
            for record in frontier.crawls():
                if any(_is_about(kind, value, text) for text in _texts(record.config)):
                    frontier.delete_crawl(record.crawl_id)
            frontier.compact()
        return len(items)

    def give_up(self, photos: Collection[str], assets: Collection[str]) -> int:
        """Mark the items of these photos as failed; their addresses stay for a retry."""
        with Frontier(self._path) as frontier:
            items = [seq for seq, photo, _, _ in frontier.named_items() if photo in photos]
            frontier.give_up(items, photos, assets)
        return len(items)


def _matching(frontier: Frontier, kind: str, value: str, photos: Collection[str]) -> list[int]:
    return [
        seq
        for seq, photo_id, url, photo in frontier.named_items()
        if photo_id in photos
        or (kind == "url_prefix" and url.startswith(value))
        or (kind != "url_prefix" and _is_about(kind, value, str(photo.get("photographer") or "")))
    ]


def _is_about(kind: str, value: str, text: str) -> bool:
    if kind == "photographer":
        return text.casefold() == value.casefold()
    return kind == "url_prefix" and text.startswith(value)


def _texts(config: object) -> Iterator[str]:
    """List the texts in a crawl's settings, including those in nested lists and tables."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        yield from _texts(list(config.values()))
    elif isinstance(config, list):
        for entry in config:
            yield from _texts(entry)
