"""Bring a few pictures into a workspace as a crawl does."""

import hashlib
from datetime import datetime

from catalog import Workspace, rows, write_segment

MOMENT = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the catalog keeps UTC without a zone


def picture(number: int) -> tuple[str, bytes]:
    body = f"picture {number} ".encode() * (number % 50 + 1)
    return hashlib.sha256(body).hexdigest(), body


def bring(workspace: Workspace, numbers: range, job: str = "crawl:a") -> list[str]:
    """Write one segment of pictures as a crawl does."""
    images = [picture(number) for number in numbers]
    tables = {
        "assets": rows(
            "assets",
            [{"sha256": sha, "bytes": len(body), "format": "JPEG"} for sha, body in images],
        ),
        "photos": rows(
            "photos",
            [
                {"photo_id": f"p{n}", "source": "test", "asset_sha256": sha, "fetched_at": MOMENT}
                for n, (sha, _) in zip(numbers, images, strict=True)
            ],
        ),
    }
    write_segment(workspace, tables, job=job, images=images)
    return [sha for sha, _ in images]
