"""HTML pages (the console, pictures, datasets, crawls, review), and the static files that they need.

Jinja renders the HTML with autoescape on. Scripts and styles are files of `static/`, so the pages work under a content
security policy without inline code. plotly's JavaScript comes from its wheel.
"""

import asyncio
import json
from collections.abc import Callable
from functools import cache, wraps
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from catalog.errors import (
    AssetNotFoundError,
    NoSuchCrawlError,
    NoSuchModelError,
    ReleaseNotFoundError,
    ReviewError,
    SafelightError,
)
from catalog.lake.lake import Catalog, open_catalog
from catalog.lake.manual import LOCAL
from catalog.number_formats import TEMPLATE_FILTERS
from catalog.program_name import command_name
from catalog.releases.release import CLASSES
from catalog.version import __version__
from catalog.web.access.security import COMPILING
from catalog.web.http.app_keys import CALLER, PREDICTIONS, SETTINGS, SIMILARITY, WORKSPACE
from catalog.web.review.queues import QUEUES, find_queue
from catalog.web.review.review_session import new_seed
from catalog.web.sections import crawls, formatting
from catalog.web.sections.datasets import compare_versions, find_dataset, list_datasets
from catalog.web.sections.picture import BROWSER_TYPES, find_picture, raw_exif, typed_exif
from catalog.web.sections.prediction import describe_prediction
from catalog.web.sections.section import console_link
from catalog.web.sections.similar import kind_of_pair
from catalog.web.similarity.service import SimilarPictures
from catalog.workspace.logs import redacted
from catalog.workspace.workspace import Workspace

routes = web.RouteTableDef()

STATIC = Path(__file__).parents[1] / "static"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_NOT_FOUND = (
    AssetNotFoundError,
    NoSuchCrawlError,
    NoSuchModelError,
    ReleaseNotFoundError,
    ReviewError,
)
_MAX_ORIGINAL = 12 * 10**6
"""Largest file, in bytes, that a page shows as it is; for larger ones it shows a thumbnail."""

_SIMILAR, _SIMILAR_S = 12, 4.0
"""Similar pictures on the page of a picture, and how long the page waits for them, in seconds."""

_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
_HEADINGS = {
    403: "Not allowed",
    404: "Not found",
    421: "Unknown host name",
    429: "Too many attempts",
    500: "Server error",
    503: "Not available right now",
}

Result = TypeVar("Result")


