"""Photos as listings give them, for tests of the frontier."""

from crawler.frontier.items import READY, Item, ListedPhoto, Settlement

CRAWL = "c1"


def listed(*names: str, stage: int = READY, version: str = "") -> list[ListedPhoto]:
    return [ListedPhoto(name, {"title": name}, f"u/{name}", "h", version, stage) for name in names]


def done(item: Item) -> Settlement:
    return Settlement(item.seq, item.photo_id, "done", item.attempts + 1)


def from_host(host: str, *names: str) -> list[ListedPhoto]:
    return [ListedPhoto(f"{host}/{name}", {}, f"http://{host}/{name}", host) for name in names]
