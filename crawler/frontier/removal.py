"""What the frontier does when pictures are taken out of the catalog for good."""

from collections.abc import Collection, Iterator, Mapping

from catalog import Workspace
from crawler.frontier.frontier import Frontier


class FrontierQueue:
    """The frontier of one workspace, as takedown and purge of the catalog see it (`catalog.takedown.crawl_queue`)."""

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.frontier

    def count(self, kind: str, value: str, photos: Collection[str]) -> int:
        """Count the items about these photos, or that match by themselves; changes nothing."""
        with Frontier(self._path) as frontier:
            return len(_matching(frontier, kind, value, photos))

    def forget(
        self, kind: str, value: str, photos: Collection[str], assets: Collection[str]
    ) -> int:
        """Blank the items about these photos and forget crawls that ask for nothing else; return how many items."""
        with Frontier(self._path) as frontier:
            found = _matching(frontier, kind, value, photos)
            frontier.remove(found, photos, assets)
            for record in frontier.crawls():
                if any(_is_about(kind, value, text) for text in _texts(record.config)):
                    frontier.forget_crawl(record.crawl_id)
            frontier.compact()
        return len(found)

    def give_up(self, photos: Collection[str], assets: Collection[str]) -> int:
        """Mark the items that brought these photos in as left out; their addresses stay for a retry."""
        with Frontier(self._path) as frontier:
            found = [seq for seq, photo, _, _ in frontier.named_items() if photo in photos]
            frontier.give_up(found, photos, assets)
        return len(found)


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
    """List the texts of a crawl's settings, those in lists and tables too."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        yield from _texts(list(config.values()))
    elif isinstance(config, list):
        for each in config:
            yield from _texts(each)
