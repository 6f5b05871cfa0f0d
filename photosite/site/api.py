"""The handlers of the API: lists, search, one photo, download tracking."""

from collections.abc import Iterable

from aiohttp import web

from photosite.pictures.gallery import TOPICS, Gallery, Listing
from photosite.pictures.photo_ids import decode_photo_id
from photosite.site import api_objects
from photosite.site.access_control import api_error
from photosite.site.request_log import RequestLog

PER_PAGE, MOST_PER_PAGE = 10, 30


class UnsplashApi:
    """The API of one gallery."""

    def __init__(self, gallery: Gallery, log: RequestLog) -> None:
        self.gallery = gallery
        self.log = log
        self.by_id = {listing.id: listing for listing in gallery.listings}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the API."""
        return [
            web.get("/photos", self.photos),
            web.get("/photos/{id}", self.photo),
            web.get("/photos/{id}/download", self.download),
            web.get("/search/photos", self.search),
            web.get("/topics", self.topics),
            web.get("/topics/{slug}/photos", self.topic_photos),
            web.get("/collections", self.collections),
            web.get("/collections/{id}/photos", self.collection_photos),
            web.get("/users/{username}", self.user),
            web.get("/users/{username}/photos", self.user_photos),
        ]

    async def photos(self, request: web.Request) -> web.Response:
        """List all photos, newest first (oldest first with `order_by=oldest`)."""
        chosen = list(self.gallery.listings)
        if request.query.get("order_by") == "oldest":
            chosen.reverse()
        return self._page(request, chosen)

    async def photo(self, request: web.Request) -> web.Response:
        """Return one photo with its settings."""
        listing = self._find(request)
        downloads = self.log.downloads[listing.id]
        exif = self.gallery.api_exif(listing.id)
        return web.json_response(
            api_objects.detailed_photo(listing, exif, base_url(request), downloads)
        )

    async def download(self, request: web.Request) -> web.Response:
        """Count a download and return the URL of the original."""
        listing = self._find(request)
        self.log.downloads[listing.id] += 1
        image = f"{base_url(request)}/images/{api_objects.segment(listing.id)}"
        return web.json_response({"url": f"{image}?ixid=demo&dl={len(listing.id)}.jpg"})

    async def search(self, request: web.Request) -> web.Response:
        """List the photos whose texts contain every word of the query."""
        query = request.query.get("query", "")
        if not query:
            raise api_error(web.HTTPBadRequest, "query is missing")
        matches = [item for item in self.gallery.listings if api_objects.matches(item, query)]
        page, per_page = _paging(request)
        return web.json_response(
            {
                "total": len(matches),
                "total_pages": _pages(len(matches), per_page),
                "results": self._objects(request, matches, page, per_page),
            },
            headers={"X-Total": str(len(matches)), "X-Per-Page": str(per_page)},
        )

    async def topics(self, request: web.Request) -> web.Response:
        """List the topics."""
        base = base_url(request)
        return web.json_response(
            [api_objects.topic_object(slug, len(self._in_topic(slug)), base) for slug in TOPICS]
        )

    async def topic_photos(self, request: web.Request) -> web.Response:
        """List the photos of a topic."""
        slug = request.match_info["slug"]
        if slug not in TOPICS:
            raise api_error(web.HTTPNotFound, "Couldn't find Topic")
        return self._page(request, self._in_topic(slug))

    async def collections(self, request: web.Request) -> web.Response:
        """List the collections."""
        base = base_url(request)
        return web.json_response(
            [
                api_objects.collection_object(key, len(self._with_tag(tag)), base)
                for key, tag in api_objects.COLLECTIONS.items()
            ]
        )

    async def collection_photos(self, request: web.Request) -> web.Response:
        """List the photos of a collection."""
        tag = api_objects.COLLECTIONS.get(request.match_info["id"])
        if tag is None:
            raise api_error(web.HTTPNotFound, "Couldn't find Collection")
        return self._page(request, self._with_tag(tag))

    async def user(self, request: web.Request) -> web.Response:
        """Return one user."""
        photos = self._by_user(request)
        person = api_objects.user_object(photos[0], base_url(request))
        return web.json_response(person | {"total_photos": len(photos)})

    async def user_photos(self, request: web.Request) -> web.Response:
        """List the photos of one user."""
        return self._page(request, self._by_user(request))

    def _page(self, request: web.Request, chosen: list[Listing]) -> web.Response:
        page, per_page = _paging(request)
        others = [
            (name, value)
            for name, value in request.query.items()
            if name not in {"page", "client_id"}
        ]
        address = f"{base_url(request)}{request.rel_url.raw_path}"
        last = _pages(len(chosen), per_page)
        headers = {"X-Total": str(len(chosen)), "X-Per-Page": str(per_page)}
        if last > 1:
            headers["Link"] = api_objects.page_links(address, page, last, others)
        return web.json_response(self._objects(request, chosen, page, per_page), headers=headers)

    def _objects(
        self, request: web.Request, chosen: list[Listing], page: int, per_page: int
    ) -> list[api_objects.Json]:
        page_listings: Iterable[Listing] = chosen[(page - 1) * per_page : page * per_page]
        return [api_objects.listed_photo(listing, base_url(request)) for listing in page_listings]

    def _find(self, request: web.Request) -> Listing:
        listing = self.by_id.get(decode_photo_id(request))
        if listing is None:
            raise api_error(web.HTTPNotFound, "Couldn't find Photo")
        return listing

    def _in_topic(self, slug: str) -> list[Listing]:
        return [listing for listing in self.gallery.listings if listing.topic == slug]

    def _with_tag(self, tag: str) -> list[Listing]:
        return [listing for listing in self.gallery.listings if tag in listing.tags]

    def _by_user(self, request: web.Request) -> list[Listing]:
        username = request.match_info["username"]
        photos = [listing for listing in self.gallery.listings if listing.username == username]
        if not photos:
            raise api_error(web.HTTPNotFound, "Couldn't find User")
        return photos


def base_url(request: web.Request) -> str:
    """Return the base URL of the site as in the request."""
    return f"{request.scheme}://{request.host}"


def _paging(request: web.Request) -> tuple[int, int]:
    """Read page number and page size; invalid or too large values are corrected silently, as Unsplash does."""
    page, per_page = (
        int(text) if (text := request.query.get(name, "")).isdecimal() else default
        for name, default in (("page", 1), ("per_page", PER_PAGE))
    )
    return max(1, page), min(max(1, per_page), MOST_PER_PAGE)


def _pages(total: int, per_page: int) -> int:
    return -(-total // per_page)
