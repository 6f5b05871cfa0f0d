"""JSON objects in the format of the Unsplash API, checked against recorded responses."""

from collections.abc import Sequence
from urllib.parse import quote

from photosite.pictures.gallery import ApiExif, Listing

Json = dict[str, object]
COLLECTIONS = {"1001": "day", "1002": "dusk", "1003": "night"}  # id -> tag of its photos

PAGES = "https://photosite.example"
"""Where pages for people would be. It stands in rows and releases, so it does not depend on the port of this site."""


def segment(photo_id: str) -> str:
    """Encode an id as one URL segment: every reserved character, also "/"."""
    return quote(photo_id, safe="")


def listed_photo(listing: Listing, base: str) -> Json:
    """Make the object of a list: no `exif`, no `tags`, no `location`."""
    when = f"{listing.created:%Y-%m-%dT%H:%M:%S}Z"
    return {
        "id": listing.id,
        "created_at": when,
        "updated_at": when,
        "promoted_at": None,
        "width": listing.width,
        "height": listing.height,
        "color": listing.color,
        "description": listing.description,
        "alt_description": listing.alt,
        "urls": _urls(listing.id, base),
        "links": _links(listing.id, base),
        "categories": [],
        "likes": len(listing.tags),
        "liked_by_user": False,
        "current_user_collections": [],
        "user": user_object(listing, base),
    }


def detailed_photo(listing: Listing, exif: ApiExif, base: str, downloads: int) -> Json:
    """Make the object of one photo: the object of a list with settings, tags and counts."""
    return listed_photo(listing, base) | {
        "exif": {
            "make": exif.make,
            "model": exif.model,
            "name": exif.name,
            "exposure_time": exif.exposure_time,
            "aperture": exif.aperture,
            "focal_length": exif.focal_length,
            "iso": exif.iso,
        },
        "location": {"name": None, "city": None, "country": None,
                     "position": {"latitude": None, "longitude": None}},
        "meta": {"index": True},
        "tags": [{"type": "search", "title": tag} for tag in listing.tags],
        "views": 100 * len(listing.id),
        "downloads": downloads,
    }  # fmt: skip


def user_object(listing: Listing, base: str) -> Json:
    """Make the object of the user who uploaded a photo."""
    first, _, last = listing.name.partition(" ")
    here = f"{base}/users/{segment(listing.username)}"
    return {
        "id": listing.username,
        "updated_at": f"{listing.created:%Y-%m-%dT%H:%M:%S}Z",
        "username": listing.username,
        "name": listing.name,
        "first_name": first,
        "last_name": last or None,
        "portfolio_url": None,
        "bio": None,
        "location": None,
        "links": {
            "self": here,
            "html": f"{PAGES}/@{segment(listing.username)}",
            "photos": f"{here}/photos",
        },
    }


def topic_object(slug: str, total: int, base: str) -> Json:
    """Make the object of a topic."""
    here = f"{base}/topics/{slug}"
    links = {"self": here, "html": f"{base}/t/{slug}", "photos": f"{here}/photos"}
    return {"id": slug, "slug": slug, "title": slug.title(), "total_photos": total, "links": links}


def collection_object(collection_id: str, total: int, base: str) -> Json:
    """Make the object of a collection."""
    here = f"{base}/collections/{collection_id}"
    title = COLLECTIONS[collection_id].title()
    links = {"self": here, "html": here, "photos": f"{here}/photos"}
    return {"id": collection_id, "title": title, "total_photos": total, "links": links}


def matches(listing: Listing, query: str) -> bool:
    """Return whether a photo's texts contain every word of a query."""
    text = " ".join((listing.description or "", listing.alt or "", *listing.tags)).lower()
    return all(word in text for word in query.lower().split())


def page_links(address: str, page: int, last: int, others: Sequence[tuple[str, str]]) -> str:
    """Return the `Link` header of a list: first, prev, last, next, where they exist."""
    pages = {"first": 1, "prev": page - 1, "last": last, "next": page + 1}
    relations = {"first", "prev"} if page > 1 else set()
    relations |= {"last", "next"} if page < last else set()
    tail = "".join(f"&{name}={quote(value)}" for name, value in others)
    return ", ".join(
        f'<{address}?page={number}{tail}>; rel="{rel}"'
        for rel, number in pages.items()
        if rel in relations
    )


def _urls(photo_id: str, base: str) -> Json:
    image = f"{base}/images/{segment(photo_id)}"
    return {
        "raw": f"{image}?ixid=demo",
        "full": f"{image}?ixid=demo&q=85&fm=jpg",
        "regular": f"{image}?ixid=demo&q=80&fm=jpg&w=1080&fit=max",
        "small": f"{image}?ixid=demo&q=80&fm=jpg&w=400&fit=max",
        "thumb": f"{image}?ixid=demo&q=80&fm=jpg&w=200&fit=max",
    }


def _links(photo_id: str, base: str) -> Json:
    here = f"{base}/photos/{segment(photo_id)}"
    return {
        "self": here,
        "html": f"{PAGES}/p/{segment(photo_id)}",
        "download": f"{here}/download",
        "download_location": f"{here}/download",
    }
