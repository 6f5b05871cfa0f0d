"""What was asked of the site: tests and the demo's summary read it at `/demo/requests`."""

from collections import Counter


class RequestLog:
    """Counts requests by kind, and image fetches and download pings by photo."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.images: Counter[str] = Counter()
        self.downloads: Counter[str] = Counter()

    def seen(self, path: str, status: int) -> None:
        """Count one answered request under the first word of its path."""
        self.kinds[path.split("/")[1]] += 1
        self.statuses[status] += 1

    def as_json(self) -> dict[str, object]:
        """Give all counts; the downloads are those asked for at `download_location`."""
        return {
            "kinds": dict(self.kinds),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "images": dict(self.images),
            "downloads": dict(self.downloads),
        }
