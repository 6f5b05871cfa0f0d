"""The prediction page in a browser: pictures by file, drop and paste, answers, refusals, keyboard, telephone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from catalog import Workspace
from catalog.web.app import make_app
from catalog.web.http.settings import ServeSettings
from tests.catalog.web.browsing import Tab
from tests.catalog.web.in_thread import serving
from tests.catalog.web.made_home import BODIES, SHAS
from tests.catalog.web.made_predictor import MadePredictor
from tests.factories import jpeg

PICTURE = jpeg(size=(96, 64), seed=3)
GIVE = """([kind, name, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
  const about = kind === "paste" ? { clipboardData: data } : { dataTransfer: data };
  const event = kind === "paste" ? new ClipboardEvent(kind, about) : new DragEvent(kind, about);
  document.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def predicting(home: Workspace) -> Iterator[str]:
    """Where the workspace is served with a made predictor."""
    with serving(make_app(home, ServeSettings(upload_mb=1), lambda _: MadePredictor())) as address:
        yield address


@pytest.fixture
def window(browser: Browser, predicting: str) -> Iterator[Tab]:
    watched = Tab(browser, predicting)
    yield watched
    watched.close()


def upload(page: Page, *files: tuple[str, bytes]) -> None:
    page.locator("#files").set_input_files(
        [{"name": name, "mimeType": "image/jpeg", "buffer": body} for name, body in files]
    )
    page.wait_for_selector(".predicted[aria-busy=true]", state="detached")


def test_a_picture_is_shown_with_its_faces_and_answers(window: Tab) -> None:
    page = window.open("/predict")
    upload(page, ("face.jpg", PICTURE))
    place = page.get_by_role("article", name="face.jpg")
    expect(place.locator(".subject .face")).to_have_text(["Face 1", "Face 2"])
    expect(place).to_contain_text("34.3 years 90 % interval 27.9 to 41.3 years")
    expect(place).to_contain_text("The 2 largest of 5 faces.")
    expect(place.locator(".said").nth(1)).to_have_text("<b>species 6</b>")
    assert place.locator(".said b").count() == 0, "names of classes are text"
    expect(place.locator(".subject").nth(1)).to_contain_text("cannot tell")
    assert place.locator(".subject").nth(1).locator(".chosen").count() == 0
    chances = place.locator(".chances").nth(0).locator("li")
    assert [text.split("\n")[-1] for text in chances.all_inner_texts()] == [
        "22 %", "19 %", "17 %", "14 %", "11 %",
    ]  # fmt: skip
    place.locator("summary").click()
    expect(place.get_by_text("<b>species 0</b>")).to_be_visible()
    image = place.locator(".sheet img")
    box, face = image.bounding_box(), place.locator(".faces rect").nth(0).bounding_box()
    assert box
    assert face
    assert face["x"] - box["x"] == pytest.approx(8 * box["width"] / 96, abs=3)
    assert face["height"] == pytest.approx(30 * box["height"] / 64, abs=4)


def test_pictures_are_dropped_pasted_and_removed(window: Tab) -> None:
    page = window.open("/predict")
    for kind in ("drop", "paste"):
        page.evaluate(GIVE, [kind, f"{kind}.jpg", list(PICTURE)])
    page.wait_for_selector(".predicted[aria-busy=true]", state="detached")
    expect(page.locator(".predicted .said").nth(0)).to_have_text(
        "34.3 years 90 % interval 27.9 to 41.3 years"
    )
    expect(page.locator(".predicted")).to_have_count(2)
    page.get_by_role("button", name="Remove drop.jpg").click()
    expect(page.locator(".predicted")).to_have_count(1)


def test_refusals_and_bad_files_are_said_in_words(window: Tab) -> None:
    page = window.open("/predict")
    files = {"empty.jpg": b"empty", "bad.jpg": b"bad", "large.jpg": bytes(2**20 + 1)}
    upload(page, *files.items())
    expect(page.locator("#progress")).to_have_text("3 pictures predicted")
    for name, text in (
        ("empty.jpg", "The picture shows no face that is found."),
        ("bad.jpg", "The file is cut off: 3 bytes."),
        ("large.jpg", "The file is larger than 1 MB."),
    ):
        place = page.get_by_role("article", name=name)
        expect(place.locator(".answers")).to_have_text(text)
        expect(place).to_contain_text("This browser cannot show the file.")
    assert [line for line in window.wrong if "422" not in line] == []
    window.wrong.clear()


def test_another_model_predicts_the_same_pictures_by_keyboard(window: Tab) -> None:
    page = window.open("/predict")
    upload(page, ("face.jpg", PICTURE))
    page.locator("#model").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".recorded")).to_have_text("✗ EXIF: ISO 400 (from ISO 250)")
    expect(
        page.get_by_role("img", name="ISO: up to ISO 200 70 %, from ISO 250 30 %")
    ).to_be_visible()
    assert page.url.endswith("#model=9876fedc")
    expect(page.locator(".about:visible")).to_contain_text("as it is stored")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    links = page.locator(".about:visible a")
    assert links.nth(1).get_attribute("href") == "/datasets/cameras/1.1.0"
    for _ in range(6):
        if page.evaluate("document.activeElement.id") == "files":
            break
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "files"
    page.evaluate("document.activeElement.blur()")
    with page.expect_file_chooser():
        page.keyboard.press("o")


