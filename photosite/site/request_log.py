"""Counts of the site's requests; tests read them at `/demo/requests`."""

from collections import Counter


class RequestLog:
    """Counts requests by kind, and image fetches and download pings by photo."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.images: Counter[str] = Counter()
        self.downloads: Counter[str] = Counter()

    def count(self, path: str, status: int) -> None:
        """Count one finished request under the first segment of its path."""
        self.kinds[path.split("/")[1]] += 1
        self.statuses[status] += 1

    def as_json(self) -> dict[str, object]:
        """Return all counts; `downloads` counts the requests to `download_location`."""
        return {
            "kinds": dict(self.kinds),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "images": dict(self.images),
            "downloads": dict(self.downloads),
        }
