"""Pages as the server sends them: what they say, what they escape, where their links lead."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from http.client import HTTPResponse
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from aiohttp import web

from catalog import Workspace
from catalog.web.api.pages import STATIC, errors_as_pages, render_card, routes
from catalog.web.http.app_keys import PREDICTIONS, SETTINGS, SIMILARITY, WORKSPACE
from catalog.web.http.errors import errors_as_json
from catalog.web.http.settings import ServeSettings
from catalog.web.predictions.service import PredictionService
from catalog.web.similarity.service import SimilarityService
from tests.catalog.web.in_thread import serving
from tests.catalog.web.made_home import COPY_OF_TURNED, CRAWL, SHAS, TURNED
from tests.catalog.web.made_predictor import MadePredictor

PAGES = (
    "/",
    "/datasets",
    "/datasets/cameras/1.0.0",
    "/datasets/cameras/1.0.0/diff/1.1.0",
    "/crawls",
    f"/crawls/{CRAWL}",
    "/review",
    "/review/duplicates",
    "/similar",
    "/map",
    "/review/sample",
    "/predict",
    f"/pictures/{SHAS[TURNED]}",
    f"/pictures/{SHAS[COPY_OF_TURNED]}",
    f"/pictures/{SHAS[7]}",
)

INLINE = {"a", "b", "code", "em", "i", "kbd", "small", "span", "strong"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


class Reader(HTMLParser):
    """Collects what matters of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.glued: list[str] = []
        self._before = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._before = self._before if tag in INLINE else ""

    def handle_endtag(self, tag: str) -> None:
        self._before = self._before if tag in INLINE else ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if re.search(r"[\w)]\Z", self._before) and re.match(r"[\w(]", data):
            self.glued.append(f"{self._before[-30:]}|{data[:30]}")
        self._before = data


def ask(url: str, **headers: str) -> HTTPResponse | HTTPError:
    try:
        answer: HTTPResponse = urlopen(Request(url, headers=headers))
    except HTTPError as refused:
        return refused
    return answer


def read(url: str, status: int = 200) -> Reader:
    with ask(url) as answer:
        assert answer.status == status, url
        assert answer.headers.get_content_type() == "text/html"
        return Reader(answer.read().decode())


async def _broken(_request: web.Request) -> web.Response:
    raise ZeroDivisionError("the secret of a bug")


async def _forbidden(_request: web.Request) -> web.Response:
    raise web.HTTPForbidden(text="not for you <b>")


def bare(workspace: Workspace) -> web.Application:
    """Make an application of the pages alone: without the sandbox it starts at once."""
    app = web.Application(middlewares=[errors_as_pages, errors_as_json])
    app[WORKSPACE], app[SETTINGS] = workspace, ServeSettings()
    app[SIMILARITY] = SimilarityService(workspace, None, max_at_work=2, timeout_s=5.0)
    app[PREDICTIONS] = PredictionService(
        workspace, lambda _: MadePredictor(), max_at_work=1, timeout_s=5
    )
    app.add_routes([*routes, web.get("/broken", _broken), web.get("/forbidden", _forbidden)])
    return app


@pytest.fixture(scope="module")
def address(home: Workspace) -> Iterator[str]:
    with serving(bare(home)) as address:
        yield address


@pytest.fixture(scope="module")
def pages(address: str) -> dict[str, Reader]:
    return {path: read(address + path) for path in PAGES}


def test_hostile_text_is_shown_and_never_obeyed(pages: dict[str, Reader]) -> None:
    for page in pages.values():
        for tag, attributes in page.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), tag
            assert tag != "script" or str(attributes["src"]).startswith("/static/")
            assert attributes.get("src") != "x"
    picture = pages[f"/pictures/{SHAS[TURNED]}"]
    assert "<img src=x onerror=" in picture.text
    assert "javascript:alert('licence')" in picture.text, "a licence that is no address is text"


def test_the_bars_of_predictions_have_a_legend(address: str, pages: dict[str, Reader]) -> None:
    legend = "Bold with a red bar marks the true class"
    predicted = read(f"{address}/pictures/{SHAS[7]}")
    assert legend in " ".join(predicted.text.split())
    assert legend not in " ".join(pages[f"/pictures/{SHAS[TURNED]}"].text.split())


def test_the_review_does_not_take_camera_settings_for_labels(pages: dict[str, Reader]) -> None:
    text = " ".join(pages["/review"].text.split())
    assert (
        "Suspected errors Labels that the label audit doubts, camera settings that a model" in text
    )
    assert "Label audit" not in text


def test_links_lead_to_our_pages_or_the_web(pages: dict[str, Reader]) -> None:
    for page in pages.values():
        for tag, attributes in page.tags:
            link = attributes.get("href")
            if tag != "a" or link is None:
                continue
            assert link.startswith(("/", "#", "https://", "http://")), link
            if link.startswith("http"):
                assert "noopener" in str(attributes["rel"]), link


def test_what_is_missing_is_said_on_a_page(address: str) -> None:
    for path, advice in (
        (f"/pictures/{'0' * 64}", "SELECT sha256 FROM assets"),
        ("/pictures/%3Cscript%3E", "no picture has the SHA-256"),
        ("/datasets/cameras/9.9.9", "known: cameras@1.1.0, cameras@1.0.0"),
        ("/datasets/cameras/1.0.0/diff/nope", "safelight dataset list"),
        ("/crawls/nope", "safelight crawl status"),
        ("/review/nope", "there are duplicates, bridges"),
    ):
        page = read(address + path, status=404)
        assert advice in page.text
        assert "script" not in [tag for tag, at in page.tags if "src" not in at]