def test_a_busy_server_is_waited_for(window: Tab) -> None:
    page = window.open("/predict")
    busy = {"status": 503, "headers": {"Retry-After": "0.1"}, "json": {"error": "busy"}}
    page.route("**/api/v1/predict*", lambda route: route.fulfill(**busy), times=2)
    upload(page, ("face.jpg", PICTURE))
    expect(page.locator(".said").nth(0)).to_contain_text("34.3 years")
    assert [line for line in window.wrong if "503" not in line] == []
    window.wrong.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_on_a_telephone(browser: Browser, predicting: str, scheme: str) -> None:
    small = Tab(browser, predicting, viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = small.open("/predict")
    upload(page, (f"{'long' * 40}.jpg", PICTURE))
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small.close()


def test_votes_severities_and_what_counted_are_drawn(window: Tab) -> None:
    page = window.open("/predict#model=feedc0de")
    upload(page, ("one.jpg", PICTURE))
    assert page.locator(".votes rect").count() == 10
    expect(page.locator(".said")).to_have_text("6.2 mean of 1 to 10, 90 % interval 5 to 7.4")
    assert page.locator(".gauge").count() == 2
    page.get_by_role("button", name="What counted for Noise").press("Enter")
    heat = page.get_by_role("img", name="What counted for face 0: most in the upper right")
    expect(heat).to_be_visible()
    assert heat.locator(".against").count() == 1
    page.get_by_role("button", name="What counted for Noise").press("Enter")
    expect(heat).to_have_count(0)


def test_a_picture_of_the_catalog_is_linked_and_one_that_was_learnt_is_named(window: Tab) -> None:
    page = window.open("/predict")
    upload(page, ("learnt.jpg", BODIES[5]))
    row = page.locator(".in-catalog")
    expect(page.locator(".learnt")).to_contain_text("on cameras@1.1.0, whose split train")
    expect(row).to_contain_text("CC0")
    expect(row).to_contain_text("cameras@1.1.0 (train)")
    row.get_by_role("link", name=SHAS[5][:12]).click()
    assert page.url.endswith(f"/pictures/{SHAS[5]}")


def test_test_pictures_of_the_release_are_predicted(window: Tab) -> None:
    page = window.open("/predict")
    page.get_by_role("button", name="Test pictures of the data set").click()
    expect(page.locator("#progress")).to_contain_text("pictures predicted")
    assert page.locator(".in-catalog").count() == page.locator(".predicted").count() > 2
    assert page.locator(".learnt").count() == 0, "no test picture was learnt"


def test_every_recipe_answers_about_one_picture(window: Tab) -> None:
    page = window.open("/predict")
    page.locator("#model").select_option("*")
    upload(page, ("one.jpg", BODIES[5]))
    place = page.get_by_role("article", name="one.jpg")
    expect(place.locator("h3.recipe")).to_have_text(["exif", "faces", "quality"])
    assert place.locator(".faces rect").count() == 2
    assert place.locator(".ring").count() == 1
    assert place.locator(".votes").count() == 1
    assert place.locator(".in-catalog").count() == 1
    place.get_by_role("button", name="What counted for ISO").click()
    expect(place.locator(".heat")).to_be_visible()
