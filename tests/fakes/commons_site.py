"""A MediaWiki that speaks as much of the Commons API as source `commons` asks for, in its true JSON shape.

It pages with continue tokens, splits a page's file information over two answers as the real one does when an answer
grows too large, lags on demand, and has files without information.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from tests.fakes.fault_site import FaultSite

BATCH = 3


class CommonsSite(FaultSite):
    """Serve `files` (title without `File:` -> bytes) in `categories` (name -> titles of files and categories)."""

    def __init__(
        self,
        files: Mapping[str, bytes],
        categories: Mapping[str, Sequence[str]],
        about: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        super().__init__(files)
        self.categories = categories
        self.about = about or {}
        self.refusals: list[tuple[int, dict[str, str], object] | None] = []  # null: an answer
        self.split = False
        self.queries: list[dict[str, str]] = []

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._counted])
        app.add_routes(
            [
                web.get("/w/api.php", self._api),
                web.get("/robots.txt", self._robots),
                web.get("/images/{id}", self._image),
            ]
        )
        return app

    async def _api(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.queries.append(asked)
        if self.refusals and (refusal := self.refusals.pop(0)):
            status, headers, said = refusal
            text = said if isinstance(said, str) else json.dumps(said)
            return web.Response(status=status, headers=headers, text=text)
        if asked.get("prop") == "categoryinfo":
            return web.json_response(self._category_info(asked["titles"]))
        if "srsearch" in asked:
            info = {"totalhits": len(self.pictures)}
            return web.json_response({"batchcomplete": True, "query": {"searchinfo": info}})
        if asked.get("list") == "categorymembers":
            return web.json_response(self._subcategories(asked["cmtitle"]))
        return web.json_response(self._files(asked))

    def _category_info(self, title: str) -> object:
        members = self.categories.get(title.removeprefix("Category:"))
        page: dict[str, Any] = {"ns": 14, "title": title}
        if members is None:
            return {"batchcomplete": True, "query": {"pages": [page | {"missing": True}]}}
        below = sum(name.startswith("Category:") for name in members)
        files = {"size": len(members), "files": len(members) - below, "subcats": below}
        return {"batchcomplete": True, "query": {"pages": [page | {"categoryinfo": files}]}}

    def _subcategories(self, title: str) -> object:
        below = [n for n in self._members(title) if n.startswith("Category:")]
        members = [{"pageid": 9, "ns": 14, "title": name} for name in below]
        return {"batchcomplete": True, "query": {"categorymembers": members}}

    def _members(self, title: str) -> Sequence[str]:
        return self.categories.get(title.removeprefix("Category:"), ())

    def _files(self, asked: Mapping[str, str]) -> object:
        names, token = list(self.pictures), "gaicontinue"
        if asked["generator"] == "categorymembers":
            members = self._members(asked["gcmtitle"])
            names, token = [n for n in members if not n.startswith("Category:")], "gcmcontinue"
        if asked["generator"] == "search":
            token = "gsroffset"
        start = int(asked.get(token, "0").rpartition("|")[2])
        batch = names[start : start + BATCH]
        said: dict[str, Any] = {}
        second = "iicontinue" in asked
        split = self.split and len(batch) > 1
        if split and not second:
            at = {"iicontinue": f"{batch[-1]}|2020", "continue": f"||{token}"}
            at |= {token: asked[token]} if token in asked else {}
            said["continue"] = at
        elif start + BATCH < len(names):
            value = str(start + BATCH) if token == "gsroffset" else f"file|{start + BATCH}"
            said["continue"] = {token: value, "continue": f"{token}||"}
        else:
            said["batchcomplete"] = True
        if not batch:
            return said  # the real one leaves `query` out
        half = len(batch) // 2
        shown = {name: not split or (i >= half) == second for i, name in enumerate(batch)}
        width = int(asked.get("iiurlwidth", "0"))
        pages = [self._page(name, width=width, whole=shown[name]) for name in batch]
        return said | {"query": {"pages": pages}}

    def _page(self, name: str, *, width: int, whole: bool) -> dict[str, Any]:
        page = {"pageid": 1000 + list(self.pictures).index(name), "ns": 6, "title": f"File:{name}"}
        info = self.about.get(name, {})
        if not whole or info.get("missing"):
            return page | {"imagerepository": "local"}
        url = f"{self.url}/images/{name}"
        said = {
            "timestamp": "2020-06-01T10:20:30Z",
            "user": "Uploader",
            "size": len(self.pictures[name]),
            "width": 4000,
            "height": 3000,
            "url": url,
            "descriptionurl": f"https://commons.example/wiki/File:{name}",
            "descriptionshorturl": "https://commons.example/w/index.php?curid=1",
            "sha1": f"sha1-of-{name}",
            "mime": "image/jpeg",
            "metadata": [
                {"name": "Make", "value": "NIKON CORPORATION"},
                {"name": "Model", "value": "NIKON D90"},
                {"name": "FNumber", "value": "28/10"},
                {"name": "ISOSpeedRatings", "value": [{"name": 0, "value": 200}]},
                {"name": "ExposureTime", "value": "10/2500"},
                {"name": "GPSLatitude", "value": 52.123456},
                {"name": "MEDIAWIKI_EXIF_VERSION", "value": 2},
            ],
            "extmetadata": {
                "Artist": _ext(
                    '<a href="//commons.example/wiki/User:Ann" title="x">Ann&amp;Co</a>'
                ),
                "LicenseShortName": _ext("CC BY-SA 4.0"),
                "LicenseUrl": _ext("https://creativecommons.org/licenses/by-sa/4.0"),
                "ImageDescription": _ext("A <b>pier</b> at dawn"),
                "Categories": _ext("Piers|Dawn"),
                "GPSLatitude": _ext("52.123456"),
            },
        }
        if width:
            said |= {"thumburl": f"{url}?width={width}", "thumbwidth": width, "thumbheight": width}
        return page | {"imagerepository": "local", "imageinfo": [said | dict(info)]}


def _ext(value: str) -> dict[str, str]:
    return {"value": value, "source": "commons-desc-page"}