def for_people(handler: Handler) -> Handler:
    """Wrap a handler so that its errors become an HTML page instead of JSON."""

    @wraps(handler)
    async def respond(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except SafelightError as error:
            status = 404 if isinstance(error, _NOT_FOUND) else 503
            return _problem_page(status, str(error))

    return respond


@web.middleware
async def errors_as_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Show a browser a page with navigation where a program gets JSON; `/api/` always answers JSON."""
    response = await handler(request)
    is_error = response.status >= 400 and response.content_type == "application/json"
    if not (is_error and is_navigation(request) and isinstance(response, web.Response)):
        return response
    sentence = json.loads(response.text or "{}").get("error", "")
    is_route_missing = sentence == "404: Not Found"
    page = _problem_page(
        response.status,
        f"No page has the address {request.path}." if is_route_missing else sentence,
    )
    page.headers.update({k: v for k, v in response.headers.items() if k in _KEPT_HEADERS})
    return page


def is_navigation(request: web.Request) -> bool:
    """Say whether a person in a browser asked for a page, and not a program or a script."""
    return "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")


@routes.get("/")
@for_people
async def console(_request: web.Request) -> web.Response:
    """Show the SQL console; its script fills it from the API."""
    return show_page("console.html", here="console")


@routes.get("/pictures/{sha256}")
@for_people
async def picture(request: web.Request) -> web.Response:
    """Show every row about one file."""
    content = await read_catalog(
        request, lambda catalog: find_picture(catalog, request.match_info["sha256"])
    )
    similar, no_similar = await _find_similar(request, content.sha256)
    asset = content.asset
    is_shown = asset["mime"] in BROWSER_TYPES and int(str(asset["bytes"] or 0)) <= _MAX_ORIGINAL
    return show_page(
        "picture.html",
        here="",
        picture=content,
        is_shown=is_shown,
        similar=similar,
        no_similar=no_similar,
    )


async def _find_similar(request: web.Request, sha256: str) -> tuple[SimilarPictures | None, str]:
    """Search for a few similar pictures; without them say why. A slow search does not hold up the page."""
    try:
        async with asyncio.timeout(_SIMILAR_S):
            return await request.app[SIMILARITY].nearest(sha256, _SIMILAR), ""
    except TimeoutError:
        return None, "this takes a moment the first time: show more, or load the page again"
    except SafelightError as error:
        return None, str(error)


@routes.get("/datasets")
@for_people
async def datasets(request: web.Request) -> web.Response:
    """List the releases."""
    releases = await read_catalog(request, list_datasets)
    return show_page("datasets.html", here="datasets", datasets=releases)


@routes.get("/datasets/{name}/{version}")
@for_people
async def dataset(request: web.Request) -> web.Response:
    """Show one release."""
    path = request.match_info
    content = await read_catalog(
        request, lambda catalog: find_dataset(catalog, path["name"], path["version"])
    )
    samples, card = await asyncio.to_thread(lambda: (content.samples, render_card(content.card)))
    return show_page(
        "dataset.html",
        here="datasets",
        dataset=content,
        samples=samples,
        card=card,
        origin=str(request.url.origin()),
    )


@routes.get("/datasets/{name}/{version}/diff/{other}")
@for_people
async def diff(request: web.Request) -> web.Response:
    """Show the difference between two versions of a dataset."""
    path = request.match_info
    content = await read_catalog(
        request,
        lambda catalog: compare_versions(catalog, path["name"], path["version"], path["other"]),
    )
    return show_page("difference.html", here="datasets", difference=content)


@routes.get("/crawls")
@for_people
async def crawl_list(request: web.Request) -> web.Response:
    """List the crawls and the yield of each source."""
    sessions, yields = await read_catalog(
        request, lambda c: (crawls.list_crawls(c), crawls.count_yields(c))
    )
    return show_page("crawls.html", here="crawls", crawls=sessions, yields=yields)


@routes.get("/crawls/{crawl_id}")
@for_people
async def crawl(request: web.Request) -> web.Response:
    """Show one crawl."""
    content = await read_catalog(
        request, lambda catalog: crawls.find_crawl(catalog, request.match_info["crawl_id"])
    )
    return show_page("crawl.html", here="crawls", crawl=content)


@routes.get("/review")
@for_people
async def review(_request: web.Request) -> web.Response:
    """List the review queues; their counts come from the API."""
    return show_page("review.html", here="review", queues=QUEUES.values())


@routes.get("/review/{queue}")
@for_people
async def review_queue(request: web.Request) -> web.Response:
    """Show one review queue; its items come from the API."""
    queue = find_queue(request.match_info["queue"])
    return show_page("review_queue.html", here="review", queue=queue, seed=new_seed())


@routes.get("/label")
@for_people
async def label(request: web.Request) -> web.Response:
    """Show the labelling; a script fills it from the API."""
    return show_page(
        "label.html", here="label", is_named=request[CALLER] != LOCAL, name=request[CALLER]
    )


@routes.get("/predict")
@for_people
async def predict(request: web.Request) -> web.Response:
    """Show the models and a place for pictures; a script sends each picture to the API."""
    try:
        models, missing = await request.app[PREDICTIONS].models(), ""
    except SafelightError as error:  # a part that is not installed
        models, missing = (), str(error)
    return show_page(
        "predict.html",
        here="predict",
        models=models,
        missing=missing,
        upload_mb=request.app[SETTINGS].upload_mb,
    )


@routes.get("/similar")
async def similar(request: web.Request) -> web.Response:
    """Show the search by a picture; a script sends it to the API."""
    missing, upload_mb = await _missing_part(request), request.app[SETTINGS].upload_mb
    return show_page("similar.html", here="similar", missing=missing, upload_mb=upload_mb)


@routes.get("/map")
async def embedding_map(request: web.Request) -> web.Response:
    """Show the map of all pictures; a script reads its points from the API."""
    response = show_page("map.html", here="map", missing=await _missing_part(request))
    response.headers.update(COMPILING)
    return response


async def _missing_part(request: web.Request) -> str:
    """Say why this server compares no pictures; empty when it does."""
    try:
        await request.app[SIMILARITY].open()
    except SafelightError as error:
        return str(error)
    return ""


@routes.get("/login")
async def login(request: web.Request) -> web.Response:
    """Show the sign-in form; `login.py` handles it."""
    problem = "This is not a token of this server." if "wrong" in request.query else ""
    return show_page("login.html", here="", problem=problem)


@routes.get("/static/{name}")
async def static_file(request: web.Request) -> web.FileResponse:
    """Send a script, a style or an icon; browsers revalidate it on each use."""
    path = _files().get(request.match_info["name"])
    if path is None:
        raise web.HTTPNotFound(text="no such file")
    headers = {"Cache-Control": "no-cache", "Content-Type": _TYPES[path.suffix]}
    return web.FileResponse(path, headers=headers)


@cache
def _files() -> dict[str, Path]:
    """Map names to the files that may be sent: ours, and plotly where it is installed."""
    files = {path.name: path for path in STATIC.iterdir() if path.suffix in _TYPES}
    spec = find_spec("plotly")
    if spec and spec.submodule_search_locations:
        script = Path(spec.submodule_search_locations[0]) / "package_data" / "plotly.min.js"
        files |= {"plotly.min.js": script} if script.exists() else {}
    return files


async def read_catalog(request: web.Request, function: Callable[[Catalog], Result]) -> Result:
    """Call a function with the open catalog in a thread."""
    return await asyncio.to_thread(_with_catalog, request.app[WORKSPACE], function)


def _with_catalog(workspace: Workspace, function: Callable[[Catalog], Result]) -> Result:
    with open_catalog(workspace) as catalog:
        return function(catalog)


def show_page(template: str, *, status: int = 200, **values: object) -> web.Response:
    """Render a template as a page, which browsers revalidate."""
    text = _environment().get_template(template).render(values)
    headers = {"Cache-Control": "no-cache"}
    return web.Response(text=text, content_type="text/html", status=status, headers=headers)


def _problem_page(status: int, sentence: str) -> web.Response:
    heading = _HEADINGS.get(status, "Request refused")
    return show_page("problem.html", status=status, here="", heading=heading, problem=sentence)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("catalog.web"),
        autoescape=True,
        undefined=StrictUndefined,
        lstrip_blocks=True,  # without trim_blocks: it would glue the words of two lines together
    )
    filters = (
        formatting.words,
        formatting.cell,
        formatting.web_link,
        formatting.shortened,
        formatting.sentence,
        kind_of_pair,
        redacted,
        console_link,
        typed_exif,
        raw_exif,
        describe_prediction,
    )
    environment.filters |= TEMPLATE_FILTERS
    environment.filters |= {function.__name__: function for function in filters}
    environment.globals |= {"version": __version__, "classes": (*CLASSES, "missing")}
    environment.globals |= {"command_name": command_name}
    return environment


class _Card(MarkdownIt):
    """Markdown without HTML and images; links go to http and https only."""

    def __init__(self) -> None:
        super().__init__("commonmark", {"html": False})
        self.enable("table").disable("image")

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        """Allow http and https."""
        return formatting.web_link(url) is not None


def render_card(text: str) -> Markup:
    r"""Render the Markdown of a dataset card as HTML; HTML inside it is escaped.

    >>> str(render_card("# A <b> [c](javascript:d)"))
    '<h1>A &lt;b&gt; [c](javascript:d)</h1>\n'
    """
    card = _Card()
    tokens = card.parse(text)
    for token in tokens:
        if token.type == "table_open":  # a wide table scrolls, also by keyboard
            token.attrSet("tabindex", "0")
    return Markup(card.renderer.render(tokens, card.options, {}))  # noqa: S704 - the parser escapes HTML