@pytest.mark.parametrize(
    ("path", "status", "heading", "kind"),
    [
        ("/nowhere", 404, "Not found", "not_found"),
        ("/static/nothing.js", 404, "Not found", "not_found"),
        ("/forbidden", 403, "Not allowed", "forbidden"),
        ("/broken", 500, "Server error", "bug"),
    ],
)
def test_an_error_is_a_page_for_browsers_and_json_for_programs(
    address: str, path: str, status: int, heading: str, kind: str
) -> None:
    with ask(address + path, **BROWSER) as answer:
        page = Reader(answer.read().decode())
        assert (answer.status, answer.headers.get_content_type()) == (status, "text/html")
    assert heading in page.text
    links = [at.get("href") for tag, at in page.tags if tag == "a"]
    assert {"/", "/datasets", "/crawls", "/review"} <= set(links)
    assert "secret" not in page.text
    for accept in ("*/*", "application/json"):
        with ask(address + path, Accept=accept) as answer:
            assert (answer.status, json.loads(answer.read())["kind"]) == (status, kind)


def test_an_address_of_the_api_answers_json_to_browsers_too(address: str) -> None:
    with ask(f"{address}/api/nowhere", **BROWSER) as answer:
        assert (answer.status, json.loads(answer.read())["kind"]) == (404, "not_found")


def test_an_unknown_address_is_shown_as_text(address: str) -> None:
    with ask(f"{address}/%3Cscript%3Ealert(1)%3C/script%3E{'x' * 2000}", **BROWSER) as answer:
        page = Reader(answer.read().decode())
    assert "<script>alert(1)</script>" in page.text
    assert all("src" in at for tag, at in page.tags if tag == "script")


def test_words_of_two_elements_are_never_glued_together(pages: dict[str, Reader]) -> None:
    assert {path: page.glued for path, page in pages.items() if page.glued} == {}
    decision = " ".join(pages[f"/pictures/{SHAS[COPY_OF_TURNED]}"].text.split())
    assert "near duplicate evidence: " in decision


def test_an_empty_workspace_says_what_to_run(workspace: Workspace) -> None:
    with serving(bare(workspace)) as address:
        assert "safelight crawl run" in (read(address + "/crawls")).text
        assert "safelight dataset publish" in (read(address + "/datasets")).text


def test_a_picture_page_says_why_it_was_dropped(pages: dict[str, Reader]) -> None:
    text = pages[f"/pictures/{SHAS[COPY_OF_TURNED]}"].text
    assert "Dropped by curation: near duplicate" in text
    assert SHAS[TURNED][:12] in text, "the evidence is the picture that was kept"


def test_a_picture_page_shows_the_predictions_of_any_head(pages: dict[str, Reader]) -> None:
    page = pages[f"/pictures/{SHAS[7]}"]
    text = " ".join(page.text.split("Predictions")[-1].split())
    assert "0.70 low 0.20 medium 0.10 high low medium" in text, "without names: low, medium, high"
    assert "0.58 <b>neon</b> 0.15 fire" in text, "the five most probable classes"
    assert "0.02 dawn & dusk and 1 more <b>neon</b> dawn & dusk" in text, "and the true one"
    assert "34.2 points [28, 41] 37 points off by 2.8 points" in text
    assert "Bold with a red bar marks the true class" in text
    bold = [attributes for tag, attributes in page.tags if attributes.get("class") == "truth"]
    assert len(bold) == 2, "a value has no true class"


def test_a_revoked_release_warns_and_names_its_successor(pages: dict[str, Reader]) -> None:
    page = pages["/datasets/cameras/1.0.0"]
    assert "a photographer asked" in page.text
    assert ("a", "/datasets/cameras/1.1.0") in [(tag, at.get("href")) for tag, at in page.tags]
    assert "safelight dataset pull cameras@1.0.0 --from http://127.0.0.1" in page.text


def test_the_page_to_sign_in_says_when_a_token_is_wrong(address: str) -> None:
    assert "not a token of this server" not in read(f"{address}/login").text
    page = read(f"{address}/login?wrong=1")
    assert "not a token of this server" in page.text
    assert ("form", "/login") in [(tag, at.get("action")) for tag, at in page.tags]


def test_only_listed_files_are_served(address: str) -> None:
    for path in (
        "/static/pages.py",
        "/static/..%2fpages.py",
        "/static/%2e%2e/pages.py",
        "/static/",
    ):
        assert ask(address + path).status == 404, path
    with ask(address + "/static/plotly.min.js") as answer:
        assert answer.headers.get_content_type() == "text/javascript"
        assert answer.headers["Cache-Control"] == "no-cache"


def test_scripts_name_no_other_host_and_build_no_html() -> None:
    for path in STATIC.iterdir():
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        for word in ("http:", "https:", "innerHTML", "eval(", "new Function", "document.write"):
            assert word not in text, f"{path.name} has {word}"


def test_templates_have_no_inline_code() -> None:
    for path in (STATIC.parent / "templates").iterdir():
        text = path.read_text("utf-8")
        assert "style=" not in text, path.name
        assert "| safe" not in text, path.name


def test_a_card_shows_html_as_text_and_drops_pictures() -> None:
    card = str(render_card("<script>x</script> ![p](https://a.org/p.png) [l](data:text/html,x)"))
    assert "<script" not in card
    assert "<img" not in card
    assert "data:text/html" in Reader(card).text, "an address that is not of the web is text"
