"""Workspaces with published releases, made of pictures of a chosen size."""

import hashlib
import random

import pyarrow as pa

from catalog import Release, Workspace, open_catalog, publish, rows, write_segment
from tests.catalog.pictures import MOMENT

PLAN = {"bins": {"iso": [1.17, 3.17]}, "seed": 7}
SPLITS = ("train", "train", "validation", "test")


def body(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)


def bring_random(workspace: Workspace, numbers: range, size: int) -> list[str]:
    """Bring in pictures of `size` random bytes, each of a photographer of its own group."""
    images = [(hashlib.sha256(b).hexdigest(), b) for b in (body(n, size) for n in numbers)]
    assets = [{"sha256": sha, "bytes": len(b), "format": "JPEG"} for sha, b in images]
    photos = [
        {
            "photo_id": f"p{n}",
            "source": "test",
            "source_photo_id": f"s{n}",
            "asset_sha256": sha,
            "photographer": f"Ansel {n % 4}",
            "page_url": f"https://photos.test/{n % 4}/{n}",
            "image_url": f"https://images.test/{n % 4}/{n}.jpg",
            "title": f"Title {n}",
            "fetched_at": MOMENT,
        }
        for n, (sha, _) in zip(numbers, images, strict=True)
    ]
    tables = {"assets": rows("assets", assets), "photos": rows("photos", photos)}
    write_segment(workspace, tables, job="crawl:a", images=images)
    with open_catalog(workspace) as catalog:
        catalog.commit()
    return [sha for sha, _ in images]


def items(numbers: range, shas: list[str]) -> pa.Table:
    """Make curated items: number n is of group n % 4, its split follows from that."""
    return rows(
        "curated_items",
        [
            {
                "run_id": "r",
                "asset_sha256": sha,
                "photo_id": f"p{n}",
                "source": "test",
                "source_photo_id": f"s{n}",
                "photographer": f"Ansel {n % 4}",
                "split": SPLITS[n % 4],
                "group_id": f"g{n % 4}",
                "iso_bin": n % 3,
                "weight": 1.0,
                "licence": "CC BY 4.0",
                "attribution": f"Photo by Ansel {n % 4}",
                "page_url": f"https://photos.test/{n % 4}/{n}",
            }
            for n, sha in zip(numbers, shas, strict=True)
        ],
    )


def published(
    workspace: Workspace, count: int = 24, size: int = 5_000, shard_bytes: int = 40_000
) -> Release:
    """Publish `cameras` with `count` pictures of `size` bytes in several shards."""
    shas = bring_random(workspace, range(count), size)
    return publish(
        workspace,
        "cameras",
        items(range(count), shas),
        plan=PLAN,
        run_id="r",
        shard_bytes=shard_bytes,
    )
