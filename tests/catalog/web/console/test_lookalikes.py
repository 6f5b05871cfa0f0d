"""Five look-alikes are planted among other pictures, and people find all: by "more like this" and by the map."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps
from playwright.sync_api import Browser, Page, expect

from catalog import Workspace, open_catalog
from curation.run.run import curate
from curation.settings import CurateSettings
from tests.catalog.web.browsing import Tab
from tests.catalog.web.serving import Server, serving
from tests.curation.made_pictures import scene

ROOT = Path(__file__).parents[1]
HOSTILE = "<img src=x onerror=\"document.title='pwned'\"> '; DROP TABLE photos; --.jpg"
OTHERS = 60
TOKEN = "correct-horse-battery-staple"


@dataclass(frozen=True)
class Planted:
    """A workspace with its server, the SHA-256 of the picture and of its five look-alikes."""

    home: Path
    server: Server
    original: str
    likes: frozenset[str]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


def _look_alikes(picture: Image.Image) -> dict[str, Image.Image]:
    width, height = picture.size
    return {
        "smaller.jpg": picture.resize((width // 2, height // 2)),
        HOSTILE: picture.crop((18, 14, width - 12, height - 10)),
        "darker.jpg": ImageEnhance.Brightness(picture).enhance(0.75),
        "pale.jpg": ImageEnhance.Color(picture).enhance(0.5),
        "mirrored.jpg": ImageOps.mirror(picture),
    }


def _write(folder: Path) -> None:
    """Write the pictures into a folder; the names of some are hostile."""
    folder.mkdir()
    for number in range(OTHERS):
        Image.fromarray(scene(number)).save(folder / f"other{number:03}.jpg", quality=90)
    original = Image.fromarray(scene(1_000))
    original.save(folder / "original.jpg", quality=95)
    for name, picture in _look_alikes(original).items():
        body = BytesIO()
        picture.save(body, "JPEG", quality=88)
        (folder / name.replace("/", "_")).write_bytes(body.getvalue())


def _run(home: Path, *words: str) -> None:
    command = [sys.executable, "-P", "-m", "safelight", "--home", str(home), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    base = tmp_path_factory.mktemp("planted")
    home = base / "home"
    _write(base / "pictures")
    _run(home, "crawl", "run", "folder", str(base / "pictures"))
    curate(Workspace.at(home), None, CurateSettings(runner="threads", workers=1))
    with open_catalog(Workspace.at(home)) as catalog:
        sql = "SELECT asset_sha256 AS sha, source_photo_id AS name FROM photos"
        shas = {str(row["name"]): str(row["sha"]) for row in catalog.records(sql)}
    [original] = [sha for name, sha in shas.items() if "original" in name]
    likes = frozenset(sha for name, sha in shas.items() if "other" not in name) - {original}
    assert len(likes) == 5
    with serving(home) as server:
        yield Planted(home, server, original, likes)


@pytest.fixture
def window(browser: Browser, planted: Planted) -> Iterator[Tab]:
    tab = Tab(browser, planted.address)
    yield tab
    tab.wrong[:] = [line for line in tab.wrong if "GL Driver Message" not in line]
    tab.close()


def _shown(page: Page) -> list[str]:
    links = page.locator("#pictures a.thumbnail").evaluate_all("all => all.map(a => a.href)")
    return [str(link).rpartition("/")[2] for link in links]


@pytest.mark.slow
def test_more_like_this_shows_all_five_before_any_other_picture(
    window: Tab, planted: Planted
) -> None:
    page = window.open(f"/pictures/{planted.original}")
    section = page.locator("#more-like-this")
    section.get_by_role("link", name="Select, or show more").click()
    expect(page.locator("#pictures li")).to_have_count(24)
    assert set(_shown(page)[:5]) == planted.likes
    expect(page.locator("#pictures li", has_text="copy distance")).not_to_have_count(0)
    assert page.locator("#pictures script, #pictures img[src='x']").count() == 0
    assert "pwned" not in page.title()


@pytest.mark.slow
def test_an_upload_of_a_new_look_alike_finds_all_six(window: Tab, planted: Planted) -> None:
    body = BytesIO()
    ImageEnhance.Color(Image.fromarray(scene(1_000))).enhance(0.4).save(body, "JPEG", quality=70)
    page = window.open("/similar")
    file = {"name": HOSTILE, "mimeType": "image/jpeg", "buffer": body.getvalue()}
    page.locator("#file").set_input_files([file])
    expect(page.locator("#pictures li")).to_have_count(24)
    assert planted.likes | {planted.original} <= set(_shown(page))
    expect(page.locator("#query")).to_contain_text("<img src=x")
    assert page.locator("#query img").count() == 1


@pytest.mark.slow
def test_a_lasso_around_the_picture_on_the_map_holds_all_five(
    window: Tab, planted: Planted
) -> None:
    """The lasso is drawn around the original, as far as its look-alikes lie; the selection becomes a label."""
    page = window.open("/map")
    page.wait_for_selector("body[data-ready]")
    places = page.evaluate(PLACES)
    own = [places[sha] for sha in (planted.original, *planted.likes)]
    left, right = min(x for x, _ in own) - 9, max(x for x, _ in own) + 9
    top, bottom = min(y for _, y in own) - 9, max(y for _, y in own) + 9
    plot = page.locator("#plot").bounding_box()
    assert plot
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    at = [(plot["x"] + x, plot["y"] + y) for x, y in corners]
    page.mouse.move(*at[0])
    page.mouse.down()
    for corner in at[1:]:
        page.mouse.move(*corner, steps=6)
    page.mouse.up()
    page.locator("#pictures li").first.wait_for()
    inside = set(_shown(page))
    assert planted.likes | {planted.original} <= inside
    assert len(inside) < OTHERS / 2, "the map sets them apart"
    page.get_by_role("button", name="Label…").click()
    page.locator("#label-task").fill("look")
    page.locator("#label-value").fill("<b>alike</b>")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("look: <b>alike</b>")
    page.get_by_role("button", name="Open in the console").click()
    expect(page.locator("#status")).to_contain_text(f"{len(inside)} rows")


PLACES = """async () => {
  const about = await (await fetch("/api/v1/map")).json();
  const body = await (await fetch("/api/v1/map/points")).arrayBuffer();
  const n = about.points;
  const [x, y] = [new Float32Array(body, 32 * n, n), new Float32Array(body, 36 * n, n)];
  const { _fullLayout: { xaxis, yaxis } } = document.getElementById("plot");
  const hex = (byte) => byte.toString(16).padStart(2, "0");
  const name = (at) => Array.from(new Uint8Array(body, 32 * at, 32), hex).join("");
  const place = (at) => [xaxis.l2p(x[at]) + xaxis._offset, yaxis.l2p(y[at]) + yaxis._offset];
  return Object.fromEntries(Array.from({ length: n }, (_, at) => [name(at), place(at)]));
}"""
"""Where the points of the map are, in px from the corner of the plot."""


@pytest.mark.slow
def test_a_picture_that_is_taken_down_leaves_every_list_at_once(planted: Planted) -> None:
    """The last test of this module: it removes a look-alike for good."""
    server, gone = planted.server, min(planted.likes)
    server.get("/api/v1/map/points")
    _run(planted.home, "catalog", "takedown", "--sha256", gone, "--reason", "asked", "--yes")
    similar = server.get(f"/api/v1/similar/{planted.original}?limit=200")
    shas = {each["picture"]["sha256"] for each in similar.json["pictures"]}
    assert gone not in shas
    assert planted.likes - {gone} <= shas
    points = server.get("/api/v1/map/points")
    assert bytes.fromhex(gone) not in points.body
    assert len(points.body) == 40 * server.get("/api/v1/map").json["points"]
    assert gone not in server.get(f"/pictures/{planted.original}").body.decode()
    assert server.get(f"/api/v1/similar/{gone}").status == 409
    body = {"pictures": [gone], "kind": "keep"}
    assert server.ask("POST", "/api/selection/decisions", body).status == 422
    for path in (planted.home / "cache" / "maps").glob("*"):
        assert bytes.fromhex(gone) not in path.read_bytes()
        assert gone.encode() not in path.read_bytes()
